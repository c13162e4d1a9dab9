"""Turn blocks of features into windows, windows into cells, and cells into pixels, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
from rasterio.windows import Window

from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.inference.dense.evaluators import MIN_VALID_SHARE, Evaluator
from lc_assets.inference.dense.form import window_means
from lc_assets.inference.windows.grid import WindowGrid
from lc_assets.inference.windows.statistics import MapBlock, MapStatistics
from lc_assets.inference.windows.strips import StripPlan, feature_columns
from lc_assets.inference.windows.voting import VoteAccumulator, count_per_cell, window_sums
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.sentinel2.bands.strip_reader import Strip
from lc_assets.sentinel2.bands.validity import USABLE

CheckProbabilities = Callable[[np.ndarray], np.ndarray]
"""A function that checks probabilities and returns them, see `Engine.check_probabilities`."""


class WindowAssembly:
    """Combines blocks of features into windows, windows into cells, and cells into pixels; in order, on one thread."""

    def __init__(
        self, grid: WindowGrid, evaluator: Evaluator, check_probabilities: CheckProbabilities, statistics: MapStatistics
    ) -> None:
        self._grid, self._evaluator = grid, evaluator
        self._check_probabilities, self._statistics = check_probabilities, statistics
        self._cells = VoteAccumulator(self._grid)
        shape = (0, feature_columns(self._grid, self._evaluator), self._evaluator.outputs)
        self._features = np.zeros(shape, np.float32)  # rows of features that later windows need
        self._first = 0  # number of the first of these rows

    def finished(self, plan: StripPlan, strip: Strip, blocks: list[Future[np.ndarray]]) -> Iterator[MapBlock]:
        """Yield the pixels that a strip completes. Waits for its blocks."""
        features = plan.joined(blocks)
        with self._statistics.stages.timed("average"):
            self._features = np.concatenate([self._features, features])
            first, last = plan.windows
            if last > first:
                self._cells.add(*self._windows(strip, first, last))
                yield from self._pixels(strip, *self._cells.finished(last, final=last == self._grid.rows))

    def _windows(self, strip: Strip, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities (rows, columns, classes) and votes (rows, columns) of window rows first .. last - 1."""
        evaluator = self._evaluator
        skip = first * evaluator.window_hop - self._first
        means = window_means(self._features[skip:], evaluator.window_features, evaluator.window_hop)
        # If windows do not overlap, the next one may start below the rows computed so far.
        passed = min(last * evaluator.window_hop - self._first, len(self._features))
        self._features = self._features[passed:]
        self._first += passed
        votes = self._votes(strip, first, last)
        self._statistics.windows += votes.size
        self._statistics.voting += int(votes.sum())
        found = np.zeros((*votes.shape, len(CLASSES)), np.float32)
        if votes.any():
            found[votes] = self._check_probabilities(evaluator.probabilities(means[votes]))
        return found, votes

    def _votes(self, strip: Strip, first: int, last: int) -> np.ndarray:
        grid = self._grid
        rows = (last - first - 1) * grid.stride + grid.chip
        usable = strip.usable(first * grid.stride, 0, rows, grid.cell_columns * grid.stride)
        counts = count_per_cell(usable, grid.stride)
        windows = window_sums(counts, grid.windows_per_side)
        votes: np.ndarray = windows >= MIN_VALID_SHARE * grid.chip**2
        return votes

    def _pixels(self, strip: Strip, row: int, sums: np.ndarray, votes: np.ndarray) -> Iterator[MapBlock]:
        """Yield the pixels of finished cell rows; nothing if all of them are in the reflected part of the scene."""
        grid = self._grid
        top = row * grid.stride
        height = min(sums.shape[0] * grid.stride, grid.height - top)
        if height <= 0:
            return
        window = Window(0, top, grid.width, height)
        best = sums.argmax(axis=2)
        with np.errstate(invalid="ignore"):
            probability = np.take_along_axis(sums, best[..., None], axis=2)[..., 0] / votes
        without_vote = votes == 0
        percent = np.rint(np.where(without_vote, 0, probability) * 100).astype(np.uint8)
        codes = np.where(without_vote, NO_DATA.code, best).astype(np.uint8)
        classes = _spread(codes, grid.stride, window)
        confidence = _spread(np.where(without_vote, CONFIDENCE_NODATA, percent).astype(np.uint8), grid.stride, window)
        state = strip.state[top - strip.first : top - strip.first + height]
        self._count(state, codes, percent, without_vote)
        unusable = state != USABLE
        if unusable.any():
            classes[unusable] = NO_DATA.code
            confidence[unusable] = CONFIDENCE_NODATA
        yield MapBlock(window, classes, confidence)

    def _count(self, state: np.ndarray, codes: np.ndarray, percent: np.ndarray, without_vote: np.ndarray) -> None:
        """Add a strip to the statistics, cell by cell: all usable pixels of a cell have the same class."""
        stats, stride = self._statistics, self._grid.stride
        height, width = state.shape
        padded = np.zeros((codes.shape[0] * stride, codes.shape[1] * stride), bool)
        padded[:height, :width] = state == USABLE
        usable = count_per_cell(padded, stride)
        stats.count_unusable(state)
        stats.no_vote += int(usable[without_vote].sum())
        known = np.where(without_vote, 0, usable)
        stats.pixels += np.bincount(codes.ravel(), known.ravel(), len(ALL_CLASSES)).astype(np.int64)
        stats.pixels[NO_DATA.code] += height * width - int(known.sum())
        stats.confidence += np.bincount(percent.ravel(), known.ravel(), 101).astype(np.int64)


def _spread(cells: np.ndarray, stride: int, window: Window) -> np.ndarray:
    """Repeat each cell to `stride` x `stride` pixels and cut the result to the window's size."""
    across = cells.repeat(stride, axis=1)[:, : int(window.width)]
    return across.repeat(stride, axis=0)[: int(window.height)]
