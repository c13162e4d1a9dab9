"""How far a long step is: log lines with rate and time left for Dagster, and a call for whoever draws a bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

Listener = Callable[[float, str], None]
"""Called with the share that is done, 0..1, and words on rate and time left."""

LOG_SECONDS = 5.0
"""A log line no more often than this: a laptop's tile gets two or three, a slow model's one gets hundreds."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_log: ContextVar[Callable[[str], None] | None] = ContextVar("log", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener` on every progress made inside, on this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def logging_to(log: Callable[[str], None]) -> Iterator[None]:
    """Send log lines made inside, on this thread, to `log`."""
    token = _log.set(log)
    try:
        yield
    finally:
        _log.reset(token)


@dataclass
class RowProgress:
    """Turns rows done into words; pass its `update` as `lc_assets.inference.classmap.Progress`.

    Attributes:
        width: pixels per row.
    """

    width: int

    def __post_init__(self) -> None:
        self._started = self._logged = time.perf_counter()

    def update(self, done: int, rows: int) -> None:
        """`done` of `rows` rows are finished."""
        now = time.perf_counter()
        spent = max(now - self._started, 1e-6)
        rate = done * self.width / spent / 1e6
        words = f"{100 * done // rows} %, {rate:.1f} million pixels a second, {spent * (rows - done) / done:.0f} s left"
        log, listener = _log.get(), _listener.get()
        if log and now - self._logged >= LOG_SECONDS:
            self._logged = now
            log(f"{done} of {rows} rows: {words}")
        if listener:
            listener(done / rows, words)
