"""Set the run tags for Dagster's run retries, and find out whether a failure is transient."""

from __future__ import annotations

from dagster import DagsterEvent, DagsterEventType, DagsterInstance

from lc_assets.cluster.dagster_private import (
    RETRY_ON_ASSET_OR_OP_FAILURE_TAG,
    RETRY_STRATEGY_TAG,
    WILL_RETRY_TAG,
    ReexecutionStrategy,
)
from lc_assets.defs.failures import TRANSIENT


def retry_from_start_if_complete(instance: DagsterInstance, run_id: str) -> None:
    """Let Dagster retry a run from the first step if all its steps succeeded before it was lost.

    A retry from the failed step would have no steps, and Dagster refuses it
    (dagster/_core/instance/runs/run_domain.py:518).
    """
    planned = _steps(instance, run_id, DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    if planned <= _steps(instance, run_id, DagsterEventType.STEP_SUCCESS):
        instance.add_run_tags(run_id, {RETRY_STRATEGY_TAG: ReexecutionStrategy.ALL_STEPS.value})


def expect_retry(instance: DagsterInstance, run_id: str) -> None:
    """Note that a run which is about to be marked as failed will be retried. Dagster decides again after the failure.

    Dagster writes the status FAILURE first, and this tag after it. Between both, its backfill daemon can find that all
    runs of the backfill have ended, and end the backfill; a run of an ended backfill is not retried
    (dagster/_core/execution/asset_backfill.py: backfill_runs_are_complete).
    """
    instance.add_run_tags(run_id, {WILL_RETRY_TAG: "true"})


def note_event(instance: DagsterInstance, run_id: str, event: DagsterEvent) -> None:
    """Mark a run for a retry when one of its assets has failed for a transient reason, else for none.

    A run that is a retry itself has inherited the mark of the run before it. Dagster passes the event of the asset
    before it marks the run as failed, so its daemons never see the failed run without the mark (see `expect_retry`).
    The assets of a run are a chain, so only one of them fails.
    """
    if event.event_type != DagsterEventType.STEP_FAILURE:
        return
    if is_transient(instance, run_id):
        mark_for_retry(instance, run_id)
    else:
        instance.add_run_tags(run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "false"})


def mark_for_retry(instance: DagsterInstance, run_id: str) -> None:
    """Let Dagster retry a run that failed in an asset."""
    retry_from_start_if_complete(instance, run_id)
    instance.add_run_tags(run_id, {RETRY_ON_ASSET_OR_OP_FAILURE_TAG: "true", WILL_RETRY_TAG: "true"})


def is_transient(instance: DagsterInstance, run_id: str) -> bool:
    """Return True if all failures of a run are transient, for example an unavailable store or server.

    A run without a failed step returns False.
    """
    failed = [
        entry.dagster_event.step_failure_data.user_failure_data
        for entry in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE)
        if entry.dagster_event
    ]
    transient = [data.metadata.get(TRANSIENT) if data else None for data in failed]
    return bool(transient) and all(value is not None and value.value is True for value in transient)


def _steps(instance: DagsterInstance, run_id: str, kind: DagsterEventType) -> set[str | None]:
    return {entry.step_key for entry in instance.all_logs(run_id, of_type=kind)}
