"""Send runs to the broker, and detect runs whose worker has died.

The launcher extends that of dagster-celery and differs in four points:

- A message contains only the id of a run, not the configuration of the instance.
- A run does not fail if the broker is unavailable: `cluster_watch` sends it later.
- The run lock shows whether a run is alive. Celery's result does not show it: a killed worker leaves no result, and a
  restart of Redis deletes the results.
- To cancel a run, the launcher changes its status. The worker reads the status and stops the run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import kombu.exceptions
import redis.exceptions
from dagster import DagsterRun, DagsterRunStatus, Field, Float, StringSource
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_QUEUE_TAG
from typing_extensions import Self

from lc_assets.cluster.app import CONFIG, QUEUE, broker, checked_broker_url
from lc_assets.cluster.dagster_private import (
    CheckRunHealthResult,
    ConfigurableClassData,
    LaunchRunContext,
    WorkerStatus,
)
from lc_assets.cluster.retries import expect_retry, retry_from_start_if_complete
from lc_assets.cluster.run_lock import locked_runs
from lc_assets.cluster.tasks import TASK, WORKER_TAG

LOST_AFTER_SECONDS = 30.0
BROKER_ERRORS = (
    kombu.exceptions.OperationalError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    OSError,
)
"""Exceptions that mean that the broker cannot be reached."""

_SEND_RETRIES = {"max_retries": 1, "interval_start": 0.2}


class ClusterRunLauncher(CeleryRunLauncher):
    """Starts runs as Celery tasks on the Redis of LC_ASSETS_BROKER."""

    def __init__(
        self,
        broker: str,
        default_queue: str = QUEUE,
        lost_after_seconds: float = LOST_AFTER_SECONDS,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(
            default_queue=default_queue, broker=checked_broker_url(broker), config_source=CONFIG, inst_data=inst_data
        )
        self.lost_after_seconds = lost_after_seconds
        self._unlocked_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> Any:
        """Return the config schema, as Dagster's `ConfigurableClass` requires."""
        return {
            "broker": Field(StringSource, is_required=False, description="Redis; default: LC_ASSETS_BROKER."),
            "default_queue": Field(StringSource, is_required=False, default_value=QUEUE),
            "lost_after_seconds": Field(
                Float,
                is_required=False,
                default_value=LOST_AFTER_SECONDS,
                description="Seconds without a run lock after which a run counts as lost.",
            ),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Return a launcher with this config, as Dagster's `ConfigurableClass` requires."""
        return cls(inst_data=inst_data, **{"broker": broker(), **config_value})

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send a run. If the broker is unavailable, `cluster_watch` sends the run later."""
        self.send(context.dagster_run)

    def send(self, run: DagsterRun) -> bool:
        """Put a run into its queue, and return False if the broker is unavailable. Sending a run twice is safe."""
        queue = run.tags.get(DAGSTER_CELERY_QUEUE_TAG, self.default_queue)
        try:
            self.celery.send_task(
                TASK, args=[run.run_id], task_id=run.run_id, queue=queue, retry=True, retry_policy=_SEND_RETRIES
            )
        except BROKER_ERRORS as error:
            what = f"The broker cannot be reached ({type(error).__name__}): cluster_watch sends the run later."
            self._instance.report_engine_event(what, run, cls=self.__class__)
            return False
        self._instance.report_engine_event(f"Sent to the workers, queue {queue}.", run, cls=self.__class__)
        return True

    def waiting(self) -> set[str]:
        """Return the ids of the runs that wait in the broker for a worker.

        Raises:
            BROKER_ERRORS: one of these exceptions, if the broker cannot be reached.
        """
        found: set[str] = set()
        with self.celery.connection_for_read() as connection:
            channel = connection.default_channel
            for name in channel.client.scan_iter(match=f"{channel.global_keyprefix}*", _type="list"):
                found.update(run for message in _messages(channel.client, name) if (run := _run_id_of(message)))
        return found

    def terminate(self, run_id: str) -> bool:
        """Cancel a run. A running run ends itself within seconds, a waiting run ends at once.

        Returns:
            False if the run is unknown or already finished.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if not locked_runs(self._instance, [run_id]):
            self._instance.report_run_canceled(run)
        return True

    @property
    def supports_resume_run(self) -> bool:
        """False: a lost run is retried as a new run."""
        return False

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return RUNNING if a process holds the lock of a started run, and FAILED if the run is lost.

        The run counts as lost if no process holds the lock for `lost_after_seconds`.
        """
        if locked_runs(self._instance, [run.run_id]):
            self._unlocked_since.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        # A single missing lock is not enough: a run has no lock between its last event and its end, and no run has a
        # lock just after a restart of the database.
        since = self._unlocked_since.setdefault(run.run_id, time.monotonic())
        unlocked = time.monotonic() - since
        if unlocked < self.lost_after_seconds:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"no worker holds its lock for {unlocked:.0f} s")
        del self._unlocked_since[run.run_id]
        retry_from_start_if_complete(self._instance, run.run_id)
        expect_retry(self._instance, run.run_id)
        worker = run.tags.get(WORKER_TAG, "unknown")
        return CheckRunHealthResult(
            WorkerStatus.FAILED,
            f"worker {worker} no longer holds the lock of the run: the worker was killed, or its machine failed",
        )

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Return the name of the worker that executes the run, for the UI."""
        if run.status == DagsterRunStatus.STARTING:
            return "No worker has started it."
        return f"Worker: {run.tags.get(WORKER_TAG, 'unknown')}"


def _messages(client: Any, name: bytes) -> list[bytes]:
    """Return the entries of a list in the broker's database; empty if the key is no longer a list."""
    try:
        return list(client.lrange(name, 0, -1))
    except redis.exceptions.ResponseError as error:
        if str(error).startswith("WRONGTYPE"):  # another program replaced the list
            return []
        raise


def _run_id_of(message: bytes) -> str | None:
    """Return the run id of a message, or None if another program wrote the message."""
    try:
        headers = json.loads(message)["headers"]
        return str(headers["id"]) if headers["task"] == TASK else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
