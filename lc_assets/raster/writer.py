"""Write rasters on separate threads while the next strips are computed, and verify the finished files."""

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

_QUEUE_SIZE = 2
"""Strips that may wait for a writer before `RasterWriter.put` blocks."""


class RasterWriter:
    """Writes full-width strips, from top to bottom, to a dataset that it opens and closes on its own thread.

    Args:
        path: path of the finished raster.
        opened: context manager that opens the dataset, see `lc_assets.raster.cog`.
        tags: function that returns dataset tags; it is called after the last strip.

    Attributes:
        path: path of the finished raster.
        write_seconds: time to write the strips.
        finish_seconds: time to convert the file to its final form and to verify it.
        is_verified: True if the pixels of the finished file equal the strips, bit by bit.
    """

    def __init__(
        self, path: Path, opened: AbstractContextManager[DatasetWriter], tags: Callable[[], dict[str, str]]
    ) -> None:
        self.path = path
        self.write_seconds = self.finish_seconds = 0.0
        self.is_verified = False
        self._opened, self._tags = opened, tags
        self._queue: Queue[tuple[Window, np.ndarray] | BaseException | None] = Queue(_QUEUE_SIZE)
        self._done: Future[None] = Future()

    def put(self, window: Window, values: np.ndarray) -> None:
        """Queue a strip for writing: (rows, columns), or (bands, rows, columns).

        Raises:
            RasterioError: an earlier strip could not be written.
        """
        self._send((window, values))

    def run(self) -> None:
        """Write the queued strips until `end` is called. This is the function of the writer's thread."""
        try:
            self._write()
            self._done.set_result(None)
        except BaseException as error:
            self._done.set_exception(error)

    def end(self, error: BaseException | None = None) -> None:
        """Finish the file after the queued strips. With an error, stop without finishing the file."""
        self._send(error)

    def result(self) -> None:
        """Wait for the finished file, and raise the error of the writer's thread if there is one."""
        self._done.result()

    def _send(self, message: tuple[Window, np.ndarray] | BaseException | None) -> None:
        while not self._done.done():
            try:
                return self._queue.put(message, timeout=0.2)
            except Full:
                continue
        return self._done.result()

    def _write(self) -> None:
        written: list[int] = []  # CRC of each band
        with self._opened as dataset:
            while (message := self._queue.get()) is not None:
                if isinstance(message, BaseException):
                    raise _Aborted
                started = time.perf_counter()
                window, values = message
                bands = values.reshape(-1, *values.shape[-2:])
                dataset.write(bands, window=window)
                written = _crcs(bands, written)
                self.write_seconds += time.perf_counter() - started
            dataset.update_tags(**self._tags())
            started = time.perf_counter()
        found: list[int] = []
        for _, block in read_blocks(self.path, bands=[n + 1 for n in range(len(written))]):
            found = _crcs(block, found)
        self.is_verified = found == written
        self.finish_seconds = time.perf_counter() - started


def _crcs(bands: np.ndarray, before: list[int]) -> list[int]:
    """Return the CRC of each band, continued from the CRCs of the strips before."""
    return [
        zlib.crc32(np.ascontiguousarray(band).data, crc)
        for band, crc in zip(bands, before or [0] * len(bands), strict=True)
    ]


class _Aborted(Exception):
    """The caller stopped with an error."""


@contextmanager
def run_writers(*writers: RasterWriter) -> Iterator[tuple[RasterWriter, ...]]:
    """Run each writer on its own thread. At the end of the context their files are finished.

    After an error in the context, the writers stop without finishing their files.

    Raises:
        Exception: the error of the first writer that failed.
    """
    with ThreadPoolExecutor(len(writers), thread_name_prefix="write") as pool:
        for writer in writers:
            pool.submit(writer.run)
        try:
            yield writers
            for writer in writers:
                writer.end()
        except BaseException as error:
            # Stop every writer, because its thread would wait for strips forever.
            for writer in writers:
                # A writer's own error is already being raised, or comes after the first one.
                with suppress(Exception):
                    writer.end(error)
            raise
        for writer in writers:
            writer.result()
