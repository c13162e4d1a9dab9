"""The STAC Item of a classified scene: what all maps have (`map_item`), its source and its model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac

from lc_assets.core.errors import without_query
from lc_assets.core.stac import EO, GEOJSON, SAT, SENTINEL2, is_synthetic, link
from lc_assets.core.urls import is_remote
from lc_assets.inference.contract import ModelContract
from lc_assets.products.stac.map_item import LICENCE, DescribedMap, item_document
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.bands.scene_part import ScenePart
from lc_assets.sentinel2.item.baseline import baseline_of
from lc_assets.sentinel2.scene_ids import scene_label

_BASELINE = "s2:processing_baseline"
_CARRIED = (
    *("platform", "constellation", "instruments", "gsd", "license", "providers", "eo:cloud_cover"),
    *("s2:mgrs_tile", "s2:product_uri", _BASELINE, "s2:datatake_id", "sat:relative_orbit"),
)
"""Properties of the source item that are also true for the map."""
_INTERVAL = ("start_datetime", "end_datetime")
"""Copied only together, because STAC does not allow one without the other."""
_CARRIED_EXTENSIONS = {"eo": EO, "sat": SAT, "s2": SENTINEL2}
"""Prefix of a copied property -> the extension that defines it."""


@dataclass(frozen=True, kw_only=True)
class ClassifiedScene(DescribedMap):
    """The input of `build_item`.

    Attributes:
        source: JSON of the source item, with unsigned hrefs.
        source_href: path of its copy in the store, relative to the Item; used if the source item has no URL.
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
        footprint = _part_footprint(footprint, scene.grid)
    return item_document(
        scene,
        footprint,
        {
            "datetime": source["properties"]["datetime"],
            "title": f"Land cover of {scene_label(source['id'])}",
            "description": "Land-cover classes at 10 m, predicted from one Sentinel-2 scene by a neural network.",
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
        _links(scene),
        step=int(scene.parameters.get("stride", 1)),
        extensions=[uri for prefix, uri in _CARRIED_EXTENSIONS.items() if prefix in prefixes],
    )


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
    own = next(
        (without_query(old["href"]) for old in links if old.get("rel") == "self" and is_remote(old["href"])), None
    )
    found = [
        link("derived_from", own or scene.source_href, GEOJSON, "Source Sentinel-2 item"),
        link("mlm:model", scene.model_href, GEOJSON, "The model that made this map"),
    ]
    for old in links:
        if old.get("rel") == "license" and is_remote(old["href"]):
            found.append({**LICENCE, "href": without_query(old["href"])})
    return found if found[-1]["rel"] == "license" else [*found, LICENCE]


def _part_footprint(footprint: dict[str, Any], grid: Grid) -> dict[str, Any]:
    """Return the `geometry` and `bbox`, in degrees, of what a grid has of a scene.

    Args:
        footprint: `geometry` and `bbox` of the scene. They are returned where the grid crosses the antimeridian.
    """
    import shapely  # which costs a tenth of a second
    from shapely.geometry import shape

    from lc_assets.raster.polygons import DEGREES, Polygons

    box = Polygons(("map",), np.array([shapely.box(*grid.bounds)]), grid.crs).to(DEGREES).shapes[0]
    west, _, east, _ = shapely.bounds(box)
    if east - west > 180:
        return footprint
    inside = shapely.intersection(shapely.make_valid(shape(footprint["geometry"])), box)
    if shapely.area(inside) == 0 or inside.geom_type not in ("Polygon", "MultiPolygon"):
        inside = box
    rounded = shapely.set_precision(inside, 1e-7)
    bbox = [float(number) for number in shapely.bounds(rounded)]
    return {"geometry": json.loads(shapely.to_geojson(rounded)), "bbox": bbox}
