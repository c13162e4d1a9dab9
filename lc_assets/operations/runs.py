"""Runs scenes from the command line: registers partitions, materialises them in this process, returns their results."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from lc_assets.core.errors import LandCoverError, without_query
from lc_assets.core.memory import release_free_memory
from lc_assets.operations.code_location import runs_in_code_location
from lc_assets.operations.failed_checks import without_scene
from lc_assets.operations.keys import CLASSIFY, FUSE, HOST_TAG, PID_TAG, SCENE_TAG, SCENES, SEASON_MAPS, STARTED_TAG
from lc_assets.sentinel2.scene_ids import scene_label
from lc_assets.store.atomic import is_alive, start_of

_INTERRUPTED = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
_RUN_AGAIN = "it was interrupted -> run it again"


@dataclass(frozen=True)
class RunResult:
    """The result of one scene's run.

    Attributes:
        item: STAC item id.
        run_id: id of the Dagster run.
        error: message of the failure; None after a success.
        seconds: wall time of the run.
        metadata: asset name -> metadata of its materialisation, as plain values.
        interrupted: whether the run was interrupted, for example by Ctrl+C.
        warnings: messages of the failed checks that did not stop the run.
    """

    item: str
    run_id: str
    error: str | None
    seconds: float
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    interrupted: bool = False
    warnings: list[str] = field(default_factory=list)

    def raise_if_failed(self, item: str | None = None) -> None:
        """Raise the failure of the run, if it failed.

        Args:
            item: id that the error names, if its problem does not.

        Raises:
            LandCoverError: the run failed.
            KeyboardInterrupt: it was interrupted.
        """
        if self.interrupted:
            raise KeyboardInterrupt(self.error)
        if self.error:
            problem, _, remedy = self.error.partition(" -> ")
            named = item if item and item not in problem else None
            raise LandCoverError(problem, item=named, remedy=remedy or "see the run in Dagster's UI: lc-assets ui")


def register(instance: DagsterInstance, items: Iterable[str], partitions: str = SCENES) -> list[str]:
    """Add partition keys, of scenes or of other `partitions`, and return the new ones, in the given order.

    Dagster shows partitions in the order in which they were added: new scenes are added by tile and date.
    """
    from sqlalchemy.exc import IntegrityError

    items = list(dict.fromkeys(items))
    while True:
        known = set(instance.get_dynamic_partitions(partitions))
        new = [item for item in items if item not in known]
        try:
            if new:
                instance.add_dynamic_partitions(partitions, sorted(new, key=scene_label))
        except IntegrityError:  # another process has added one of them since
            if not set(instance.get_dynamic_partitions(partitions)) - known:
                raise
            continue
        return new


def run_scene(
    definitions: dg.Definitions,
    instance: DagsterInstance,
    item: str,
    config: dict[str, Any],
    *,
    verbose: bool = False,
    on_asset: Callable[[str], None] = lambda name: None,
    job: str = CLASSIFY,
) -> RunResult:
    """Materialise the assets of a job for one partition, in this process. A failure is returned, not raised.

    Args:
        definitions: definitions that hold the job.
        instance: where Dagster records the run.
        item: the partition key: STAC item id of a scene, or name of a season map.
        config: config of the ops.
        verbose: print Dagster's log at level INFO.
        on_asset: called with the name of each asset that is materialised.
        job: name of the job; by default the job of the six scene assets.
    """
    work = definitions.resolve_job_def(job)
    run_id = str(uuid4())
    level = "INFO" if verbose else "CRITICAL"
    started = time.perf_counter()
    if not instance.has_dynamic_partition(SEASON_MAPS if job == FUSE else SCENES, item):
        problem = "it is not registered, or was removed meanwhile"
        return RunResult(item, run_id, f"{_named(item, job)}: {problem} -> name it again", 0)
    _tell_assets(instance, run_id, on_asset)
    with runs_in_code_location(instance):
        result = work.execute_in_process(
            run_config={"ops": config, "loggers": {"console": {"config": {"log_level": level}}}},
            instance=instance,
            partition_key=item,
            raise_on_error=False,
            run_id=run_id,
            tags={**process_tags(), **scene_tags(item)},
        )
    release_free_memory()
    metadata = {
        event.asset_key.to_user_string(): {k: v.value for k, v in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    error = None if result.success else _why(result, item, job)
    interrupted = error is not None and error.endswith(_RUN_AGAIN)
    warnings = [
        f"{check.check_name}: {without_scene(check.description, item)}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    ]
    return RunResult(item, run_id, error, time.perf_counter() - started, metadata, interrupted, warnings)


def _named(item: str, job: str) -> str:
    return f"{'season map' if job == FUSE else 'item'} {item}"


def process_tags() -> dict[str, str]:
    """Return the tags that name the process of a run."""
    pid = os.getpid()
    return {HOST_TAG: socket.gethostname(), PID_TAG: str(pid), STARTED_TAG: start_of(pid)}


def scene_tags(item: str) -> dict[str, str]:
    """Return the tag that names the scene of a run: by tile and date, if its id says them."""
    label = scene_label(item)
    return {} if label == item else {SCENE_TAG: label}


def fail_orphaned_runs(instance: DagsterInstance) -> int:
    """Mark the runs of dead `lc-assets` processes on this host as failed, and return their number.

    Without this, such a run would keep the status STARTED for ever.
    """
    healed = 0
    filters = RunsFilter(statuses=[DagsterRunStatus.STARTED], tags={HOST_TAG: socket.gethostname()})
    for run in instance.get_runs(filters):
        pid = int(run.tags.get(PID_TAG, "0"))
        if pid and not is_alive(pid, run.tags.get(STARTED_TAG, "")):
            instance.report_run_failed(run, "the lc-assets process that executed this run has died")
            healed += 1
    return healed


def _why(result: dg.ExecuteInProcessResult, item: str, job: str) -> str:
    """The message for the user: a blocking check that failed, the description of a Failure, or the innermost error."""
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.blocking:
            told = without_scene(check.description, item) or "it failed without a reason"
            asset = check.asset_key.to_user_string()
            return (
                f"{_named(item, job)}, asset {asset}: its check {check.check_name} failed: {told} -> "
                "the assets after it were not made: run it again; if it fails again, look at the check in the UI and "
                "report it with its description"
            )
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            error = data.error
            while error is not None and error.cause is not None:
                error = error.cause
            if data.user_failure_data is not None and data.user_failure_data.description:
                return data.user_failure_data.description
            if error and error.cls_name in _INTERRUPTED:
                return f"asset {event.step_key}: {_RUN_AGAIN}"
            text = (error.message.strip() if error else "") or "unknown error"
            if error and error.cls_name == "ValidationError":  # of pydantic: the run's config has a wrong value
                _, field_, reason, *_ = [*(line.strip() for line in text.splitlines()), "", ""]
                wrong = f"its config {field_} is wrong: {reason.split(' [')[0]}"
                return f"asset {event.step_key}: {wrong} -> correct the config"
            if error and error.cls_name == "Failure":
                return without_query(text.removeprefix("dagster._core.definitions.events.Failure: "))
            return without_query(
                f"asset {event.step_key}: unexpected {text.splitlines()[0]} (a fault of lc_assets: please report)"
            )
    return "the run did not succeed"


def _tell_assets(instance: DagsterInstance, run_id: str, on_asset: Callable[[str], None]) -> None:
    """Call `on_asset` for each asset that a run of this process materialises."""

    def tell(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event and event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION and event.asset_key:
            on_asset(event.asset_key.to_user_string())

    instance.add_event_listener(run_id, tell)
