"""Launches asset backfills, as "Launch backfill" in the UI does. Dagster's daemon then queues one run per scene.

Dagster has no command for this: `dagster job backfill` queues runs of a job. So `launch_backfill` writes the backfill
into the instance, as the mutation `launchPartitionBackfill` of the UI does.

How far a backfill is, is counted by its runs. Dagster's own counts are of partitions of each asset, and its status says
that a backfill is completed also when runs of it were cancelled.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from lc_assets.core.wording import quantity
from lc_assets.operations.dagster_private import (
    FINISHED_STATUSES,
    BulkActionStatus,
    PartitionBackfill,
    make_new_backfill_id,
)
from lc_assets.operations.identity import MODEL_TAG
from lc_assets.operations.keys import BACKFILL_TAG, CATALOG, CLASSIFY, PARTITION_TAG, SCENE_ASSETS

UNDER_WAY = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING)
_NEWEST = 20
"""Number of backfills among which the newest one of scenes is looked for."""


@dataclass(frozen=True)
class BackfillProgress:
    """How far a backfill of scenes is.

    Attributes:
        id: id of the backfill.
        finished: whether it has ended.
        scenes: number of scenes that it was launched for.
        done, failed, cancelled: numbers of scenes by the end of their newest run of this backfill.
        running: number of scenes with a run that is queued or under way.
    """

    id: str
    finished: bool
    scenes: int
    done: int
    failed: int
    cancelled: int
    running: int

    @property
    def without_run(self) -> int:
        """Number of scenes without a run: not queued yet, or the backfill ended before, or the record was removed."""
        return self.scenes - self.done - self.failed - self.cancelled - self.running

    def __str__(self) -> str:
        counts = {
            "failed": self.failed,
            "cancelled": self.cancelled,
            "queued or running": self.running,
            "without a run" if self.finished else "to be queued": self.without_run,
        }
        rest = "".join(f", {number} {words}" for words, number in counts.items() if number)
        state = "has ended" if self.finished else "is under way"
        return f"backfill {self.id} {state}: {self.done} of {quantity(self.scenes, 'scene')} done{rest}"


def newest_backfill(instance: dg.DagsterInstance, definitions: dg.Definitions) -> BackfillProgress | None:
    """Return how far the newest backfill of scenes is; None if there is none among the last ones."""
    for backfill in instance.get_backfills(limit=_NEWEST):
        items = _items(backfill, definitions)
        if not items:
            continue
        ends: dict[str, dg.DagsterRunStatus] = {}
        for run in instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill.backfill_id})):  # newest first
            ends.setdefault(run.tags.get(PARTITION_TAG, ""), run.status)
        counts = Counter(status for item, status in ends.items() if item in items)
        running = sum(number for status, number in counts.items() if status not in FINISHED_STATUSES)
        return BackfillProgress(
            id=backfill.backfill_id,
            # Dagster calls a backfill of a job completed as soon as all its runs are queued.
            finished=backfill.status not in UNDER_WAY and not (backfill.partition_names and running),
            scenes=len(items),
            done=counts[dg.DagsterRunStatus.SUCCESS],
            failed=counts[dg.DagsterRunStatus.FAILURE],
            cancelled=counts[dg.DagsterRunStatus.CANCELED],
            running=running,
        )
    return None


def _items(backfill: PartitionBackfill, definitions: dg.Definitions) -> set[str]:
    """The scenes whose `catalog` a backfill makes."""
    if backfill.partition_names is not None:
        return set(backfill.partition_names) if backfill.job_name == CLASSIFY else set()
    target = backfill.get_asset_backfill_data(definitions.resolve_asset_graph()).target_subset
    return set(target.get_partitions_subset(CATALOG).get_partition_keys()) if CATALOG in target.asset_keys else set()


def launch_backfill(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    items: Sequence[str],
    *,
    fingerprint: str,
    config: dict[str, Any],
    title: str,
) -> str:
    """Launch a backfill of all six assets of some items.

    Args:
        instance: the Dagster instance. Its daemon executes the backfill.
        definitions: definitions of the code location.
        items: ids of registered STAC items.
        fingerprint: fingerprint of the model that the runs must use; class_raster fails if the worker has another one.
        config: config of the ops, as in the config of a run.
        title: title of the backfill in the UI.

    Returns:
        The id of the backfill.
    """
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=make_new_backfill_id(),
        asset_graph=definitions.resolve_asset_graph(),
        partition_names=list(items),
        asset_selection=list(SCENE_ASSETS),
        backfill_timestamp=time.time(),
        tags={MODEL_TAG: fingerprint},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=title,
        description=None,
        run_config={"ops": config} if config else None,
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id
