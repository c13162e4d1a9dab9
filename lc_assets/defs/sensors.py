"""The sensor new_sentinel2_items: finds new items of a STAC collection, registers them, and runs each exactly once.

Two rules ensure "once". The sensor only runs an item that has neither a run nor a map. The item id is the run key, and
Dagster launches a run key once. So no item is lost if the daemon dies between registration and launch, and no item is
launched twice if a search finds it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg

from lc_assets.core.errors import LandCoverError
from lc_assets.core.progress import logging_to
from lc_assets.defs.assets import catalog as catalog_asset
from lc_assets.defs.jobs import classify_scenes
from lc_assets.defs.partitions import scenes
from lc_assets.defs.resources import ItemsResource, WatchResource
from lc_assets.operations.dagster_private import NOT_FINISHED_STATUSES
from lc_assets.operations.discovery import plan_runs, search_window, without
from lc_assets.operations.keys import PARTITION_TAG, SCENES
from lc_assets.operations.records import latest_storage_ids, pages
from lc_assets.operations.runs import scene_tags
from lc_assets.operations.search_cursor import SearchCursor
from lc_assets.operations.watch import WatchConfig
from lc_assets.sentinel2.search.registry import RegisteredItems

NAME = "new_sentinel2_items"
REPLACES_TAG = "lc_assets/replaces"
"""Run tag: id of the older version of the same acquisition, which this run's item replaces."""
FAILED_TICKS = 3
"""Number of ticks in a row that cannot reach the API or the store, after which a tick fails."""


def build_sensor(minutes: int) -> dg.SensorDefinition:
    """Return the sensor.

    Args:
        minutes: time between two ticks.
    """
    return dg.sensor(
        name=NAME,
        job=classify_scenes,
        minimum_interval_seconds=60 * minutes,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Finds new Sentinel-2 items of the area in watch.yaml (LC_ASSETS_WATCH), registers and runs each "
        "once.",
    )(evaluate)


def evaluate(context: dg.SensorEvaluationContext, watch: WatchResource, items: ItemsResource) -> dg.SensorResult:
    """Return the run requests of one tick.

    If the API or the store cannot be reached, the tick is skipped with that reason, and the position stays the same.

    Raises:
        LandCoverError: the watch file is missing or not valid, or it is the third tick in a row that cannot reach the
            API or the store. Dagster shows the tick as failed.
    """
    wanted = watch.watch()
    before = SearchCursor.read(context.cursor, wanted.digest)
    try:
        return _tick(context, wanted, watch.path, items, replace(before, failures=0))
    except LandCoverError as error:
        failures = before.failures + 1
        if failures >= FAILED_TICKS:
            raise LandCoverError(
                error.problem,
                remedy=f"see whether the API and the store can be reached: {FAILED_TICKS} ticks in a row have failed, "
                "every tick tries again",
            ) from None
        reason = f"{error.problem}; the next tick tries again"
        return dg.SensorResult(skip_reason=reason, cursor=replace(before, failures=failures).written())


def _tick(
    context: dg.SensorEvaluationContext, watch: WatchConfig, path: Path, items: ItemsResource, before: SearchCursor
) -> dg.SensorResult:
    catalog = items.quick_catalog(watch.collection)
    registry = RegisteredItems(items.store.store(), catalog)
    with logging_to(context.log.warning):
        seen = search_window(watch, lambda first, last: watch.query(path, first, last), catalog, before, _now())
    # All partition keys are read only if an item is new: other versions of it may be among them.
    asked = [*seen.documents, *before.replacing]
    known = set(context.instance.get_existing_dynamic_partitions(SCENES, asked)) if asked else set()
    wanted = _never_run(context.instance, list(seen.documents), known)
    if wanted:
        known = set(context.instance.get_dynamic_partitions(SCENES))
    decision = plan_runs(
        seen.documents,
        wanted,
        known,
        rule=watch.reprocessed,
        most=watch.runs_per_tick,
        registry=registry,
    )
    for scene in decision.run:
        registry.register(scene)
    for item, why in decision.skipped.items():
        context.log.info(f"{item} is not run: {why}")

    # If there are more new items than one tick may run, the next tick searches the same window again.
    after = before if decision.more else seen.cursor
    after = replace(after, replacing={**before.replacing, **decision.replacing})
    gone = _replaced(context.instance, after.replacing, known)
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if decision.run:
        requests.append(scenes.build_add_request([scene.id for scene in decision.run]))
    if gone:
        context.log.info(f"replaced by newer versions, and taken out of the partitions: {', '.join(gone)}")
        requests.append(scenes.build_delete_request(gone))
    replaced = {new: old for old, new in decision.replacing.items()}
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=scene.id,
                partition_key=scene.id,
                tags={**scene_tags(scene.id), **({REPLACES_TAG: replaced[scene.id]} if scene.id in replaced else {})},
            )
            for scene in decision.run
        ],
        skip_reason=None if decision.run else f"{seen.words}; none is new",
        dynamic_partitions_requests=requests,
        cursor=without(after, gone, known | {scene.id for scene in decision.run}).written(),
    )


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _never_run(instance: dg.DagsterInstance, found: Sequence[str], known: set[str]) -> list[str]:
    """Items that have neither a map nor a run. Runs are only queried for items without a map.

    An item with a run that is no partition any more was removed by a person. It is not run again.
    """
    mapped = latest_storage_ids(instance, catalog_asset.key, [item for item in found if item in known])
    asked = [item for item in found if item not in mapped]
    run: set[str] = set()
    for page in pages(asked):
        run.update(r.tags[PARTITION_TAG] for r in instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: page})))
    return [item for item in asked if item not in run]


def _replaced(instance: dg.DagsterInstance, replacing: dict[str, str], known: set[str]) -> list[str]:
    """Ids of the old versions to remove: the new version is classified, and no unfinished run uses the old one."""
    here = [old for old in replacing if old in known]
    mapped = latest_storage_ids(instance, catalog_asset.key, [replacing[old] for old in here])
    done = [old for old in here if replacing[old] in mapped]
    unfinished = [*NOT_FINISHED_STATUSES]
    return [
        old
        for old in done
        if not instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: old}, statuses=unfinished), limit=1)
    ]
