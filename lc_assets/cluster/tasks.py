"""Execute a run that the broker delivers, once, if the worker has the code and the model of the run."""

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
from functools import partial
from typing import Any

from celery import Celery
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from lc_assets.cluster.dagster_private import MAX_RETRIES_TAG, capture_interrupts, execute_run_command_body
from lc_assets.cluster.published_identity import identity_tags, published
from lc_assets.cluster.retries import mark_for_retry, note_event
from lc_assets.cluster.run_lock import hold_run_lock
from lc_assets.core.errors import LandCoverError
from lc_assets.operations.identity import MODEL_TAG, ensure_same_code_and_model
from lc_assets.operations.keys import PARTITION_TAG

TASK = "lc_assets.run"
WORKER_TAG = "lc_assets/worker"
"""Run tag: the worker that executes the run, as `name@host`."""

TAKEN_TAG = "lc_assets/taken"
"""Run tag: time at which that worker started the run, in seconds since 1970."""

_log = logging.getLogger(__name__)


def add_task(app: Celery) -> None:
    """Add the task that executes a run to a Celery app."""

    @app.task(bind=True, name=TASK)
    def run(self: Any, run_id: object = None, *_: object, **__: object) -> None:  # a message may contain any arguments
        execute(run_id, self.request.hostname or socket.gethostname(), app)


def execute(run_id: object, worker: str, app: Celery) -> None:
    """Execute a run with the status STARTING, unless another worker executes it. Dagster's database has the result.

    A run may be delivered twice, by `cluster_watch` or by Redis. The second worker then finds that the run is locked or
    already started, and ignores the message. Any program that can write to the broker can send any message. A message
    that is not the id of a run is logged and ignored.

    Args:
        run_id: content of the message.
        worker: name of this worker, as `name@host`.
        app: the Celery app. It resends the run if this worker must not execute it.
    """
    if not isinstance(run_id, str) or not _is_run_id(run_id):
        _log.warning("%s was delivered to %s, but is not the id of a run: ignored", reprlib.repr(run_id), worker)
        return
    taken = f"{time.time():.3f}"
    with DagsterInstance.get() as instance:

        def stop_run(why: str) -> None:
            _log.warning("stopping run %s: %s", run_id, why)
            os.kill(os.getpid(), signal.SIGINT)

        with hold_run_lock(instance, run_id, stop_run) as lock:
            run = instance.get_run_by_id(run_id)
            if lock is None or run is None or run.status != DagsterRunStatus.STARTING:
                state = "locked by another worker" if lock is None else run.status.value if run else "unknown"
                _log.warning("run %s was delivered to %s, but is %s: ignored", run_id, worker, state)
                return
            try:
                ensure_same_code_and_model(
                    run.tags, identity_tags().get(MODEL_TAG), run.tags.get(PARTITION_TAG, run_id), "every asset"
                )
            except LandCoverError as refusal:
                must_resend = _refuse(instance, run, worker, refusal)
            else:
                must_resend = False
                instance.add_run_tags(run_id, {WORKER_TAG: worker, TAKEN_TAG: taken})
                with _interruptible():
                    note = partial(note_event, instance, run_id)
                    execute_run_command_body(run_id, instance, note, set_exit_code_on_failure=True)
                if lock.interrupted and _has_failed(instance, run_id):
                    mark_for_retry(instance, run_id)  # the database was unavailable
        if must_resend:
            _stop_and_resend(app, run_id, worker)


def _is_run_id(text: str) -> bool:
    """Return True for a UUID in the form that Dagster writes."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _refuse(instance: DagsterInstance, run: DagsterRun, worker: str, refusal: LandCoverError) -> bool:
    """Refuse a run that needs other code or another model than the worker has.

    Returns:
        True if the worker differs from the cluster, so another worker can execute the run. Otherwise no worker can
        execute it, so the run is marked as failed, and the result is False.
    """
    _log.error("worker %s: %s", worker, refusal)
    if published(instance) not in ({}, identity_tags()):
        instance.report_engine_event(f"Refused by worker {worker}, which stops now: {refusal}", run)
        return True
    instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0", WORKER_TAG: worker})
    instance.report_run_failed(run, f"Refused by worker {worker}: {refusal}")
    return False


def _stop_and_resend(app: Celery, run_id: str, worker: str) -> None:
    """Stop this worker, then resend the run. When systemd restarts the worker, it checks its code and model first."""
    app.control.shutdown(destination=[worker])
    time.sleep(1)  # so that this worker does not receive the run again
    app.send_task(TASK, args=[run_id], task_id=run_id)


def _has_failed(instance: DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status == DagsterRunStatus.FAILURE


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT interrupt the run, as Dagster does, and restore the signal handlers of Celery afterwards.

    Dagster leaves SIGTERM with the handler of SIGINT (dagster/_utils/interrupts.py: _replace_interrupt_signal). A child
    process of Celery ignores SIGINT, so without this it would ignore SIGTERM too.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with capture_interrupts():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
