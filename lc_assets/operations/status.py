"""How each scene stands: done, missing, failed, stale, or on its way. What `search`, `backfill` and `stale` ask.

Dagster keeps the code version with each materialisation, and `lc_assets.definitions` makes the model's fingerprint a
part of class_raster's, so that a map of another model is stale. The UI shows the same per partition. Here it is asked
by ids of records, of those scenes only that are asked for: Dagster's own answer (`get_status_by_partition`) reads all
partition keys several times, and begins anew whenever one is added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from enum import Enum

import dagster as dg

from lc_assets.operations.dagster_private import NOT_FINISHED_STATUSES, BulkActionsFilter, BulkActionStatus
from lc_assets.operations.keys import CATALOG, CLASS_RASTER, PARTITION_TAG, SCENES
from lc_assets.operations.records import code_versions, latest_storage_ids

_CHUNK = 500
"""Runs or records asked for at a time."""


class SceneStatus(Enum):
    """How a scene stands. The values are what a person reads."""

    NEW = "new"
    """Not registered."""
    MISSING = "missing"
    """Registered, and never classified to the end."""
    WAITING = "waiting"
    """Queued or running."""
    FAILED = "failed"
    """The last run failed."""
    STALE = "stale"
    """Its map was made by another model than the configured one, or by older code."""
    DONE = "done"


NEEDS_RUN = (SceneStatus.NEW, SceneStatus.MISSING, SceneStatus.FAILED, SceneStatus.STALE)
"""What a backfill takes when it is not told otherwise."""


def scene_statuses(
    instance: dg.DagsterInstance, definitions: dg.Definitions, items: Iterable[str] | None = None
) -> dict[str, SceneStatus]:
    """How scenes stand.

    Args:
        instance: whose records are read.
        definitions: what a map must have been made by in order not to be stale.
        items: item ids; None is all that are registered, in the order of the partitions.
    """
    if items is None:
        asked = known = list(instance.get_dynamic_partitions(SCENES))
    else:
        asked = list(dict.fromkeys(items))
        registered = instance.get_existing_dynamic_partitions(SCENES, asked)
        known = [item for item in asked if item in registered]
    here = set(known)
    mapped = latest_storage_ids(instance, CATALOG, known)
    failed = _failed(instance, known, mapped)
    outdated = _outdated(instance, definitions, known)
    waiting = waiting_items(instance, definitions) if known else set()

    def stands(item: str) -> SceneStatus:
        if item not in here:
            return SceneStatus.NEW
        if item in waiting:
            return SceneStatus.WAITING
        if item in failed:
            return SceneStatus.FAILED
        if item in outdated:
            return SceneStatus.STALE
        return SceneStatus.DONE if item in mapped else SceneStatus.MISSING

    return {item: stands(item) for item in asked}


def stale_items(instance: dg.DagsterInstance, definitions: dg.Definitions) -> list[str]:
    """Registered items whose newest class map is of another code version than class_raster's in `definitions`, whatever
    else is under way; in the order of the partitions. Items without a map are not stale but missing."""
    outdated = _outdated(instance, definitions)
    return [item for item in instance.get_dynamic_partitions(SCENES) if item in outdated]


def waiting_items(instance: dg.DagsterInstance, definitions: dg.Definitions) -> set[str]:
    """Items of which a run is queued or under way, or that a backfill under way is yet to queue."""
    unfinished = dg.RunsFilter(statuses=[*NOT_FINISHED_STATUSES])
    waiting = {run.tags.get(PARTITION_TAG, "") for run in instance.get_runs(unfinished)}
    for backfill in instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])):
        if backfill.partition_names is not None:  # of a job
            names = list(backfill.partition_names)
            done = backfill.last_submitted_partition_name
            waiting.update(names[names.index(done) + 1 :] if done in names else names)
            continue
        data = backfill.get_asset_backfill_data(definitions.resolve_asset_graph())
        left = data.target_subset - data.requested_subset
        if CATALOG in left.asset_keys:
            waiting.update(left.get_partitions_subset(CATALOG).get_partition_keys())
    return waiting


def _failed(instance: dg.DagsterInstance, items: Collection[str], mapped: Mapping[str, int]) -> set[str]:
    """Items whose last run that was to make the catalog failed before it did. (One that was cancelled did not fail.)"""
    planned = latest_storage_ids(instance, CATALOG, items, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    missed = {record: item for item, record in planned.items() if record > mapped.get(item, 0)}
    runs: dict[str, list[str]] = defaultdict(list)  # one of a backfill by hand may be for several scenes
    records = sorted(missed)
    for start in range(0, len(records), _CHUNK):
        chosen = dg.EventRecordsFilter(
            dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
            asset_key=CATALOG,
            storage_ids=records[start : start + _CHUNK],
        )
        for record in instance.event_log_storage.get_event_records(chosen, limit=_CHUNK):
            runs[record.run_id].append(missed[record.storage_id])
    failed: set[str] = set()
    named = list(runs)
    for start in range(0, len(named), _CHUNK):
        over = dg.RunsFilter(run_ids=named[start : start + _CHUNK], statuses=[dg.DagsterRunStatus.FAILURE])
        failed.update(item for run in instance.get_runs(over) for item in runs[run.run_id])
    return failed


def _outdated(
    instance: dg.DagsterInstance, definitions: dg.Definitions, items: Collection[str] | None = None
) -> set[str]:
    """Items whose newest class map is of another code version than class_raster's in `definitions`."""
    current = definitions.resolve_asset_graph().get(CLASS_RASTER).code_version
    return {item for item, version in code_versions(instance, CLASS_RASTER, items).items() if version != current}
