"""Slide a window over a stack and turn what the model says of the windows into pixels, strip by strip.

For each window the model gives ten probabilities. A window votes when at least half of its pixels are valid. A pixel's
probabilities are the mean over the voting windows that contain it; its class is the most probable one, its confidence
that mean probability in percent. A pixel is No Data where a native band has no data, where the scene classification
hides the ground (if asked for), and where no window that contains it has a vote.

Memory is bounded by a strip; the result does not depend on the strip's height, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from rasterio.windows import Window

from lc_assets.inference.engine import Engine
from lc_assets.inference.layout import WindowLayout, cell_sums, reflected
from lc_assets.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.raster.stack import Stack, StackReader
from lc_assets.sentinel2.scl import is_hidden

MIN_VALID_SHARE = 0.5
"""A window with a smaller share of valid pixels does not vote."""

STRIP_PIXELS = 320
"""Rows of pixels evaluated at a time, rounded to whole window rows: about 200 MB for a full tile's twelve bands in
float32."""


@dataclass
class MapStatistics:
    """What a classification adds up to, filled while its blocks stream by.

    Attributes:
        pixels: count per class code, No Data last.
        no_source_data, hidden, no_vote: why pixels are No Data; they add up to `pixels[10]`.
        windows, voting: windows evaluated, and those with a vote.
        confidence: histogram of the confidence in percent (101 bins).
    """

    pixels: np.ndarray = field(default_factory=lambda: np.zeros(len(ALL_CLASSES), np.int64))
    no_source_data: int = 0
    hidden: int = 0
    no_vote: int = 0
    windows: int = 0
    voting: int = 0
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(101, np.int64))

    @property
    def total(self) -> int:
        """All pixels seen."""
        return int(self.pixels.sum())

    def share(self, code: int) -> float:
        """Share of a code among all pixels, 0..1."""
        return float(self.pixels[code] / self.total) if self.total else 0.0


@dataclass(frozen=True)
class MapBlock:
    """A finished strip: its window, class codes and confidence (both (rows, columns) uint8)."""

    window: Window
    classes: np.ndarray
    confidence: np.ndarray


@dataclass
class Classification:
    """A stack, an engine and how to slide: the class map, not yet computed. Iterating `blocks` computes it.

    Attributes:
        stack: what to classify.
        engine: the model, ready to run.
        stride: step between windows in pixels; divides the model's chip size.
        mask_hidden: call a pixel No Data where the scene classification says cloud, shadow, cirrus or saturated.
        strip_pixels: rows evaluated at a time; changes memory, never the result.
        statistics: filled by `blocks`.
    """

    stack: Stack
    engine: Engine
    stride: int
    mask_hidden: bool = True
    strip_pixels: int = STRIP_PIXELS
    statistics: MapStatistics = field(default_factory=MapStatistics)

    @property
    def layout(self) -> WindowLayout:
        """The lattice of windows."""
        grid = self.stack.grid
        return WindowLayout(grid.height, grid.width, self.engine.contract.chip_size, self.stride)

    @property
    def tags(self) -> dict[str, str]:
        """How the map was made, as dataset tags."""
        contract = self.engine.contract
        return {
            "ITEM_ID": self.stack.item,
            "PRODUCT_LEVEL": self.stack.product_level,
            "PROCESSING_BASELINE": self.stack.baseline,
            "RESAMPLING": self.stack.kernel,
            "MODEL": f"{contract.name} {contract.version}",
            "MODEL_SHA256": contract.sha256,
            "MODEL_FINGERPRINT": contract.fingerprint,
            "STRIDE": str(self.stride),
            "SCL_MASK": "yes" if self.mask_hidden and self.stack.scl_path else "no",
            "PRECISION": self.engine.precision,
        }

    def blocks(self) -> Iterator[MapBlock]:
        """Compute the map from top to bottom.

        Raises:
            BadModel: the stack does not fit the model's contract.
            BadBand: a native file cannot be decoded.
        """
        self.engine.check_stack(self.stack)
        layout = self.layout
        self.statistics = MapStatistics()
        step = max(1, (self.strip_pixels - layout.chip) // layout.stride + 1)
        with self.stack.reader() as reader:
            # Sums along the row of the window rows that still reach into coming cells, oldest first.
            pending = _Pending(layout)
            for first in range(0, layout.rows, step):
                last = min(first + step, layout.rows)
                pending.add(*self._window_rows(reader, layout, first, last))
                row, sums, votes = pending.finished(last, final=last == layout.rows)
                block = self._pixels(reader, layout, row, sums, votes)
                if block:
                    yield block

    def _window_rows(
        self, reader: StackReader, layout: WindowLayout, first: int, last: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (rows, columns, classes) and votes (rows, columns) of window rows `first..last-1`."""
        top, bottom = first * layout.stride, (last - 1) * layout.stride + layout.chip
        width = (layout.columns - 1) * layout.stride + layout.chip
        pixels, valid = self._read(reader, layout, top, bottom, width)
        cells = valid.reshape(bottom // layout.stride - first, layout.stride, layout.cell_columns, layout.stride)
        counts = cells.sum(axis=(1, 3), dtype=np.int32)
        reach = layout.reach
        windows = np.lib.stride_tricks.sliding_window_view(counts, (reach, reach)).sum(axis=(2, 3))
        votes = windows >= MIN_VALID_SHARE * layout.chip**2
        self.statistics.windows += votes.size
        self.statistics.voting += int(votes.sum())
        return self.engine.windows(pixels, layout.stride, votes), votes

    def _read(
        self, reader: StackReader, layout: WindowLayout, top: int, bottom: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Network input (rows, columns, bands) and validity (rows, columns) of rows `top..bottom-1`, reflected at the
        edges."""
        rows = reflected(top, bottom, layout.height)
        columns = reflected(0, width, layout.width)
        low, high = int(rows.min()), int(rows.max()) + 1
        window = Window(0, low, layout.width, high - low)
        valid = self._valid(reader, window)
        pixels = self.engine.normalised(
            reader.offset_free(window, self.engine.contract.band_indices).transpose(1, 2, 0), valid
        )
        if (len(rows), width) == valid.shape:
            return pixels, valid
        inside = np.ix_(rows - low, columns)
        return np.ascontiguousarray(pixels[inside]), valid[inside]

    def _valid(self, reader: StackReader, window: Window) -> np.ndarray:
        valid = reader.valid(window)
        scl = reader.scl(window) if self.mask_hidden else None
        return valid if scl is None else valid & ~is_hidden(scl)

    def _pixels(
        self, reader: StackReader, layout: WindowLayout, row: int, sums: np.ndarray, votes: np.ndarray
    ) -> MapBlock | None:
        """The strip of pixels of finished cell rows; None when there are none, or all lie in the reflection."""
        top = row * layout.stride
        height = min(sums.shape[0] * layout.stride, layout.height - top)
        if height <= 0:
            return None
        window = Window(0, top, layout.width, height)
        best = sums.argmax(axis=2)
        with np.errstate(invalid="ignore"):
            probability = np.take_along_axis(sums, best[..., None], axis=2)[..., 0] / votes
        silent = votes == 0
        percent = np.rint(np.where(silent, 0, probability) * 100).astype(np.uint8)
        classes = _spread(np.where(silent, NO_DATA.code, best).astype(np.uint8), layout.stride, window)
        confidence = _spread(np.where(silent, CONFIDENCE_NODATA, percent).astype(np.uint8), layout.stride, window)
        native = reader.valid(window)
        usable = self._valid(reader, window)
        stats = self.statistics
        stats.no_source_data += int((~native).sum())
        stats.hidden += int((native & ~usable).sum())
        stats.no_vote += int((usable & (classes == NO_DATA.code)).sum())
        classes[~usable] = NO_DATA.code
        confidence[~usable] = CONFIDENCE_NODATA
        stats.pixels += np.bincount(classes.ravel(), minlength=len(ALL_CLASSES))
        stats.confidence += np.bincount(confidence.ravel(), minlength=256)[:101]
        return MapBlock(window, classes, confidence)


class _Pending:
    """Window rows on their way to becoming cell rows: cell row c is the sum of window rows c - reach + 1 .. c."""

    def __init__(self, layout: WindowLayout) -> None:
        self._layout = layout
        self._sums = np.zeros((0, layout.cell_columns, len(CLASSES)), np.float64)
        self._votes = np.zeros((0, layout.cell_columns), np.int64)
        self._first = 0  # window row that the arrays begin with
        self._next = 0  # cell row to be given out next

    def add(self, probabilities: np.ndarray, votes: np.ndarray) -> None:
        """Append window rows: probabilities (rows, columns, classes), votes (rows, columns)."""
        weighted = np.where(votes[..., None], probabilities.astype(np.float64), 0.0)
        self._sums = np.concatenate([self._sums, cell_sums(weighted, self._layout.reach)])
        self._votes = np.concatenate([self._votes, cell_sums(votes.astype(np.int64), self._layout.reach)])

    def finished(self, known: int, *, final: bool) -> tuple[int, np.ndarray, np.ndarray]:
        """(first cell row, sums, votes) of the cell rows that no further window row can change.

        Args:
            known: window rows added so far; cell row c needs those up to c.
            final: no more will come.
        """
        start, stop = self._next, self._layout.cell_rows if final else known
        reach = self._layout.reach
        sums = np.zeros((stop - start, *self._sums.shape[1:]), self._sums.dtype)
        votes = np.zeros((stop - start, *self._votes.shape[1:]), self._votes.dtype)
        for cell in range(start, stop):
            for window in range(max(cell - reach + 1, 0), min(cell + 1, known)):  # a fixed order: see cell_sums
                sums[cell - start] += self._sums[window - self._first]
                votes[cell - start] += self._votes[window - self._first]
        self._next = stop
        keep = max(stop - reach + 1, 0)
        self._sums, self._votes = self._sums[keep - self._first :], self._votes[keep - self._first :]
        self._first = keep
        return start, sums, votes


def _spread(cells: np.ndarray, stride: int, window: Window) -> np.ndarray:
    """Cells -> pixels, cut to the window."""
    pixels = cells.repeat(stride, axis=0).repeat(stride, axis=1)
    return np.ascontiguousarray(pixels[: int(window.height), : int(window.width)])
