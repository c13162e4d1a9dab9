"""season_map: the land-cover map of an area and a period, fused from the maps of several scenes."""

import time
from collections.abc import Callable
from typing import Any

import dagster as dg

from lc_assets.core.progress import logging_to, share_progress
from lc_assets.defs.check_results import cog_check, cog_result, stac_check, stac_result
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.metadata import map_metadata
from lc_assets.defs.partitions import season_maps
from lc_assets.defs.resources import StoreResource
from lc_assets.operations.keys import CLASS_RASTER, SEASON_SCENES
from lc_assets.operations.season_maps import PLAN, SCENE_TABLE, scene_table, scene_versions
from lc_assets.products.season_map.plan import read_plan, select_scenes
from lc_assets.products.season_map.write import Made, make_season_map
from lc_assets.store.paths import StorePath
from lc_assets.store.season_layout import MapLayout

season_scenes = dg.AssetSpec(
    SEASON_SCENES,
    partitions_def=season_maps,
    deps=[dg.AssetDep(CLASS_RASTER, partition_mapping=dg.AllPartitionMapping())],
    group_name="season_maps",
    description="The classified scenes of the area and the period of a season map. Nothing makes this asset: the "
    "sensor `season_maps_again` notes here that a scene was classified or made again, and then the map is stale.",
)


@dg.asset(
    partitions_def=season_maps,
    deps=[SEASON_SCENES],
    group_name="season_maps",
    kinds={"cog", "stac"},
    code_version="1",
    check_specs=[cog_check("season_map"), stac_check("season_map")],
)
def season_map(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult:
    """The land-cover map of an area and a period, fused from the class probabilities of several scenes.

    A partition is a map that `lc-assets map` or the sensor `season_maps_again` has registered: a name, an area and a
    period. Each run takes the scenes that are classified now. The map has 10 m pixels, with its confidence, the number
    of dates that see each pixel and the hectares of each class in each polygon.
    """
    name = context.partition_key
    started = time.perf_counter()
    with raise_as_dagster_failure(), logging_to(context.log.info):
        opened = store.store()
        plan = read_plan(opened, name)
        scenes = list(select_scenes(opened, plan))
        versions = scene_versions(context.instance, scenes)  # before the scenes are read
        made = make_season_map(
            opened, name, plan.area, scenes, crs=plan.crs, min_area=plan.min_area, progress=share_progress
        )
    metadata = {
        **_metadata(made, versions, store.url),
        PLAN: plan.digest,
        "period": plan.period or "any",
        "seconds": round(time.perf_counter() - started, 3),
    }
    return dg.MaterializeResult(
        metadata=metadata,
        data_version=dg.DataVersion(made.version),
        check_results=[cog_result(name, _rasters(made.layout)), stac_result(name, made.layout)],
    )


def _rasters(layout: MapLayout) -> list[StorePath]:
    raster = (layout.classified, layout.confidence, layout.observations, layout.stability, layout.probabilities)
    return [*raster, layout.overview]


def _metadata(made: Made, versions: dict[str, str], url: Callable[[StorePath], str]) -> dict[str, Any]:
    """Pictures, hectares per class, the scenes with their data versions, and the URLs of the files for a browser."""
    layout = made.layout
    report, thumbnail = url(layout.report), url(layout.thumbnail)
    notes = {
        **{item: f"left out, because {newer} is a later version" for item, newer in made.replaced.items()},
        **dict.fromkeys(made.beside, "left out, because it does not touch the area"),
    }
    return {
        **map_metadata(layout.classified, made.pixels, made.pixel_area, "season map"),
        # Dagster shows short Markdown at once, and this picture is not in the text but at the URL.
        "picture": dg.MetadataValue.md(f"[![season map with legend]({thumbnail})]({report})"),
        "report": dg.MetadataValue.url(report),
        "dates": made.dates,
        SCENE_TABLE: scene_table(versions, notes),
        **({} if made.mean_confidence is None else {"mean_confidence_percent": made.mean_confidence}),
        "areas": dg.MetadataValue.url(url(layout.areas)),
    }
