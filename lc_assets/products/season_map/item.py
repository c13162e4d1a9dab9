"""The STAC Item of a season map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pystac
import shapely

from lc_assets.core.stac import GEOJSON, is_synthetic, link
from lc_assets.products.areas import AreaTable
from lc_assets.products.season_map.scenes import MappedScene
from lc_assets.products.stac.collection import PARQUET
from lc_assets.products.stac.map_item import (
    LICENCE,
    DescribedMap,
    file_asset,
    item_document,
    percent_band,
    raster_asset,
)
from lc_assets.raster.polygons import Polygons
from lc_assets.store.layout import SCENES_FOLDER
from lc_assets.store.product_layout import MAP_SUFFIX
from lc_assets.store.season_layout import MapLayout

GEOPACKAGE = "application/geopackage+sqlite3"


@dataclass(frozen=True, kw_only=True)
class SeasonMap(DescribedMap):
    """A season map.

    Attributes:
        areas: their classes.
        scenes: the scenes that it is made of.
        tags: dataset tags: how the map was made.
    """

    layout: MapLayout
    area: Polygons
    areas: AreaTable
    scenes: Sequence[MappedScene]
    tags: dict[str, str]

    @property
    def is_synthetic(self) -> bool:
        """Whether lc_assets made the scenes itself."""
        return all(is_synthetic(scene.document["properties"]) for scene in self.scenes)


def build_item(made: SeasonMap) -> pystac.Item:
    """Return the Item. Its file is beside the products, and its hrefs are relative to it."""
    name, tags = made.layout.name, made.tags
    properties = [scene.document["properties"] for scene in made.scenes]
    geometry = made.area.degrees()
    document = item_document(
        made,
        {"geometry": geometry, "bbox": list(shapely.bounds(shapely.geometry.shape(geometry)))},
        {
            "datetime": None,
            "start_datetime": min(each.get("start_datetime") or each["datetime"] for each in properties),
            "end_datetime": max(each.get("end_datetime") or each["datetime"] for each in properties),
            "title": f"Land cover of {name}",
            "description": f"Land-cover classes at 10 m, fused from {len(made.scenes)} classified Sentinel-2 scenes of "
            f"{tags['DATES']} dates.",
            "processing:lineage": f"Class probabilities of {tags['MODEL']} for the scenes of `derived_from`, pooled by "
            f"their logarithms (exponent {tags['POOLING_EXPONENT']}) over the dates that see the ground, interpolated "
            "to 10 m; overview by mode.",
            **({"lc:synthetic": True} if made.is_synthetic else {}),
            "lc:model": tags["MODEL"],
            "lc:model_sha256": tags["MODEL_SHA256"],
            "lc:scenes": [scene.item for scene in made.scenes],
        },
        [*(_source(scene.item) for scene in made.scenes), LICENCE],
        step=int(tags["STRIDE"]),
    )
    document["assets"] |= _assets(made)
    return pystac.Item.from_dict(document, migrate=False)


def _source(item: str) -> dict[str, Any]:
    href = f"../../{SCENES_FOLDER}/{item}/{item}{MAP_SUFFIX}.json"
    return link("derived_from", href, GEOJSON, f"Map of {item}")


def _assets(made: SeasonMap) -> dict[str, Any]:
    layout, files = made.layout, made.files
    seen = "Number of dates that see the ground"
    dates = {"name": "observations", "data_type": "uint8", "description": seen}
    agreeing = "Share of these dates that agree with the map, in percent"
    others = (
        ("area", layout.area, GEOJSON, "The area", "metadata"),
        ("areas", layout.areas, "text/csv", "Hectares of each class in each polygon", "data"),
        ("areas_parquet", layout.areas_parquet, PARQUET, "The same with the polygons, as GeoParquet", "data"),
        ("polygons", layout.polygons, GEOPACKAGE, "The map as polygons, as GeoPackage", "data"),
        ("polygons_parquet", layout.polygons_parquet, PARQUET, "The map as polygons, as GeoParquet", "data"),
    )
    return {
        "observations": raster_asset(files[layout.observations.name], seen, ["metadata"], [dates], made.grid),
        "stability": raster_asset(
            files[layout.stability.name], agreeing, ["metadata"], [percent_band("stability")], made.grid
        ),
        **{
            key: file_asset(files[path.name], kind, title, [role])
            for key, path, kind, title, role in others
            if path.name in files
        },
    }
