"""Progress and delays of a long step: log lines for Dagster, and callbacks for a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from lc_assets.core.errors import printable

ProgressCallback = Callable[[float, str], None]
"""Callback with the completed fraction, 0 to 1, and a text on the rate and, where known, the remaining time."""

NoticeCallback = Callable[[str], None]
"""Callback with a line about an unusual event, such as a server that did not answer and the time of the next try."""

LOG_SECONDS = 5.0
"""Shortest time between two log lines in seconds. A tile on a laptop logs two or three."""

_LEAST = 0.1
"""Smallest rate in millions; a smaller one is shown in thousands."""

_on_progress: ContextVar[ProgressCallback | None] = ContextVar("on_progress", default=None)
_on_notice: ContextVar[NoticeCallback | None] = ContextVar("on_notice", default=None)
_log: ContextVar[Callable[[str], None] | None] = ContextVar("log", default=None)


@contextmanager
def progress_callbacks(on_progress: ProgressCallback | None, on_notice: NoticeCallback | None = None) -> Iterator[None]:
    """Inside the context, call `on_progress` for progress updates of this thread and `on_notice` for `notify`."""
    tokens = _on_progress.set(on_progress), _on_notice.set(on_notice)
    try:
        yield
    finally:
        _on_progress.reset(tokens[0])
        _on_notice.reset(tokens[1])


@contextmanager
def logging_to(log: Callable[[str], None]) -> Iterator[None]:
    """Inside the context, send the log lines of this thread to `log`."""
    token = _log.set(log)
    try:
        yield
    finally:
        _log.reset(token)


class _Progress:
    def __post_init__(self) -> None:
        self._started = self._logged = time.perf_counter()

    def _report(self, now: float, share: float, text: str, line: str) -> None:
        """Send a text to the progress bar, and a line to the log if `LOG_SECONDS` have passed since the last one."""
        log = _log.get()
        if log and now - self._logged >= LOG_SECONDS:
            self._logged = now
            log(line)
        report_progress(share, text)


@dataclass
class RowProgress(_Progress):
    """Reports the rows done, their rate and the remaining time.

    Pass its `update` as `lc_assets.inference.class_map.Progress`.

    Attributes:
        width: pixels per row.
    """

    width: int

    def update(self, done: int, rows: int) -> None:
        """Report that `done` of `rows` rows are finished."""
        now = time.perf_counter()
        elapsed = max(now - self._started, 1e-6)
        rate = done * self.width / elapsed / 1e6
        seconds_left = elapsed * (rows - done) / done
        speed = f"{rate:.1f} million" if rate >= _LEAST else f"{1e3 * rate:.0f} thousand"
        text = f"{100 * done // rows} %, {speed} pixels a second, {seconds_left:.0f} s left"
        self._report(now, done / rows, text, f"{done} of {rows} rows: {text}")


def notify(line: str) -> None:
    """Send a line about an unusual event to this thread's log and to its `on_notice` (see `progress_callbacks`)."""
    line = printable(line)
    for receive in (_log.get(), _on_notice.get()):
        if receive:
            receive(line)


def share_progress(share: float) -> None:
    """Report which share of a step is finished, 0 to 1, to this thread's progress bar (see `progress_callbacks`)."""
    report_progress(share, f"{100 * share:.0f} %")


def report_progress(share: float, text: str) -> None:
    """Report which share of a step is finished, 0 to 1, and a text on it, to this thread's progress bar."""
    on_progress = _on_progress.get()
    if on_progress:
        on_progress(share, text)


@dataclass
class ByteProgress(_Progress):
    """Reports the bytes received and their rate.

    Call `update` on the thread that entered `progress_callbacks` or `logging_to`.

    Attributes:
        total: expected number of bytes, if known.
    """

    total: int | None = None

    def update(self, arrived: int) -> None:
        """Report that `arrived` bytes have been received so far."""
        now = time.perf_counter()
        rate = arrived / max(now - self._started, 1e-6) / 1e6
        speed = f"{rate:.1f} MB/s" if rate >= _LEAST else f"{1e3 * rate:.0f} kB/s"
        text = f"{arrived / 1e6:.0f}{f' of {self.total / 1e6:.0f}' if self.total else ''} MB, {speed}"
        self._report(now, min(arrived / self.total, 1.0) if self.total else 0.0, text, text)
