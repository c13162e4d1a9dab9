"""cluster_watch: a sensor on the coordinator that resends lost runs, and publishes the cluster's code and model.

A run with the status STARTING waits in the broker. Redis loses it after a restart without persistence, or if a worker
is killed while it takes the run. Dagster only watches runs that have started, so a lost run would wait until its start
time-out. Sending a run twice is safe, because a worker takes the run lock before it executes the run.
"""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from lc_assets.cluster.launcher import BROKER_ERRORS, ClusterRunLauncher
from lc_assets.cluster.published_identity import publish
from lc_assets.cluster.run_lock import locked_runs

WATCH_SECONDS = 10
UNQUEUED_SECONDS = 300
"""Seconds after which a created run that is not queued counts as failed, because its creator has died."""


@dg.sensor(
    name="cluster_watch",
    minimum_interval_seconds=WATCH_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    target=None,
)
def cluster_watch(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Resend runs that wait for a worker and are no longer in the broker. Publish the cluster's code and model.

    Returns:
        A skip reason with the numbers of runs, or with the reason why no run is sent.
    """
    instance = context.instance
    changed = publish(instance)
    launcher = instance.run_launcher
    if not isinstance(launcher, ClusterRunLauncher):
        return dg.SkipReason("runs are not started by lc_assets.cluster")
    _fail_unqueued(instance)
    try:
        missing = {} if not (starting := _starting(instance)) else _missing(instance, launcher, starting)
    except BROKER_ERRORS as error:
        return dg.SkipReason(f"the broker cannot be reached ({type(error).__name__})")
    now = time.time()
    seen: dict[str, float] = json.loads(context.cursor or "{}")
    since = {run_id: seen.get(run_id, now) for run_id in missing}
    lost = [run_id for run_id, first in since.items() if now - first >= launcher.lost_after_seconds]
    sent = [run_id for run_id in lost if launcher.send(missing[run_id])]
    context.update_cursor(json.dumps({run_id: first for run_id, first in since.items() if run_id not in sent}))
    counts = [f"{len(starting)} wait for a worker", f"{len(missing)} not in the broker", f"{len(sent)} sent again"]
    return dg.SkipReason(", ".join(counts + ["new code or model published"] * changed))


def _starting(instance: DagsterInstance) -> dict[str, dg.DagsterRun]:
    return {run.run_id: run for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTING]))}


def _missing(
    instance: DagsterInstance, launcher: ClusterRunLauncher, starting: dict[str, dg.DagsterRun]
) -> dict[str, dg.DagsterRun]:
    """Return the runs that neither wait in the broker nor have a worker."""
    waiting = launcher.waiting()
    # The locks are read after the broker, so that a run that a worker takes in between is found in one of them.
    taken = locked_runs(instance, starting)
    return {run_id: run for run_id, run in starting.items() if run_id not in waiting and run_id not in taken}


def _fail_unqueued(instance: DagsterInstance) -> None:
    """Mark runs as failed that were created but not queued (the database was unavailable). Dagster retries them."""
    before = datetime.now(timezone.utc) - timedelta(seconds=UNQUEUED_SECONDS)
    filters = RunsFilter(statuses=[DagsterRunStatus.NOT_STARTED], created_before=before)
    for run in instance.get_runs(filters):
        instance.report_run_failed(run, "the run was created, but not queued")
