"""Two small tools of the pipeline: fetch the next item while this one is worked on, and add up seconds per stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class StageTimer:
    """Seconds of work per stage, added up over threads: together they can be more than the time that passed."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time inside to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds measured elsewhere."""
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> seconds, in the order in which stages first ended."""
        with self._lock:
            return dict(self._seconds)


@contextmanager
def prefetch(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Iterate over `items`, made one ahead on a thread of their own."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        end = object()

        def fetched() -> Future[object]:
            return thread.submit(next, items, end)

        def each() -> Iterator[T]:
            coming = fetched()
            while (item := coming.result()) is not end:
                coming = fetched()
                yield item  # type: ignore[misc]

        yield each()
