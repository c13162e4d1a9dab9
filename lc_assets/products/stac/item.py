"""The STAC Item of a classified scene: the products, their source, the model and the software, and how to read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac

from lc_assets.core.errors import without_query
from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.core.stac import (
    CLASSIFICATION,
    COG,
    EO,
    FILE,
    GEOJSON,
    PROCESSING,
    PROJECTION,
    RASTER,
    RENDER,
    SAT,
    SENTINEL2,
    class_objects,
    is_synthetic,
    multihash,
)
from lc_assets.core.urls import is_remote
from lc_assets.inference.contract import ModelContract
from lc_assets.products.stac.footprint import part_footprint
from lc_assets.products.stac.renders import GDAL_LEGENDS, LEGENDS, renders
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.cog import CONFIDENCE_NODATA, PROBABILITY_NODATA, PROBABILITY_SCALE
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.bands.scene_part import ScenePart
from lc_assets.sentinel2.item.baseline import baseline_of
from lc_assets.sentinel2.scene_ids import scene_label
from lc_assets.store.paths import StorePath
from lc_assets.store.product_layout import MAP_SUFFIX, ProductLayout

_BASELINE = "s2:processing_baseline"

_CARRIED = (
    *("platform", "constellation", "instruments", "gsd", "license", "providers", "eo:cloud_cover"),
    *("s2:mgrs_tile", "s2:product_uri", _BASELINE, "s2:datatake_id", "sat:relative_orbit"),
)
"""Properties of the source item that are also true for the map."""

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
REPORT = "All of it on one page, to look at"
"""Titles of assets."""
_INTERVAL = ("start_datetime", "end_datetime")
"""Copied only together, because STAC does not allow one without the other."""

_CARRIED_EXTENSIONS = {"eo": EO, "sat": SAT, "s2": SENTINEL2}
"""Prefix of a copied property -> the extension that defines it."""


@dataclass(frozen=True)
class ProductFile:
    """A written file: name in the scene's folder, size in bytes, SHA-256 (hex)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DescribedMap:
    """What the Item of a scene's map and that of a season map say alike.

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


@dataclass(frozen=True, kw_only=True)
class ClassifiedScene(DescribedMap):
    """The input of `build_item`.

    Attributes:
        source: JSON of the source item, with unsigned hrefs.
        source_href: path of its copy in the store, relative to the Item; used if the source item has no URL.
        contract: contract of the model.
        model_href: path of the model's MLM item, relative to the Item.
        parameters: how the map was made, as text (window, stride, resampling, masks, precision).
        part: the part of the scene that the map covers; None for all of it.
        seconds: how long the scene took, from the fetch of its bands to its report; None if it is not known.
    """

    source: dict[str, Any]
    source_href: str
    contract: ModelContract
    model_href: str
    parameters: dict[str, str]
    part: ScenePart | None = None
    seconds: float | None = None


def build_item(scene: ClassifiedScene) -> pystac.Item:
    """Return the Item. Its file is in the folder of the products, and its hrefs are relative to it."""
    carried = _carried(scene.source)
    item = _item(scene, carried)
    # A property of the source item is copied only if it is valid, so faults of its catalog are not copied.
    faulty = {path for fault in validate_offline(item) for path in carried if f" properties/{path}:" in fault}
    valid = {key: value for key, value in carried.items() if key not in faulty}
    return pystac.Item.from_dict(_item(scene, valid) if faulty else item, migrate=False)


def _item(scene: ClassifiedScene, carried: dict[str, Any]) -> dict[str, Any]:
    source = scene.source
    prefixes = {key.partition(":")[0] for key in carried}
    footprint = {name: source[name] for name in ("geometry", "bbox")}
    if scene.part:
        footprint = part_footprint(footprint, scene.grid)
    return {
        "type": "Feature",
        "stac_version": pystac.get_stac_version(),
        "stac_extensions": [
            *(PROJECTION, CLASSIFICATION, FILE, PROCESSING, RASTER, RENDER),
            *(uri for prefix, uri in _CARRIED_EXTENSIONS.items() if prefix in prefixes),
        ],
        "id": f"{source['id']}{MAP_SUFFIX}",
        **footprint,
        "properties": {
            "datetime": source["properties"]["datetime"],
            "title": f"Land cover of {scene_label(source['id'])}",
            "description": "Land-cover classes at 10 m, predicted from one Sentinel-2 scene by a neural network.",
            **map_properties(scene),
            **carried,
            "processing:lineage": _lineage(scene),
            "processing:expression": {"format": "stac-mlm", "expression": scene.model_href},
            "lc:parameters": scene.parameters,
            "lc:model": f"{scene.contract.name} {scene.contract.version}",
            "lc:model_sha256": scene.contract.sha256,
            **({"lc:synthetic": True} if is_synthetic(source["properties"]) else {}),
            **({"lc:part": scene.part.document()} if scene.part else {}),
            **({"lc:seconds": round(scene.seconds, 3)} if scene.seconds is not None else {}),
        },
        "links": _links(scene),
        "assets": map_assets(scene, int(scene.parameters.get("stride", 1))),
    }


def map_properties(made: DescribedMap) -> dict[str, Any]:
    """Return the properties that the Items of scenes and season maps have."""
    return {
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
            c.name.replace(" ", ""): round(float(made.pixels[c.code]) * made.grid.pixel_area, 2) for c in ALL_CLASSES
        },
    }


def _carried(source: dict[str, Any]) -> dict[str, Any]:
    properties = source["properties"]
    interval = _INTERVAL if all(properties.get(key) for key in _INTERVAL) else ()
    carried = {key: properties[key] for key in (*_CARRIED, *interval) if properties.get(key) is not None}
    if _BASELINE in carried:
        baseline = baseline_of(source)
        carried[_BASELINE] = baseline.text
        if baseline.number is None:  # 99.99, or a name contradicts it: then other fields declare the offset
            del carried[_BASELINE]
    return carried


def projection(grid: Grid) -> dict[str, Any]:
    """Return the properties of the projection extension for a raster."""
    left, bottom, right, top = grid.bounds
    authority, _, number = grid.crs.partition(":")
    return {
        "proj:code": grid.crs,
        **({"proj:epsg": int(number)} if authority == "EPSG" else {}),
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": [left, bottom, right, top],
    }


def code_band(**more: Any) -> dict[str, Any]:
    """Return the band of class codes; `more` are further fields."""
    classes = class_objects(ALL_CLASSES, NO_DATA)
    return {"name": "land_cover", **_STORED, "nodata": NO_DATA.code, "classification:classes": classes, **more}


def percent_band(name: str, **more: Any) -> dict[str, Any]:
    """Return a band in percent, 255 = no data; `more` are further fields."""
    return {"name": name, **_STORED, "nodata": CONFIDENCE_NODATA, "unit": "%", **more}


def _lineage(scene: ClassifiedScene) -> str:
    parameters = ", ".join(f"{key} {value}" for key, value in scene.parameters.items())
    way = f"in a sliding {scene.contract.chip_size} px window ({parameters}), window probabilities averaged per pixel"
    if scene.parameters.get("window") == "0":
        way = f"at positions {scene.parameters['stride']} px apart ({parameters}), probabilities interpolated per pixel"
    part = f"a part ({scene.part}) of " if scene.part else ""
    return (
        f"Twelve bands of {part}{scene.source['id']} brought to 10 m, classified by {scene.contract.name} "
        f"{scene.contract.version} {way}; overview by mode."
    )


def _links(scene: ClassifiedScene) -> list[dict[str, Any]]:
    links = scene.source.get("links") or []
    own = [without_query(link["href"]) for link in links if link.get("rel") == "self" and is_remote(link["href"])]
    source = own[0] if own else scene.source_href
    found = [
        {"rel": "derived_from", "href": source, "type": GEOJSON, "title": "Source Sentinel-2 item"},
        {"rel": "mlm:model", "href": scene.model_href, "type": GEOJSON, "title": "The model that made this map"},
    ]
    for link in links:
        if link.get("rel") == "license" and is_remote(link["href"]):
            found.append({**LICENCE, "href": without_query(link["href"])})
    return found if found[-1]["rel"] == "license" else [*found, LICENCE]


def map_assets(made: DescribedMap, step: int) -> dict[str, Any]:
    """Return the assets that the Items of scenes and season maps have.

    Args:
        step: pixels along the side of a cell of the probabilities.
    """
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
