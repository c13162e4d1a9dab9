"""Finds the old runs that may be deleted from Dagster's records, and the scenes that are in use.

Dagster deletes a run together with all its events, also the materialisations. A finished scene would then look as if
it had never been made. So two kinds of runs are kept: a run that made the newest materialisation of a partition, and
the newest run of a scene. The latter records that the scene failed, or that a person removed it and does not want it
to be run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg

from lc_assets.operations.backfills import UNDER_WAY
from lc_assets.operations.dagster_private import FINISHED_STATUSES, NOT_FINISHED_STATUSES, BulkActionsFilter
from lc_assets.operations.keys import BACKFILL_TAG, PARTITION_TAG
from lc_assets.operations.records import PAGE, latest_storage_ids, producing_runs
from lc_assets.operations.status import unfinished_runs, waiting_items


@dataclass
class ExpiredRuns:
    """Finished runs that are older than a limit.

    Attributes:
        runs: ids of the runs that may be deleted.
        referenced_by: number of runs that are kept because they made a newest materialisation.
        last: number of runs that are kept as the newest run of their scene.
        in_use: number of runs that are kept because they belong to an unfinished backfill.
    """

    runs: list[str] = field(default_factory=list)
    referenced_by: int = 0
    last: int = 0
    in_use: int = 0


class InUse:
    """Tells whether a scene is in use: it has a queued or running run, or a backfill will still queue one."""

    def __init__(self, instance: dg.DagsterInstance, definitions: dg.Definitions) -> None:
        self._instance, self._definitions = instance, definitions
        self._backfills: list[str] | None = None
        self._waiting: set[str] = set()

    def __call__(self, item: str) -> bool:
        """Return whether a scene is in use now.

        The runs are queried at each call, the backfills only when the set of unfinished backfills has changed.
        """
        unfinished = dg.RunsFilter(tags={PARTITION_TAG: item}, statuses=[*NOT_FINISHED_STATUSES])
        if self._instance.get_runs(unfinished, limit=1):
            return True
        return item in self.all(again=False)

    def all(self, *, again: bool = True) -> set[str]:
        """Return the ids of all scenes in use.

        Args:
            again: query the runs again. If False, the last result is returned while the set of backfills is the same.
        """
        under_way = sorted(unfinished_backfills(self._instance))
        if again or under_way != self._backfills:
            self._waiting, self._backfills = waiting_items(self._instance, self._definitions), under_way
            self._waiting.update(run.tags.get(PARTITION_TAG, "") for run in unfinished_runs(self._instance))
        return self._waiting


def old_runs(instance: dg.DagsterInstance, before: datetime) -> ExpiredRuns:
    """Return the finished runs that did not change since `before`, divided into deletable ones and the reasons to keep.

    Args:
        instance: whose runs are read.
        before: a time with a time zone.
    """
    old = ExpiredRuns()
    referenced_by = _referenced_by(instance)
    counted = unfinished_backfills(instance)
    seen: set[str] = set()
    for record in _all_runs(instance):  # newest first
        run = record.dagster_run
        scene = run.tags.get(PARTITION_TAG)
        is_last = scene is not None and scene not in seen
        seen.update((scene,) if scene else ())
        if run.status not in FINISHED_STATUSES or record.update_timestamp.timestamp() >= before.timestamp():
            continue
        if run.run_id in referenced_by:
            old.referenced_by += 1
        elif run.tags.get(BACKFILL_TAG) in counted:
            old.in_use += 1
        elif is_last:
            old.last += 1
        else:
            old.runs.append(run.run_id)
    return old


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run, its events and its logs.

    The run itself is deleted last: after an interruption the next call still finds it.
    """
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    instance.event_log_storage.delete_events(run_id)
    instance.delete_run(run_id)


def unfinished_backfills(instance: dg.DagsterInstance) -> set[str]:
    """Ids of the unfinished backfills."""
    return {backfill.backfill_id for backfill in instance.get_backfills(BulkActionsFilter(statuses=[*UNDER_WAY]))}


def _all_runs(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    cursor = None
    while page := instance.get_run_records(limit=PAGE, cursor=cursor, order_by="id", ascending=False):
        yield from page
        cursor = page[-1].dagster_run.run_id


def _referenced_by(instance: dg.DagsterInstance) -> set[str]:
    """Ids of the runs that made the newest materialisation of a partition, or of an asset without partitions."""
    runs: set[str] = set()
    for asset in instance.all_asset_keys():
        records = latest_storage_ids(instance, asset).values()
        makers = producing_runs(instance, records)
        assert makers or not records  # each event log storage of Dagster is one
        runs.update(makers.values())
    for record in instance.get_asset_records():
        last = record.asset_entry.last_materialization_record
        runs |= {last.run_id} if last else set()
    return runs
