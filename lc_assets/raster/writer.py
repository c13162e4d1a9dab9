"""Write rasters on threads of their own, while what comes next is computed; and see that they read back the same."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from queue import Full, Queue

import numpy as np
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from lc_assets.raster.cog import read_blocks

_WAITING = 2
"""Blocks that may wait for a writer before the one who computes them has to wait too."""


class RasterWriter:
    """Writes full-width strips, from top to bottom, into a dataset that it opens and closes on its own thread.

    Attributes:
        path: the finished raster.
        seconds, final: spent writing strips, and bringing the file into its final form.
        is_verified: whether the finished file reads back as it was given, bit by bit.
    """

    def __init__(
        self, path: Path, opened: AbstractContextManager[DatasetWriter], tags: Callable[[], dict[str, str]]
    ) -> None:
        self.path = path
        self.seconds = self.final = 0.0
        self.is_verified = False
        self._opened, self._tags = opened, tags
        self._queue: Queue[tuple[Window, np.ndarray] | BaseException | None] = Queue(_WAITING)
        self._done: Future[None] = Future()

    def put(self, window: Window, values: np.ndarray) -> None:
        """Hand over a strip.

        Raises:
            RasterioError: an earlier one could not be written.
        """
        self._hand((window, values))

    def run(self) -> None:
        """Write what is handed over until the end; for the writer's thread."""
        try:
            self._write()
            self._done.set_result(None)
        except BaseException as error:
            self._done.set_exception(error)

    def end(self, error: BaseException | None = None) -> None:
        """No more strips come; with an error, the file is given up."""
        self._hand(error)

    def result(self) -> None:
        """Wait for the finished file; raise what went wrong."""
        self._done.result()

    def _hand(self, message: tuple[Window, np.ndarray] | BaseException | None) -> None:
        while not self._done.done():
            try:
                return self._queue.put(message, timeout=0.2)
            except Full:
                continue
        return self._done.result()

    def _write(self) -> None:
        written = 0
        with self._opened as dataset:
            while (message := self._queue.get()) is not None:
                if isinstance(message, BaseException):
                    raise _GivenUp
                started = time.perf_counter()
                window, values = message
                dataset.write(values, 1, window=window)
                written = zlib.crc32(np.ascontiguousarray(values).data, written)
                self.seconds += time.perf_counter() - started
            dataset.update_tags(**self._tags())
            started = time.perf_counter()
        found = 0
        for _, block in read_blocks(self.path):
            found = zlib.crc32(np.ascontiguousarray(block).data, found)
        self.is_verified = found == written
        self.final = time.perf_counter() - started


class _GivenUp(Exception):
    """The strips that should have come will not."""


@contextmanager
def side_by_side(*writers: RasterWriter) -> Iterator[tuple[RasterWriter, ...]]:
    """Run writers on threads; on leaving, their files are finished, or after an error given up.

    Raises:
        Exception: what the first writer that failed met.
    """
    with ThreadPoolExecutor(len(writers), thread_name_prefix="write") as pool:
        for writer in writers:
            pool.submit(writer.run)
        try:
            yield writers
            for writer in writers:
                writer.end()
        except BaseException as error:
            # Each has to hear of it, or its thread would wait for strips for ever.
            for writer in writers:
                with suppress(Exception):  # its own fault: it is what is raised here, or comes second to it
                    writer.end(error)
            raise
        for writer in writers:
            writer.result()
