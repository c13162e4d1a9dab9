"""A test leaves nothing behind in its process: what it opens, it closes. A test that does not is the one that fails,
and not some later one that meets what was left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import absl.logging
import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import DefsStateStorage
from dagster._utils.interrupts import setup_interrupt_handlers

_GRACE_SECONDS = 60.0
"""Threads and children may still be ending: on a busy machine, a model takes long to load after its run has failed."""
_SET_BY_LIBRARIES = {"PYTEST_CURRENT_TEST", "TF_FORCE_GPU_ALLOW_GROWTH", "TORCHINDUCTOR_CACHE_DIR"}
"""Variables that pytest, Keras and PyTorch set when they are first used."""
_OF_FIXTURES = ("asyncio_",)
"""Threads that a fixture's own program starts when it first needs them: Playwright's, of a file's browser."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ)

_open: dict[int, str] = {}
"""Instances of Dagster that have been made and not been closed -> what they are."""
_started: list[subprocess.Popen[Any]] = []
"""Processes that may still run."""


def _watch_processes() -> None:
    """Note each process that is started."""
    start = subprocess.Popen.__init__

    def init(self: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        start(self, *arguments, **options)
        _started.append(self)

    subprocess.Popen.__init__ = init  # type: ignore[method-assign]


def _running() -> set[subprocess.Popen[Any]]:
    """Processes that run, or that nobody has waited for."""
    _started[:] = [process for process in _started if process.returncode is None]
    return set(_started)


def _watch_instances() -> None:
    """Note each instance when it is made, and forget it when it is closed."""
    made, closed = dg.DagsterInstance.__init__, dg.DagsterInstance.dispose

    def init(self: dg.DagsterInstance, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        _open[id(self)] = f"{options.get('instance_type') or arguments[0]} {self!r}"

    def dispose(self: dg.DagsterInstance) -> None:
        _open.pop(id(self), None)
        closed(self)

    dg.DagsterInstance.__init__ = init  # type: ignore[method-assign]
    dg.DagsterInstance.dispose = dispose  # type: ignore[method-assign]


def pytest_configure() -> None:
    """Once in each process of the suite."""
    _watch_instances()
    _watch_processes()
    # What libraries set for good at their first use is set from the beginning.
    setup_interrupt_handlers()  # Dagster
    # Keras' logger closes its stream when Dagster configures logging; the stream that it finds is pytest's.
    absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__


def _state() -> dict[str, Any]:
    """What must be the same before and after a test."""
    return {
        "environment": {k: v for k, v in os.environ.items() if k not in _SET_BY_LIBRARIES},
        "working folder": str(Path.cwd()),
        "Dagster's current state storage": DefsStateStorage.get(),
        "signal handlers": [signal.getsignal(number) for number in _SIGNALS],
    }


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    faults = []
    for what, value in before.items():
        if after[what] != value:
            now = after[what]
            if what == "environment":
                value = {k: v for k, v in value.items() if now.get(k) != v}
                now = {k: v for k, v in now.items() if before[what].get(k) != v}
            faults.append(f"{what}: {value} before, {now} after")
    return faults


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that leaves an instance, a thread, a process, a variable, a folder or a handler behind.

    What fixtures of the session have opened is there before a test and after it: they are set up first.
    """
    before, instances, threads, processes = _state(), set(_open), set(threading.enumerate()), _running()
    yield
    if request.node.get_closest_marker("restarts_programs"):
        processes = _running()
    faults = _changed(before, _state())
    faults += [f"an open instance: {_open.pop(one)}" for one in _open.keys() - instances]
    deadline = time.monotonic() + _GRACE_SECONDS

    def left() -> list[str]:
        new = [t for t in threading.enumerate() if t not in threads and not t.name.startswith(_OF_FIXTURES)]
        return [f"a thread: {t}" for t in new] + [
            f"a process: {process.args}" for process in _running() - processes if process.poll() is None
        ]

    while left() and time.monotonic() < deadline:
        time.sleep(0.01)
    faults += left()
    if faults:
        for name in os.environ.keys() - before["environment"].keys() - _SET_BY_LIBRARIES:
            del os.environ[name]
        os.environ.update(before["environment"])
        os.chdir(before["working folder"])
        pytest.fail(f"{request.node.nodeid} leaves behind: " + "; ".join(faults), pytrace=False)
