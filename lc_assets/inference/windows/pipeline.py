"""Compute the next item while the current one is used, and add up the seconds per stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class StageTimer:
    """Seconds of work per stage, added up over all threads. Their sum can be larger than the elapsed time."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside the context to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere to a stage."""
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> seconds, in the order in which the stages first ended."""
        with self._lock:
            return dict(self._seconds)


@contextmanager
def prefetch(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Yield an iterator over `items` that computes one item ahead, on its own thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        end = object()

        def start_next() -> Future[object]:
            return thread.submit(next, items, end)

        def each() -> Iterator[T]:
            future = start_next()
            while (item := future.result()) is not end:
                future = start_next()
                yield item  # type: ignore[misc]

        yield each()
