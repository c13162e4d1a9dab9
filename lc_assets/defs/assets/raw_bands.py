"""raw_bands: copies of the scene's twelve band files and SCL, unchanged."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from lc_assets.core.json_values import is_percentage
from lc_assets.core.progress import notify
from lc_assets.core.wording import quantity
from lc_assets.defs.check_results import scene_result
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.partitions import scenes
from lc_assets.defs.resources import ItemsResource, ModelResource
from lc_assets.defs.run_config import check_run_config
from lc_assets.operations.keys import CLASS_RASTER, DOWNLOADS_POOL
from lc_assets.operations.runs import scene_tags

CLOUDY_PERCENT = 50.0
EMPTY_PERCENT = 80.0
MOST_NOTES = 5
"""Largest number of notes on malformed fields that are shown."""


@dg.asset(
    partitions_def=scenes,
    io_manager_key="raw_bands_io",
    group_name="land_cover",
    kinds={"cog", "sentinel2"},
    code_version="1",
    pool=DOWNLOADS_POOL,
    check_specs=[
        dg.AssetCheckSpec(
            "cloud_share", asset="raw_bands", description=f"Less than {CLOUDY_PERCENT:.0f} % cloud cover."
        ),
        dg.AssetCheckSpec(
            "nodata_share", asset="raw_bands", description=f"Less than {EMPTY_PERCENT:.0f} % of the scene is empty."
        ),
    ],
)
def raw_bands(
    context: dg.AssetExecutionContext, items: ItemsResource, model: ModelResource
) -> Iterator[dg.Output | dg.AssetCheckResult]:
    """The scene as its publisher provides it: twelve band files, byte for byte, and the JSON of the item.

    The bands are B01 to B12 without B10, at 10, 20 and 60 m, and the scene classification (SCL) if the item has one.
    Each file is downloaded once and checked against the item: size, checksum, grid, type. An interrupted download
    resumes where it stopped. A store of an area (LC_ASSETS_AREA) keeps the part of each file around it.

    Look at the picture for haze and clouds that `cloud_share` does not show, and at `nodata %`: a scene at the edge of
    the swath is mostly empty. URLs are stored unsigned and are signed when they are read.
    """
    tags = scene_tags(context.partition_key)
    if tags.items() - context.run.tags.items():  # a run of a backfill, or of the UI
        context.instance.add_run_tags(context.run_id, tags)
    with raise_as_dagster_failure(retry_number=context.retry_number):
        assets = {node.name for node in context.job_def.nodes}
        if CLASS_RASTER.to_user_string() in assets:  # a wrong config or model is reported before anything is fetched
            run_config: Mapping[str, Any] = context.run.run_config
            check_run_config(run_config.get("ops") or {}, assets, model.contract(), model.window)
        scene = items.registry().scene(context.partition_key)
    notes = [*scene.notes[:MOST_NOTES]]
    if len(scene.notes) > MOST_NOTES:
        notes.append(f"{quantity(len(scene.notes) - MOST_NOTES, 'more note')} of this kind")
    for note in notes:
        context.log.warning(note)
        notify(note)
    yield dg.Output(scene)
    yield _below(scene.id, "cloud_share", scene.properties.get("eo:cloud_cover"), CLOUDY_PERCENT)
    yield _below(scene.id, "nodata_share", scene.properties.get("s2:nodata_pixel_percentage"), EMPTY_PERCENT)


def _below(item: str, name: str, percent: Any, limit: float) -> dg.AssetCheckResult:
    known = is_percentage(percent)
    unknown = "not given by the item"
    return scene_result(
        item,
        name,
        passed=not known or percent < limit,
        warn=True,
        description=f"{percent:.1f} %, limit {limit:.0f} %" if known else unknown,
        metadata={**({"percent": float(percent), "limit": limit} if known else {"percent": unknown})},
    )
