"""Sends runs to the broker, and finds runs whose worker is gone.

The launcher extends the one of dagster-celery and differs in four points:

- A message holds the id of a run, never the configuration of the instance.
- A run does not fail if the broker is unavailable: `cluster_watch` sends it later.
- The run lock shows whether a run is alive. Celery's result does not: it says nothing if a worker is killed, and it is
  lost when Redis restarts.
- A run is cancelled by its status. The worker reads the status and ends the run in order.
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

from lc_assets.cluster.app import CONFIG, QUEUE, broker, checked
from lc_assets.cluster.dagster_private import (
    CheckRunHealthResult,
    ConfigurableClassData,
    LaunchRunContext,
    WorkerStatus,
)
from lc_assets.cluster.retries import allow_nothing_left
from lc_assets.cluster.run_lock import locked_runs
from lc_assets.cluster.tasks import TASK, WORKER_TAG

LOST_AFTER_SECONDS = 30.0
AWAY = (kombu.exceptions.OperationalError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)
"""Exceptions that mean that the broker cannot be reached."""

_BRIEFLY = {"max_retries": 1, "interval_start": 0.2}


class ClusterRunLauncher(CeleryRunLauncher):
    """Starts runs as Celery tasks on the Redis of LC_ASSETS_BROKER."""

    def __init__(
        self,
        broker: str,
        default_queue: str = QUEUE,
        lost_after_seconds: float = LOST_AFTER_SECONDS,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(default_queue=default_queue, broker=checked(broker), config_source=CONFIG, inst_data=inst_data)
        self.lost_after_seconds = lost_after_seconds
        self._missed: dict[str, float] = {}

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
                description="How long a run may be without a worker that holds it until it is given up.",
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
        """Put a run into its queue, and return False if the broker is unavailable. A run may safely be sent twice."""
        queue = run.tags.get(DAGSTER_CELERY_QUEUE_TAG, self.default_queue)
        try:
            self.celery.send_task(
                TASK, args=[run.run_id], task_id=run.run_id, queue=queue, retry=True, retry_policy=_BRIEFLY
            )
        except AWAY as error:
            what = f"The broker cannot be reached ({type(error).__name__}): the run will be sent when it can."
            self._instance.report_engine_event(what, run, cls=self.__class__)
            return False
        self._instance.report_engine_event(f"Sent to the workers, queue {queue}.", run, cls=self.__class__)
        return True

    def waiting(self) -> set[str]:
        """Return the ids of the runs that wait in the broker for a worker.

        Raises:
            AWAY: one of these exceptions, if the broker cannot be reached.
        """
        found: set[str] = set()
        with self.celery.connection_for_read() as connection:
            channel = connection.default_channel
            for name in channel.client.scan_iter(match=f"{channel.global_keyprefix}*", _type="list"):
                found.update(run for message in _messages(channel.client, name) if (run := _run_in(message)))
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
        """Return whether a running process holds the lock of a started run.

        The run counts as lost if no process holds the lock for `lost_after_seconds`.
        """
        if locked_runs(self._instance, [run.run_id]):
            self._missed.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        # A single missing lock proves nothing: between its last event and its end a run has no lock any more, and after
        # a restart of the database no run has one.
        since = self._missed.setdefault(run.run_id, time.monotonic())
        missed = time.monotonic() - since
        if missed < self.lost_after_seconds:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"without a worker for {missed:.0f} s")
        del self._missed[run.run_id]
        allow_nothing_left(self._instance, run.run_id)
        worker = run.tags.get(WORKER_TAG, "unknown")
        return CheckRunHealthResult(
            WorkerStatus.FAILED,
            f"worker {worker} does not hold the run any more: it was killed, or its machine is gone",
        )

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Return the name of the worker that executes the run, for the UI."""
        if run.status == DagsterRunStatus.STARTING:
            return "No worker has begun with it."
        return f"Worker: {run.tags.get(WORKER_TAG, 'unknown')}"


def _messages(client: Any, name: bytes) -> list[bytes]:
    """Entries of a list in the broker's database; empty if the key is not a list any more."""
    try:
        return list(client.lrange(name, 0, -1))
    except redis.exceptions.ResponseError as error:
        if str(error).startswith("WRONGTYPE"):  # the key of another program, which replaced the list
            return []
        raise


def _run_in(message: bytes) -> str | None:
    """Run id of a message; None if the message is from another program, whose lists may hold anything."""
    try:
        headers = json.loads(message)["headers"]
        return str(headers["id"]) if headers["task"] == TASK else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
