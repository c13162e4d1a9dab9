"""The STAC Item of a season map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac
import shapely

from lc_assets.core.stac import CLASSIFICATION, FILE, GEOJSON, PROCESSING, PROJECTION, RASTER, RENDER, is_synthetic
from lc_assets.products.stac.collection import PARQUET
from lc_assets.products.stac.item import (
    CLASSIFIED,
    CONFIDENCE,
    LICENCE,
    OVERVIEW,
    PROBABILITIES,
    PROVIDERS,
    REPORT,
    THUMBNAIL,
    ProductFile,
    code_band,
    file_asset,
    hectares,
    legend_assets,
    percent_band,
    probability_bands,
    projection,
    raster_asset,
)
from lc_assets.products.stac.renders import renders
from lc_assets.raster.grid import Grid
from lc_assets.store.layout import SCENES_FOLDER
from lc_assets.store.product_layout import MAP_SUFFIX
from lc_assets.store.season_layout import MapLayout

GEOPACKAGE = "application/geopackage+sqlite3"


@dataclass(frozen=True)
class SeasonMap:
    """The input of `build_item`.

    Attributes:
        layout: name and files of the map.
        grid, overview_grid: grids of map and overview.
        geometry: the area in degrees, GeoJSON.
        scenes: id and STAC properties of each scene.
        files: file name -> written file.
        pixels: (11,) pixels of each code inside the area, No Data last.
        tags: dataset tags: how the map was made.
        created: current time, ISO 8601, UTC.
        software: name -> version.
        mean_confidence: in percent; None if no pixel has a class.
    """

    layout: MapLayout
    grid: Grid
    overview_grid: Grid
    geometry: dict[str, Any]
    scenes: tuple[tuple[str, dict[str, Any]], ...]
    files: dict[str, ProductFile]
    pixels: np.ndarray
    tags: dict[str, str]
    created: str
    software: dict[str, str]
    mean_confidence: float | None


def build_item(made: SeasonMap) -> pystac.Item:
    """Return the Item. Its file is beside the products, and its hrefs are relative to it."""
    name, tags = made.layout.name, made.tags
    starts = [properties.get("start_datetime") or properties["datetime"] for _, properties in made.scenes]
    ends = [properties.get("end_datetime") or properties["datetime"] for _, properties in made.scenes]
    document = {
        "type": "Feature",
        "stac_version": pystac.get_stac_version(),
        "stac_extensions": [PROJECTION, CLASSIFICATION, FILE, PROCESSING, RASTER, RENDER],
        "id": f"{name}{MAP_SUFFIX}",
        "geometry": made.geometry,
        "bbox": list(shapely.bounds(shapely.geometry.shape(made.geometry))),
        "properties": {
            "datetime": None,
            "start_datetime": min(starts),
            "end_datetime": max(ends),
            "title": f"Land cover of {name}",
            "description": f"Land-cover classes at 10 m, fused from {len(made.scenes)} classified Sentinel-2 scenes of "
            f"{tags['DATES']} dates.",
            "created": made.created,
            "updated": made.created,
            "license": "other",
            "providers": PROVIDERS,
            **projection(made.grid),
            "renders": renders(),
            "processing:level": "L4",
            "processing:datetime": made.created,
            "processing:lineage": f"Class probabilities of {tags['MODEL']} for the scenes of `derived_from`, pooled by "
            f"their logarithms (exponent {tags['POOLING_EXPONENT']}) over the dates that see the ground, interpolated "
            "to 10 m; overview by mode.",
            "processing:software": made.software,
            "processing:version": made.software.get("lc_assets", ""),
            **({"lc:synthetic": True} if all(is_synthetic(properties) for _, properties in made.scenes) else {}),
            "lc:hectares": hectares(made.pixels, made.grid),
            "lc:model": tags["MODEL"],
            "lc:model_sha256": tags["MODEL_SHA256"],
            "lc:scenes": [item for item, _ in made.scenes],
        },
        "links": [
            *(
                {
                    "rel": "derived_from",
                    "href": f"../../{SCENES_FOLDER}/{item}/{item}{MAP_SUFFIX}.json",
                    "type": GEOJSON,
                    "title": f"Map of {item}",
                }
                for item, _ in made.scenes
            ),
            LICENCE,
        ],
        "assets": _assets(made),
    }
    return pystac.Item.from_dict(document, migrate=False)


def _assets(made: SeasonMap) -> dict[str, Any]:
    layout, files = made.layout, made.files
    grid, cells = made.grid, made.grid.coarsened(int(made.tags["STRIDE"]))
    mean = {} if made.mean_confidence is None else {"statistics": {"mean": made.mean_confidence}}
    count = {"name": "observations", "data_type": "uint8", "description": "Number of dates that see the ground"}
    sure, agreeing = percent_band("confidence", **mean), percent_band("stability")

    def raster(name: str, title: str, roles: list[str], bands: list[dict[str, Any]], grid: Grid) -> dict[str, Any]:
        own = {} if grid == made.grid else projection(grid)
        return {**raster_asset(files[name], title, roles, bands, grid), **own}

    return {
        "classified": raster(layout.classified.name, CLASSIFIED, ["data"], [code_band()], grid),
        "confidence": raster(layout.confidence.name, CONFIDENCE, ["data", "confidence"], [sure], grid),
        "observations": raster(layout.observations.name, str(count["description"]), ["metadata"], [count], grid),
        "stability": raster(
            layout.stability.name,
            "Share of these dates that agree with the map, in percent",
            ["metadata"],
            [agreeing],
            grid,
        ),
        "probabilities": raster(layout.probabilities.name, PROBABILITIES, ["data"], probability_bands(), cells),
        "overview": raster(layout.overview.name, OVERVIEW, ["overview"], [code_band()], made.overview_grid),
        **legend_assets({key: files[path.name] for key, path in layout.legends.items()}),
        "thumbnail": file_asset(files[layout.thumbnail.name], "image/png", THUMBNAIL, ["thumbnail"]),
        "report": file_asset(files[layout.report.name], "text/html", REPORT, ["metadata"]),
        "area": file_asset(files[layout.area.name], GEOJSON, "The area", ["metadata"]),
        "areas": file_asset(files[layout.areas.name], "text/csv", "Hectares of each class in each polygon", ["data"]),
        "areas_parquet": file_asset(
            files[layout.areas_parquet.name], PARQUET, "The same with the polygons, as GeoParquet", ["data"]
        ),
        **{
            name: file_asset(files[path.name], kind, f"The map as polygons, {title}", ["data"])
            for name, path, kind, title in (
                ("polygons", layout.polygons, GEOPACKAGE, "as GeoPackage"),
                ("polygons_parquet", layout.polygons_parquet, PARQUET, "as GeoParquet"),
            )
            if path.name in files
        },
    }
