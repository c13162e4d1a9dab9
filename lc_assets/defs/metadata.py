"""The metadata of each asset in Dagster: pictures, tables and numbers for the UI.

URLs are stored without query strings, so no token gets into Dagster's records.
"""

from __future__ import annotations

import base64
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
from lc_assets.raster.inline_svg import inline_histogram, inline_image, inline_map, inline_shares, percent_by_tenth
from lc_assets.raster.render import (
    encode_image,
    map_with_legend,
    quicklook,
    read_codes_for_display,
    read_decimated,
    rgb_composite,
)
from lc_assets.sentinel2.band_table import BAND_NAMES, BANDS, FALSE_COLOUR, SCL, SCL_GSD, TRUE_COLOUR
from lc_assets.sentinel2.bands.local_copy import FetchResult
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


def raw_bands_metadata(raw: RawBands, fetched: dict[str, FetchResult], seconds: float) -> dict[str, Any]:
    """Return a true-colour picture, a table of the bands (size, rate, nodata share, origin) and facts of the scene.

    Args:
        raw: the complete folder of raw bands.
        fetched: band -> result of its download.
        seconds: time of all downloads together.

    Raises:
        BadBand: the pixels of a band cannot be decoded.
    """
    properties = raw.scene.properties
    size = sum(entry["size"] for entry in raw.files.values())
    received = sum(part.received for part in fetched.values())
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
        "nodata_percent": properties.get("s2:nodata_pixel_percentage"),
        "product_level": raw.scene.product_level,
        "processing_baseline": raw.scene.baseline,
        "has_scl": raw.scene.has_scl,
        "part": str(raw.part) if raw.part else None,
    }
    return {
        "true_colour": inline(inline_image(eye, "true colour")),
        "true_colour_large": photo(eye, "true colour"),
        "bands": table(rows),
        "sources": dg.MetadataValue.json({name: raw.files[name]["href"] for name in names}),
        "bytes": size,
        "mb_per_second": round((received or size) / 1e6 / max(seconds, 1e-6), 1),
        "bytes_received": received,
        "requests": sum(part.requests for part in fetched.values()),
        "folder": dg.MetadataValue.path(str(raw.folder)),
        **{key: value for key, value in facts.items() if value is not None},
    }


def stack_metadata(stack: Stack, recipe: StackRecipe) -> dict[str, Any]:
    """Return a true-colour and a false-colour picture of the stack, its grid, bands, kernel and DN offset."""
    left, bottom, right, top = stack.grid.bounds
    infrared = _seen(recipe, FALSE_COLOUR)
    return {
        "true_colour": inline(inline_image(_seen(recipe, TRUE_COLOUR), "true colour: " + " ".join(TRUE_COLOUR))),
        "false_colour": inline(inline_image(infrared, "false colour: " + " ".join(FALSE_COLOUR))),
        "false_colour_large": photo(infrared, "false colour: " + " ".join(FALSE_COLOUR)),
        "path": dg.MetadataValue.path(str(stack.path)),
        "form": "virtual" if stack.path.suffix == ".vrt" else "cog",
        "width": stack.grid.width,
        "height": stack.grid.height,
        "pixels": stack.grid.width * stack.grid.height,
        "crs": stack.grid.crs,
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
        "offset_dn": stack.offset,
        "has_scl": stack.scl_path is not None,
        "bytes": stack.path.stat().st_size,
    }


def class_raster_metadata(classes: ClassMap, computed: Classification, seconds: float) -> dict[str, Any]:
    """Return the map with its legend, percent and hectares per class, confidence, the model, the speed of each stage.

    Args:
        classes: the written class map.
        computed: how it was computed.
        seconds: time of the computation.
    """
    statistics, contract = computed.statistics, computed.engine.contract
    codes, pixel_size = read_codes_for_display(gdal_path(classes.path), PICTURE_SIDE)
    image = map_with_legend(codes, classes.pixels, classes.grid.pixel_area, pixel_size)
    hectares = {c.name: round(float(classes.pixels[c.code]) * classes.grid.pixel_area, 2) for c in ALL_CLASSES}
    rows = [
        {
            "code": c.code,
            "class": c.name,
            "percent": round(100 * classes.share(c.code), 2),
            "hectares": hectares[c.name],
        }
        for c in ALL_CLASSES
    ]
    bins = statistics.confidence
    pixels = float(classes.pixels.sum())
    return {
        "map": inline(inline_map(codes, "class map", pixel_size)),
        "shares": inline(inline_shares([(c, 100 * classes.share(c.code)) for c in ALL_CLASSES], "percent of the map")),
        "map_large": picture(image, "png", "class map with legend"),
        "classes": table(rows),
        "confidence_histogram": inline(inline_histogram(bins, "percent of the map per tenth of confidence")),
        "mean_confidence_percent": round(statistics.mean_confidence or 0.0, 2),
        **{f"percent_{c.name.replace(' ', '')}": round(100 * classes.share(c.code), 3) for c in ALL_CLASSES},
        "confidence": table(
            [
                {"from": 10 * n, "to": 10 * n + 9 if n < 9 else 100, "percent_of_map": round(share, 2)}
                for n, share in enumerate(percent_by_tenth(bins))
            ]
        ),
        "nodata_no_source": statistics.no_source_data,
        "nodata_hidden_by_scl": statistics.hidden,
        "nodata_impossible_dn": statistics.impossible,
        "nodata_without_vote": statistics.no_vote,
        "pixels": int(pixels),
        "windows": statistics.windows,
        "windows_voting": statistics.voting,
        "window": 0 if computed.positions else contract.chip_size,
        "stride": computed.window_grid.stride,
        "pixels_per_second": round(pixels / max(seconds, 1e-6)),
        "windows_per_second": round(statistics.voting / max(seconds, 1e-6)),
        "model": f"{contract.name} {contract.version}",
        "model_sha256": contract.sha256,
        "backend": computed.engine.backend,
        "precision": computed.engine.precision,
        "evaluation": _evaluation(computed),
        "stages": table(
            [
                {"stage": name, "seconds": round(spent, 3), "million_pixels_per_second": round(pixels / spent / 1e6, 1)}
                for name, spent in statistics.stages.seconds.items()
                if spent > 0
            ]
        ),
        "path": dg.MetadataValue.path(str(classes.path)),
        "bytes": sum(path.stat().st_size for path in classes.rasters),
    }


def _evaluation(computed: Classification) -> str:
    evaluator = computed.evaluator
    return f"{evaluator.name}: {evaluator.why}" if evaluator.why else evaluator.name


def overview_metadata(overview: Overview, plan: OverviewPlan) -> dict[str, Any]:
    """Return a picture of the overview, its factor, size in pixels, pixel size in metres, and paths."""
    codes, pixel_size = read_codes_for_display(gdal_path(overview.path), PICTURE_SIDE)
    return {
        "map": inline(inline_map(codes, "overview", pixel_size)),
        "path": dg.MetadataValue.path(str(overview.path)),
        "thumbnail": dg.MetadataValue.path(str(overview.thumbnail)),
        "factor": plan.factor,
        "pixel_size_m": overview.grid.resolution,
        "width": overview.grid.width,
        "height": overview.grid.height,
        "bytes": overview.path.stat().st_size,
    }


def page_metadata(scene: SceneLayout, page: Report) -> dict[str, Any]:
    """Return the path of the page, the command that opens it, and the size of its layers."""
    return {
        "path": dg.MetadataValue.path(str(scene.report)),
        "open": f"lc-assets view {scene.item}",
        "bytes": len(page.html),
        "pixel_size_m": page.pixel_size,
        "factor": page.factor,
        "width": page.width,
        "height": page.height,
        "layers": table([{"layer": name, "kB": round(size / 1e3, 1)} for name, size in page.sizes.items()]),
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
            remedy="get the file anew from its source, then run it again",
        ) from None


def catalog_metadata(scene: SceneLayout, item: pystac.Item, files: dict[str, bytes]) -> dict[str, Any]:
    """Return the paths of the STAC documents, their links and whether each target exists, and the schemas they pass."""
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
        "links": table(rows),
        "path": dg.MetadataValue.path(str(scene.catalog)),
        "documents": dg.MetadataValue.md("\n".join(f"- `{name}`" for name in files)),
        "stac_version": str(item.to_dict(include_self_link=False)["stac_version"]),
        "valid_against": dg.MetadataValue.md("\n".join(f"- {uri}" for uri in item.stac_extensions)),
        "bytes": sum(map(len, files.values())),
    }
