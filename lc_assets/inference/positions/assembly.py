"""Turn blocks of features into cells with probabilities, and cells into pixels, strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import numpy as np
from PIL import Image
from rasterio.windows import Window

from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.inference.positions.grid import PositionGrid
from lc_assets.inference.positions.interpolate import interpolate
from lc_assets.inference.windows.statistics import MapBlock, MapStatistics, ProbabilityBlock
from lc_assets.inference.windows.strips import StripPlan
from lc_assets.inference.windows.voting import count_per_cell
from lc_assets.raster.cog import CONFIDENCE_NODATA, PROBABILITY_NODATA, PROBABILITY_SCALE
from lc_assets.sentinel2.bands.strip_reader import Strip
from lc_assets.sentinel2.bands.validity import HIDDEN, IMPOSSIBLE, NO_SOURCE, USABLE

MIN_USABLE_SHARE = 0.25
"""A position with a smaller share of usable pixels in its view has no prediction. At a straight edge of a cloud half
of the view is usable, in a corner of visible ground a quarter."""


class PositionAssembly:
    """Combines blocks of features into cells, and cells into pixels; in order, on one thread."""

    def __init__(
        self,
        grid: PositionGrid,
        check_probabilities: Callable[[np.ndarray], np.ndarray],
        statistics: MapStatistics,
        rivers: Sequence[tuple[float, float]],
    ) -> None:
        self._grid, self._bodies = grid, None
        if rivers:
            from lc_assets.inference.positions.water import WaterBodies  # imports SciPy, which takes long

            self._bodies = WaterBodies(rivers, grid.stride, grid.columns)
        self._state = np.zeros((0, grid.width), np.uint8)  # of the rows of pixels that are not finished
        self._check_probabilities, self._statistics = check_probabilities, statistics
        # The rows of cells that the next pixels need, from the last finished row on. The cells at the left and right
        # edge are repeated, so that every pixel is between two cells.
        self._found = np.zeros((len(CLASSES), 0, grid.columns + 2), np.float32)
        self._predicted = np.zeros((0, grid.columns + 2), bool)
        self._finished = 0  # number of rows of cells that are final
        self._next = -1  # row of cells at whose centres the next pixels start; -1 is the row above the first one

    def finished(self, plan: StripPlan, strip: Strip, blocks: list[Future[np.ndarray]]) -> Iterator[MapBlock]:
        """Yield the pixels that a strip completes. Waits for its blocks."""
        start, stop = plan.features
        found = np.empty((stop - start, self._grid.columns, len(CLASSES)), np.float32)
        for block, future in zip(plan.blocks, blocks, strict=True):
            row, column = block.row - start, block.column
            found[row : row + block.rows, column : column + block.columns] = future.result()
        with self._statistics.stages.timed("average"):
            if stop > start:
                yield from self._add(strip, found, start, stop)

    def _add(self, strip: Strip, found: np.ndarray, start: int, stop: int) -> Iterator[MapBlock]:
        predicted = self._is_predicted(strip, start, stop)
        self._statistics.windows += predicted.size
        self._statistics.voting += int(predicted.sum())
        stride, last = self._grid.stride, self._grid.rows
        known = strip.state[start * stride - strip.first : stop * stride - strip.first]
        self._state = np.concatenate([self._state, known])
        rows = self._probabilities(found, predicted).transpose(2, 0, 1), predicted
        for part, known in self._bodies.add(*rows, final=stop == last) if self._bodies else (rows,):
            # The first and the last row are repeated beyond the scene, like the columns at the edges.
            before, self._finished = self._finished, self._finished + len(known)
            beyond = ((int(before == 0), int(self._finished == last)), (1, 1))
            self._found = np.concatenate([self._found, np.pad(part, ((0, 0), *beyond), "edge")], axis=1)
            self._predicted = np.concatenate([self._predicted, np.pad(known, beyond, "edge")])
            yield from self._pixels()

    def _probabilities(self, found: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return (rows, columns, classes) float32, checked, and 0 where a position has no prediction."""
        if predicted.all():  # the usual case, without copies
            return self._check_probabilities(found)
        checked = np.zeros(found.shape, np.float32)
        checked[predicted] = self._check_probabilities(found[predicted])
        return checked

    def _is_predicted(self, strip: Strip, start: int, stop: int) -> np.ndarray:
        """Return (rows, columns) bool: True for positions with enough usable pixels in their view."""
        grid = self._grid
        rows, columns = ((n - 1) * grid.stride + grid.chip for n in (stop - start, grid.columns))
        usable = strip.usable(start * grid.stride - grid.margin, -grid.margin, rows, columns)
        if usable.all():
            return np.ones((stop - start, grid.columns), bool)
        down = _row_sums(usable.astype(np.uint8), grid.chip, grid.stride)
        counts = _row_sums(down.T, grid.chip, grid.stride).T
        enough: np.ndarray = counts >= MIN_USABLE_SHARE * grid.chip**2
        return enough

    def _pixels(self) -> Iterator[MapBlock]:
        grid, stride = self._grid, self._grid.stride
        rows = self._predicted.shape[0] - 1
        if rows < 1:
            return
        classes, confidence = interpolate(self._found, self._predicted, stride)
        probabilities = self._stored(rows)
        top, kept = self._next * stride + stride // 2, max(self._next, 0) * stride
        self._next += rows
        self._found, self._predicted = self._found[:, -1:].copy(), self._predicted[-1:].copy()
        state, self._state = self._state, self._state[max(self._next, 0) * stride - kept :]
        low, high = max(top, 0), min(top + rows * stride, grid.height)
        if high <= low:
            return
        skip = stride - stride // 2
        area = (slice(low - top, high - top), slice(skip, skip + grid.width))
        classes, confidence = np.ascontiguousarray(classes[area]), np.ascontiguousarray(confidence[area])
        state = state[low - kept : high - kept]
        self._count_unusable(state, classes)
        unusable = state != USABLE
        if unusable.any():
            classes[unusable] = NO_DATA.code
            confidence[unusable] = CONFIDENCE_NODATA
        stats = self._statistics
        stats.pixels += np.array(Image.fromarray(classes).histogram()[: len(ALL_CLASSES)], np.int64)
        stats.confidence += np.array(Image.fromarray(confidence).histogram()[:101], np.int64)
        yield MapBlock(Window(0, low, grid.width, high - low), classes, confidence, probabilities)

    def _stored(self, rows: int) -> ProbabilityBlock | None:
        """Return the first `rows` rows of cells as stored: no data in cells without a prediction or a usable pixel."""
        grid, stride = self._grid, self._grid.stride
        beyond = int(self._next < 0)  # the repeated first row is not stored
        first, last = self._next + beyond, self._next + rows
        if first == last:
            return None
        values = self._found[:, beyond:rows, 1:-1] * np.float32(1 / PROBABILITY_SCALE)
        np.rint(values, out=values)
        stored = values.astype(np.uint8)
        usable = np.zeros(((last - first) * stride, grid.columns * stride), bool)
        state = self._state[: min(last * stride, grid.height) - first * stride]
        usable[: len(state), : grid.width] = state == USABLE
        stored[:, ~(self._predicted[beyond:rows, 1:-1] & (count_per_cell(usable, stride) > 0))] = PROBABILITY_NODATA
        return ProbabilityBlock(Window(0, first, grid.columns, last - first), stored)

    def _count_unusable(self, state: np.ndarray, classes: np.ndarray) -> None:
        stats = self._statistics
        stats.no_source_data += int(np.count_nonzero(state == NO_SOURCE))
        stats.hidden += int(np.count_nonzero(state == HIDDEN))
        stats.impossible += int(np.count_nonzero(state == IMPOSSIBLE))
        stats.no_vote += int(np.count_nonzero((state == USABLE) & (classes == NO_DATA.code)))


def _row_sums(values: np.ndarray, side: int, stride: int) -> np.ndarray:
    """Return the sums over `side` rows that start every `stride` rows, int32."""
    sums = np.cumsum(values, axis=0, dtype=np.int32)
    sums = np.concatenate([np.zeros((1, sums.shape[1]), np.int32), sums])
    found: np.ndarray = sums[side::stride] - sums[:-side:stride]
    return found
