"""How far a long step is, and what holds it up: log lines for Dagster, and calls for whoever draws a bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from lc_assets.core.errors import printable

Listener = Callable[[float, str], None]
"""Called with the share that is done, 0..1, and words on rate and time left."""

Noter = Callable[[str], None]
"""Called with a line on something out of the ordinary: a server that did not answer, and when it is asked again."""

LOG_SECONDS = 5.0
"""A log line no more often than this: a laptop's tile gets two or three, a slow model's one gets hundreds."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_noter: ContextVar[Noter | None] = ContextVar("noter", default=None)
_log: ContextVar[Callable[[str], None] | None] = ContextVar("log", default=None)


@contextmanager
def progress_callbacks(listener: Listener | None, noter: Noter | None = None) -> Iterator[None]:
    """Call `listener` on every progress made inside, on this thread, and `noter` with every note."""
    tokens = _listener.set(listener), _noter.set(noter)
    try:
        yield
    finally:
        _listener.reset(tokens[0])
        _noter.reset(tokens[1])


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
    """Turns rows done into words; pass its `update` as `lc_assets.inference.class_map.Progress`.

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


def notify(line: str) -> None:
    """Tell the log, and whoever listens on this thread, of something out of the ordinary."""
    line = printable(line)
    for hear in (_log.get(), _noter.get()):
        if hear:
            hear(line)


@dataclass
class ByteProgress:
    """Turns bytes that have arrived into words; `update` is to be called on the thread that listens.

    Attributes:
        total: bytes to come, where it is known.
    """

    total: int | None = None

    def __post_init__(self) -> None:
        self._started = self._logged = time.perf_counter()

    def update(self, arrived: int) -> None:
        """So many bytes are here."""
        now = time.perf_counter()
        rate = arrived / max(now - self._started, 1e-6) / 1e6
        words = f"{arrived / 1e6:.0f}{f' of {self.total / 1e6:.0f}' if self.total else ''} MB, {rate:.1f} MB/s"
        log, listener = _log.get(), _listener.get()
        if log and now - self._logged >= LOG_SECONDS:
            self._logged = now
            log(words)
        if listener:
            listener(min(arrived / self.total, 1.0) if self.total else 0.0, words)
