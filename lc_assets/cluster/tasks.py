"""What a worker does with a run that the broker delivers: execute it, once, if the run was queued for what it has."""

from __future__ import annotations

import logging
import os
import reprlib
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from lc_assets.cluster.dagster_private import MAX_RETRIES_TAG, capture_interrupts, execute_run_command_body
from lc_assets.cluster.published_identity import own_pins, published
from lc_assets.cluster.retries import is_transient, mark_for_retry
from lc_assets.cluster.run_lock import hold_run_lock
from lc_assets.core.errors import LandCoverError
from lc_assets.operations.identity import MODEL_TAG, ensure_same_code_and_model

TASK = "lc_assets.run"
WORKER_TAG = "lc_assets/worker"
"""Run tag: the worker that executes it, `name@host`."""

TAKEN_TAG = "lc_assets/taken"
"""Run tag: when that worker began with it, seconds since 1970. Until then it was waiting."""

_PARTITION_TAG = "dagster/partition"
_log = logging.getLogger(__name__)


def add_task(app: Celery) -> None:
    """Teach an app to execute runs."""

    @app.task(bind=True, name=TASK)
    def run(self: Any, run_id: object = None, *_: object, **__: object) -> None:  # whatever a message brings
        execute(run_id, self.request.hostname or socket.gethostname(), app)


def execute(run_id: object, worker: str, app: Celery) -> None:
    """Execute a run that is STARTING, unless somebody else does; what becomes of it stands in Dagster's database.

    A run may be delivered twice (sent again by the watch, restored by Redis): the second finds it claimed, or begun.
    Whoever can write to the broker can send anything: what is no run's id is logged, and left alone.
    """
    if not isinstance(run_id, str) or not _is_run_id(run_id):
        _log.warning("%s was delivered to %s, but is no run's id: left alone", reprlib.repr(run_id), worker)
        return
    taken = f"{time.time():.3f}"
    with DagsterInstance.get() as instance:

        def give_up(why: str) -> None:
            _log.warning("run %s is given up: %s", run_id, why)
            os.kill(os.getpid(), signal.SIGINT)

        with hold_run_lock(instance, run_id, give_up) as lock:
            run = instance.get_run_by_id(run_id)
            if lock is None or run is None or run.status != DagsterRunStatus.STARTING:
                state = "claimed by another worker" if lock is None else run.status.value if run else "unknown"
                _log.warning("run %s was delivered to %s, but is %s: left alone", run_id, worker, state)
                return
            try:
                ensure_same_code_and_model(
                    run.tags, own_pins().get(MODEL_TAG), run.tags.get(_PARTITION_TAG, run_id), "every asset"
                )
            except LandCoverError as refusal:
                handed_back = _refuse(instance, run, worker, refusal)
            else:
                handed_back = False
                instance.add_run_tags(run_id, {WORKER_TAG: worker, TAKEN_TAG: taken})
                with _interruptible():
                    execute_run_command_body(run_id, instance, lambda event: None, set_exit_code_on_failure=True)
                if _has_failed(instance, run_id) and (lock.interrupted or is_transient(instance, run_id)):
                    mark_for_retry(instance, run_id)  # the database was away meanwhile, or what an asset asked
        if handed_back:
            _leave(app, run_id, worker)


def _is_run_id(text: str) -> bool:
    """Whether it is a UUID as Dagster writes it."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _refuse(instance: DagsterInstance, run: DagsterRun, worker: str, refusal: LandCoverError) -> bool:
    """True if it is the worker that has something else than the cluster: another one is to take the run. Otherwise it
    is the run, which no worker would take, and it fails."""
    _log.error("worker %s: %s", worker, refusal)
    if published(instance) not in ({}, own_pins()):
        instance.report_engine_event(f"Refused by worker {worker}, which leaves the cluster: {refusal}", run)
        return True
    instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0", WORKER_TAG: worker})
    instance.report_run_failed(run, f"Refused by worker {worker}: {refusal}")
    return False


def _leave(app: Celery, run_id: str, worker: str) -> None:
    """Stop this worker, then send the run on: whoever starts it again (systemd) has it check itself first."""
    app.control.shutdown(destination=[worker])
    time.sleep(1)  # it no longer fetches when the run comes back
    app.send_task(TASK, args=[run_id], task_id=run_id)


def _has_failed(instance: DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status == DagsterRunStatus.FAILURE


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGINT interrupts the run, as Dagster does it; afterwards the signals are Celery's again.

    (Dagster leaves SIGTERM with SIGINT's handler, dagster/_utils/interrupts.py: _replace_interrupt_signal; a Celery
    child ignores SIGINT, and would then ignore SIGTERM too, for good.)
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with capture_interrupts():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
