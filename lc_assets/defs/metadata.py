"""The metadata of each asset in Dagster: pictures, tables and numbers for the UI, at most twelve rows an asset.

A label names the unit of its number. What a document of the store says in full is not repeated here.

URLs are stored without query strings, so no token gets into Dagster's records.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import dagster as dg
import numpy as np
import pystac
from PIL import Image
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from lc_assets.core.errors import BadBand
from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.core.urls import is_remote
from lc_assets.inference.class_map import ClassMap
from lc_assets.inference.windows.classify import Classification
from lc_assets.products.overview import Overview, OverviewPlan
from lc_assets.products.pages.scene_report import Report
from lc_assets.raster.inline_svg import inline_histogram, inline_image, inline_map, inline_shares
from lc_assets.raster.render import (
    encode_image,
    quicklook,
    read_codes_for_display,
    read_decimated,
    rgb_composite,
)
from lc_assets.remote.download import FetchResult
from lc_assets.sentinel2.band_table import BAND_NAMES, BANDS, FALSE_COLOUR, SCL, SCL_GSD, TRUE_COLOUR
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.bands.stack import Stack, StackRecipe
from lc_assets.sentinel2.radiometry import NODATA_DN
from lc_assets.store.layout import SceneLayout
from lc_assets.store.paths import StorePath, gdal_path, list_files

PICTURE_SIDE = 480
"""Longest side of the large pictures, in pixels. Dagster's event log stores each picture twice, so they are small."""
_SMALL_SIDE = 320
"""Longest side of the pictures that repeat a larger one, in pixels."""


def picture(image: bytes, kind: str, title: str) -> dg.MarkdownMetadataValue:
    """Return an image that Dagster's UI shows after a click.

    Args:
        image: content of the image file.
        kind: image type, such as `png` or `webp`.
        title: title of the picture.
    """
    return dg.MetadataValue.md(f"![{title}](data:image/{kind};base64,{base64.b64encode(image).decode()})")


def inline(markdown: str) -> dg.MarkdownMetadataValue:
    """Return a picture of `lc_assets.raster.inline_svg`, which Dagster's UI shows without a click."""
    return dg.MetadataValue.md(markdown)


def photo(image: Image.Image, title: str) -> dg.MarkdownMetadataValue:
    """Return a photograph that Dagster's UI shows after a click. WebP needs half the bytes of JPEG."""
    return picture(encode_image(image, "WEBP", quality=72, method=4), "webp", title)


def table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    """Return a table, which Dagster's UI shows without a click. Each row maps column name -> value."""
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows])


def _megabytes(size: int) -> float:
    return round(size / 1e6, 6)


def raw_bands_metadata(raw: RawBands, fetched: dict[str, FetchResult]) -> dict[str, Any]:
    """Return a true-colour picture, a table of the bands (size, rate, nodata share, origin) and facts of the scene.

    Args:
        raw: the complete folder of raw bands.
        fetched: band -> result of its download.

    Raises:
        BadBand: the pixels of a band cannot be decoded.
    """
    properties = raw.scene.properties
    metres = {band.name: band.gsd for band in BANDS}
    names = sorted(fetched, key=(*BAND_NAMES, SCL).index)
    seen = {name: _looked_at(raw, name) for name in names}
    rows = [
        {
            "band": name,
            "metres": metres.get(name, SCL_GSD),
            "MB": round(fetched[name].size / 1e6, 3),
            "MB/s": round((fetched[name].received or fetched[name].size) / 1e6 / max(fetched[name].seconds, 1e-6), 1),
            "nodata %": round(100 * float(np.mean(seen[name] == NODATA_DN)), 2),
            "how": fetched[name].origin,
            "source": raw.files[name]["href"].rsplit("/", 1)[-1],
        }
        for name in names
    ]
    eye = rgb_composite(np.stack([seen[name] for name in TRUE_COLOUR]))
    facts = {
        "acquired": str(properties["datetime"]),
        "tile": properties.get("s2:mgrs_tile"),
        "cloud_cover_percent": properties.get("eo:cloud_cover"),
        "no_data_percent": properties.get("s2:nodata_pixel_percentage"),
        "product": f"{raw.scene.product_level}, baseline {raw.scene.baseline}",
        "part": str(raw.part) if raw.part else None,
    }
    return {
        "true_colour": inline(inline_image(eye, "true colour")),
        "true_colour_large": photo(eye, "true colour"),
        "bands": table(rows),
        "size_MB": _megabytes(sum(entry["size"] for entry in raw.files.values())),
        "received_MB": _megabytes(sum(part.received for part in fetched.values())),
        "folder": dg.MetadataValue.path(str(raw.folder)),
        **{key: value for key, value in facts.items() if value is not None},
    }


def stack_metadata(stack: Stack, recipe: StackRecipe) -> dict[str, Any]:
    """Return a false-colour picture of the stack, its grid, bands, kernel and DN offset."""
    left, bottom, right, top = stack.grid.bounds
    infrared = _seen(recipe, FALSE_COLOUR)
    return {
        "false_colour": inline(inline_image(infrared, "false colour: " + " ".join(FALSE_COLOUR))),
        "false_colour_large": photo(infrared, "false colour: " + " ".join(FALSE_COLOUR)),
        "path": dg.MetadataValue.path(str(stack.path)),
        "form": "virtual" if stack.path.suffix == ".vrt" else "cog",
        "grid": f"{stack.grid.width} x {stack.grid.height} px of {stack.grid.resolution:g} m, {stack.grid.crs}",
        "bounds_m": f"{left:.0f} {bottom:.0f} {right:.0f} {top:.0f}",
        "bands": table(
            [
                {
                    "number": n,
                    "band": b.name,
                    "metres before": b.gsd,
                    "light": b.common_name,
                    "um": b.center_wavelength,
                }
                for n, b in enumerate(BANDS, start=1)
            ]
        ),
        "kernel": stack.kernel,
        "offset_DN": stack.offset,
        "has_scl": stack.scl_path is not None,
        "size_MB": _megabytes(stack.path.stat().st_size),
    }


def map_metadata(path: StorePath, pixels: np.ndarray, pixel_area: float, title: str) -> dict[str, Any]:
    """Return a picture of a class map, its legend, and a table of percent and hectares per class.

    Args:
        path: the class map.
        pixels: (11,) pixels of each code, No Data last.
        pixel_area: area of a pixel in hectares.
        title: title of the picture.
    """
    shares = {c: 100 * float(pixels[c.code]) / max(float(pixels.sum()), 1.0) for c in ALL_CLASSES}
    rows = [
        {
            "code": c.code,
            "class": c.name,
            "percent": round(percent, 3),
            "hectares": round(float(pixels[c.code]) * pixel_area, 2),
        }
        for c, percent in shares.items()
    ]
    return {
        "map": _map_picture(path, title),
        "legend": inline(inline_shares(list(shares.items()), f"percent of the {title}")),
        "classes": table(rows),
    }


def _map_picture(path: StorePath, title: str) -> dg.MarkdownMetadataValue:
    codes, pixel_size = read_codes_for_display(gdal_path(path), PICTURE_SIDE)
    return inline(inline_map(codes, title, pixel_size))


def class_raster_metadata(
    classes: ClassMap, computed: Classification, url: Callable[[StorePath], str]
) -> dict[str, Any]:
    """Return a picture of the map, percent and hectares per class, confidence, the model, the speed of each stage.

    Args:
        classes: the written class map.
        computed: how it was computed.
        url: function from a file of the store to its URL for a browser.
    """
    statistics, contract = computed.statistics, computed.engine.contract
    no_data = {
        "no source data": statistics.no_source_data,
        "hidden by SCL": statistics.hidden,
        "impossible DN": statistics.impossible,
        "too little visible around it": statistics.no_vote,
    }
    pixels = float(classes.pixels.sum())
    return {
        **map_metadata(classes.path, classes.pixels, classes.grid.pixel_area, "class map"),
        "no_data": table([{"reason": reason, "pixels": count} for reason, count in no_data.items()]),
        "confidence_histogram": inline(
            inline_histogram(statistics.confidence, "percent of the map per tenth of confidence")
        ),
        "mean_confidence_percent": round(statistics.mean_confidence or 0.0, 2),
        "model": f"{contract.name} {contract.version}, in {computed.engine.backend}",
        "evaluation": f"{_evaluation(computed)}, one every {computed.window_grid.stride} px",
        "precision": computed.engine.precision,
        "stages": table(
            [
                {"stage": name, "seconds": round(spent, 3), "million_pixels_per_second": round(pixels / spent / 1e6, 1)}
                for name, spent in statistics.stages.seconds.items()
                if spent > 0
            ]
        ),
        "raster": dg.MetadataValue.url(url(classes.path)),
    }


def _evaluation(computed: Classification) -> str:
    evaluator = computed.evaluator
    return f"{evaluator.name}: {evaluator.why}" if evaluator.why else evaluator.name


def overview_metadata(overview: Overview, plan: OverviewPlan, url: Callable[[StorePath], str]) -> dict[str, Any]:
    """Return a picture of the overview, its size, and the URLs of its files for a browser."""
    return {
        "map": _map_picture(overview.path, "overview"),
        "picture": dg.MetadataValue.url(url(overview.thumbnail)),
        "raster": dg.MetadataValue.url(url(overview.path)),
        "grid": f"{overview.grid.width} x {overview.grid.height} px of {overview.grid.resolution:g} m",
        "factor": plan.factor,
        "size_MB": _megabytes(overview.path.stat().st_size),
    }


def page_metadata(scene: SceneLayout, page: Report, url: Callable[[StorePath], str], all_scenes: str) -> dict[str, Any]:
    """Return the URLs of the page and of the page of all scenes, a picture that leads to the page, and its size.

    Args:
        scene: layout of the scene.
        page: the written page.
        url: function from a file of the store to its URL for a browser.
        all_scenes: URL of the page of all scenes.
    """
    opened = url(scene.report)
    grid = page.layers.grid
    return {
        # Dagster shows short Markdown at once, and this picture is not in the text but at the URL.
        "picture": dg.MetadataValue.md(f"[![class map with legend]({url(scene.thumbnail)})]({opened})"),
        "report": dg.MetadataValue.url(opened),
        "all_scenes": dg.MetadataValue.url(all_scenes),
        "path": dg.MetadataValue.path(str(scene.report)),
        "shown": f"{grid.width} x {grid.height} px of {grid.resolution:g} m",
        "layers": table([{"layer": name, "kB": round(size / 1e3, 1)} for name, size in page.layers.sizes.items()]),
        "size_MB": _megabytes(len(page.html)),
    }


def _resolves(folder: StorePath, href: str) -> bool:
    """Whether the file of a relative href exists, seen from a folder."""
    place = folder
    for part in href.split("/"):
        place = place.parent if part == ".." else place if part in ("", ".") else place / part
    return place.exists()


def _seen(recipe: StackRecipe, bands: tuple[str, str, str]) -> Image.Image:
    """Picture of three bands with 10 m pixels, read from the raw files, because these have overviews."""
    red, green, blue = (gdal_path(recipe.bands[name].path) for name in bands)
    return quicklook((red, green, blue), _SMALL_SIDE)


def _looked_at(raw: RawBands, band: str) -> np.ndarray:
    """Pixels of a band at low resolution, read from its overviews.

    Raises:
        BadBand: the pixels cannot be decoded.
    """
    try:
        return read_decimated(gdal_path(raw.paths[band]), PICTURE_SIDE)
    except (RasterioError, CPLE_BaseError):
        raise BadBand(
            "its pixels cannot be decoded: the file is damaged",
            item=raw.scene.id,
            asset=band,
            remedy="download the file again from its source, then run it again",
        ) from None


def catalog_metadata(
    scene: SceneLayout, item: pystac.Item, files: dict[str, bytes], url: Callable[[StorePath], str]
) -> dict[str, Any]:
    """Return the URLs of the STAC documents, their links and whether each target exists, and the schemas they pass.

    Args:
        scene: layout of the scene.
        item: the written item.
        files: name -> content of the written documents.
        url: function from a file of the store to its URL for a browser.
    """
    written = list_files(scene.folder)
    rows = [
        {
            "what": f"asset {name}",
            "resolves": "yes" if asset.href.removeprefix("./") in written else "NO",
            "MB": round(asset.extra_fields.get("file:size", 0) / 1e6, 3),
            "href": asset.href,
        }
        for name, asset in item.assets.items()
    ]
    for link in item.links:
        href = str(link.target)
        there = "a server's: not asked" if is_remote(href) else "yes" if _resolves(scene.folder, href) else "NO"
        rows.append({"what": f"link {link.rel}", "resolves": there, "MB": None, "href": href})
    return {
        "catalog": dg.MetadataValue.url(url(scene.catalog)),
        "item": dg.MetadataValue.url(url(scene.stac_item)),
        "links": table(rows),
        "stac_version": str(item.to_dict(include_self_link=False)["stac_version"]),
        "valid_against": dg.MetadataValue.md("\n".join(f"- {uri}" for uri in item.stac_extensions)),
        "size_MB": _megabytes(sum(map(len, files.values()))),
    }
