"""How each scene stands: done, missing, failed, stale, or on its way. What `search`, `backfill` and `stale` ask.

Dagster keeps the code version with each materialisation, and `lc_assets.definitions` makes the model's fingerprint a
part of class_raster's, so that a map of another model is stale. The UI shows the same per partition; here it is asked
of all partitions in one pass over the records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from lc_assets.assets import catalog, class_raster
from lc_assets.partitions import SCENES, scenes

CODE_VERSION_TAG = "dagster/code_version"
"""Tag in which Dagster keeps an asset's code version with each of its materialisations."""
PARTITION_TAG = "dagster/partition"
PAGE = 1000
"""Records read at a time."""


class Standing(Enum):
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


TO_DO = (Standing.NEW, Standing.MISSING, Standing.FAILED, Standing.STALE)
"""What a backfill takes when it is not told otherwise."""


def standings(
    instance: dg.DagsterInstance, definitions: dg.Definitions, items: Iterable[str] | None = None
) -> dict[str, Standing]:
    """How scenes stand.

    Args:
        instance: whose records are read.
        definitions: what a map must have been made by in order not to be stale.
        items: item ids; None is all that are registered, in the order of the partitions.
    """
    registered = dict.fromkeys(instance.get_dynamic_partitions(SCENES))
    asked = list(registered) if items is None else list(dict.fromkeys(items))
    known = [item for item in asked if item in registered]
    found = instance.get_status_by_partition(catalog.key, known, scenes) if known else {}
    outdated = _outdated(instance, definitions) if known else set()
    waiting = waiting_items(instance, definitions) if known else set()

    def stands(item: str) -> Standing:
        if item not in registered:
            return Standing.NEW
        if item in waiting:
            return Standing.WAITING
        status = (found or {}).get(item)
        if status == AssetPartitionStatus.FAILED:
            return Standing.FAILED
        if item in outdated:
            return Standing.STALE
        return Standing.DONE if status == AssetPartitionStatus.MATERIALIZED else Standing.MISSING

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
        if catalog.key in left.asset_keys:
            waiting.update(left.get_partitions_subset(catalog.key).get_partition_keys())
    return waiting


def _outdated(instance: dg.DagsterInstance, definitions: dg.Definitions) -> set[str]:
    """Items whose newest class map is of another code version than class_raster's in `definitions`."""
    current = definitions.resolve_asset_graph().get(class_raster.key).code_version
    newest = dict(reversed(list(_versions(instance))))
    return {item for item, version in newest.items() if version != current}


def _versions(instance: dg.DagsterInstance) -> Iterator[tuple[str, str | None]]:
    """(item, code version) of every class map ever recorded, newest first."""
    cursor = None
    while True:
        page = instance.fetch_materializations(class_raster.key, limit=PAGE, cursor=cursor)
        for record in page.records:
            materialisation = record.asset_materialization
            if materialisation and record.partition_key:
                yield record.partition_key, (materialisation.tags or {}).get(CODE_VERSION_TAG)
        if not page.has_more:
            return
        cursor = page.cursor
