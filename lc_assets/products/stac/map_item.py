"""What the STAC Items of scenes and of season maps have in common: products, grids, hectares, legends, software."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac
from rasterio.crs import CRS

from lc_assets.core.checksum import sha256_of
from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.core.stac import (
    CLASSIFICATION,
    COG,
    FILE,
    PROCESSING,
    PROJECTION,
    RASTER,
    RENDER,
    class_objects,
    multihash,
)
from lc_assets.products.stac.renders import GDAL_LEGENDS, LEGENDS, renders
from lc_assets.raster.cog import CONFIDENCE_NODATA, PROBABILITY_NODATA, PROBABILITY_SCALE
from lc_assets.raster.grid import Grid
from lc_assets.store.paths import StorePath
from lc_assets.store.product_layout import MAP_SUFFIX, ProductLayout

PROVIDERS = [
    {
        "name": "European Space Agency",
        "roles": ["producer", "licensor"],
        "url": "https://sentinels.copernicus.eu/copernicus/sentinel-2",
    }
]
"""Providers of the source data, where the source item names none. An organisation that publishes maps adds itself in
its own catalog."""
LICENCE = {
    "rel": "license",
    "href": "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
    "title": "Licence of the source data",
}
"""The link where the source item has none."""
_STORED = {"data_type": "uint8"}
_OLD_BAND = ("data_type", "nodata", "unit", "statistics")
"""Fields of a band that `raster:bands` has too."""
CLASSIFIED = "Land-cover classes"
CONFIDENCE = "Probability of the winning class, in percent"
PROBABILITIES = "Probability of each class"
OVERVIEW = "Land-cover classes at lower resolution, by mode"
THUMBNAIL = "Map with legend"
REPORT = "Page with all results"
"""Titles of assets."""


@dataclass(frozen=True)
class ProductFile:
    """A written file: name in the scene's folder, size in bytes, SHA-256 (hex)."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, path: StorePath) -> ProductFile:
        """Read a file.

        Raises:
            OSError: it cannot be read.
        """
        return cls(path.name, path.stat().st_size, sha256_of(path))


@dataclass(frozen=True, kw_only=True)
class DescribedMap:
    """What the Items of scenes and of season maps have in common.

    Attributes:
        layout: names of the files.
        files: file name -> written file.
        grid, overview_grid: grids of the class map and of its overview.
        pixels: number of pixels per class code, No Data last; of a season map those inside the area.
        created: current time, ISO 8601, UTC.
        software: name -> version.
        mean_confidence: mean over the classified pixels, in percent; None if there are none, or if it is unknown.
    """

    layout: ProductLayout
    files: dict[str, ProductFile]
    grid: Grid
    overview_grid: Grid
    pixels: np.ndarray
    created: str
    software: dict[str, str]
    mean_confidence: float | None = None


def item_document(
    made: DescribedMap,
    footprint: dict[str, Any],
    properties: dict[str, Any],
    links: list[dict[str, Any]],
    *,
    step: int,
    extensions: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the Item of a scene's map or of a season map, as JSON.

    Args:
        made: what both have.
        footprint: `geometry` and `bbox`.
        properties, links: what only this one has.
        step: pixels along the side of a cell of the probabilities.
        extensions: schemas of the extensions that only this one uses.
    """
    return {
        "type": "Feature",
        "stac_version": pystac.get_stac_version(),
        "stac_extensions": [PROJECTION, CLASSIFICATION, FILE, PROCESSING, RASTER, RENDER, *extensions],
        "id": f"{made.layout.stem}{MAP_SUFFIX}",
        **footprint,
        "properties": {
            "created": made.created,
            "updated": made.created,
            "license": "other",
            "providers": PROVIDERS,
            **projection(made.grid),
            "renders": renders(),
            "processing:level": "L4",
            "processing:datetime": made.created,
            "processing:software": made.software,
            "processing:version": made.software.get("lc_assets", ""),
            "lc:hectares": {
                c.name.replace(" ", ""): round(float(made.pixels[c.code]) * made.grid.pixel_area, 2)
                for c in ALL_CLASSES
            },
            **properties,
        },
        "links": links,
        "assets": _assets(made, step),
    }


def projection(grid: Grid) -> dict[str, Any]:
    """Return the properties of the projection extension for a raster."""
    left, bottom, right, top = grid.bounds
    found = CRS.from_user_input(grid.crs)
    authority = found.to_authority()
    return {
        **(
            {"proj:code": grid.crs}
            if authority
            else {"proj:code": None, "proj:wkt2": found.to_wkt(version="WKT2_2019")}
        ),
        **({"proj:epsg": int(authority[1])} if authority and authority[0] == "EPSG" else {}),
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": [left, bottom, right, top],
    }


def _assets(made: DescribedMap, step: int) -> dict[str, Any]:
    layout, files = made.layout, made.files
    total = made.grid.width * made.grid.height
    counts = [int(count) for count in made.pixels[: NO_DATA.code]]
    counts.append(total - sum(counts))
    valid = {"valid_percent": round(100 * (1 - counts[-1] / total), 4)}
    histogram = {"count": len(counts), "min": 0, "max": NO_DATA.code, "buckets": counts}
    mean = {} if made.mean_confidence is None else {"statistics": {"mean": made.mean_confidence}}
    cells = made.grid.coarsened(step)

    def raster(path: StorePath, title: str, roles: list[str], band: dict[str, Any], **more: Any) -> dict[str, Any]:
        return raster_asset(files[path.name], title, roles, [band], made.grid, **more)

    return {
        "classified": raster(layout.classified, CLASSIFIED, ["data"], code_band(statistics=valid), histogram=histogram),
        "confidence": raster(layout.confidence, CONFIDENCE, ["data", "confidence"], percent_band("confidence", **mean)),
        **{
            key: {**raster_asset(files[path.name], title, roles, bands, grid), **projection(grid)}
            for key, path, title, roles, bands, grid in (
                ("probabilities", layout.probabilities, PROBABILITIES, ["data"], probability_bands(), cells),
                ("overview", layout.overview, OVERVIEW, ["overview"], [code_band()], made.overview_grid),
            )
            if path.name in files
        },
        **_legend_assets({key: files[path.name] for key, path in layout.legends.items() if path.name in files}),
        "thumbnail": file_asset(files[layout.thumbnail.name], "image/png", THUMBNAIL, ["thumbnail"]),
        "report": file_asset(files[layout.report.name], "text/html", REPORT, ["metadata"]),
    }


def raster_asset(
    product: ProductFile, title: str, roles: list[str], bands: list[dict[str, Any]], grid: Grid, **more: Any
) -> dict[str, Any]:
    """Return an asset of a raster, with its bands as STAC 1.1 has them, and a single one as STAC 1.0 had it too.

    Several bands have no `raster:bands`: with them stackstac refuses the whole Item.

    Args:
        more: fields of the band in `raster:bands` only.
    """
    asset = {**file_asset(product, COG, title, roles), "gsd": grid.resolution, "bands": bands}
    if len(bands) == 1:
        known = {key: bands[0][key] for key in _OLD_BAND if key in bands[0]}
        asset["raster:bands"] = [{**known, "spatial_resolution": grid.resolution, **more}]
    return asset


def _legend_assets(files: dict[str, ProductFile]) -> dict[str, Any]:
    """Return the assets of GDAL's and QGIS's legends, of key -> file.

    GDAL's have no size and no checksum, because GDAL adds statistics to the file (`gdalinfo -stats`).
    """
    assets = {
        key: file_asset(files[key], kind, title, ["metadata"]) for key, (title, kind) in LEGENDS.items() if key in files
    }
    for key in GDAL_LEGENDS & assets.keys():
        del assets[key]["file:size"], assets[key]["file:checksum"]
    return assets


def code_band(**more: Any) -> dict[str, Any]:
    """Return the band of class codes; `more` are further fields."""
    classes = class_objects(ALL_CLASSES, NO_DATA)
    return {"name": "land_cover", **_STORED, "nodata": NO_DATA.code, "classification:classes": classes, **more}


def percent_band(name: str, **more: Any) -> dict[str, Any]:
    """Return a band in percent, 255 = no data; `more` are further fields."""
    return {"name": name, **_STORED, "nodata": CONFIDENCE_NODATA, "unit": "%", **more}


def probability_bands() -> list[dict[str, Any]]:
    """Return the bands of the class probabilities, one per class."""
    stored = {**_STORED, "nodata": PROBABILITY_NODATA, "raster:scale": PROBABILITY_SCALE}
    return [{"name": c.name, "description": f"Probability of {c.title}", **stored} for c in CLASSES]


def file_asset(product: ProductFile, media_type: str, title: str, roles: list[str]) -> dict[str, Any]:
    """Return an asset of a file beside the item, with its size and checksum."""
    return {
        "href": f"./{product.name}",
        "type": media_type,
        "title": title,
        "roles": roles,
        "file:size": product.size,
        "file:checksum": multihash(product.sha256),
    }
