"""Slide a window over a stack and turn what the model says of the windows into pixels, strip by strip.

For each window the model gives ten probabilities. A window votes when at least half of its pixels are usable. A pixel's
probabilities are the mean over the voting windows that contain it; its class is the most probable one, its confidence
that mean probability in percent. A pixel is No Data where a native band has no data, where the scene classification
hides the ground (if asked for), and where no window that contains it has a vote.

The stages overlap: while one strip is decoded, the blocks of the one before are interpolated and evaluated, the windows
of the one before that become pixels, and those above are written. Memory is bounded by a few strips; in float32 the
result does not depend on their height, on the blocks' size or on the number of threads, to the bit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from rasterio.windows import Window

from lc_assets.core.cpu import cpu_count
from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.inference.dense.evaluators import MIN_VALID_SHARE, Evaluator
from lc_assets.inference.dense.form import window_means
from lc_assets.inference.engine import Engine
from lc_assets.inference.openvino_runtime import streams
from lc_assets.inference.windows.grid import WindowGrid
from lc_assets.inference.windows.pipeline import StageTimer, prefetch
from lc_assets.inference.windows.strips import Block, StripPlan, plan_strips, position_columns
from lc_assets.inference.windows.voting import VoteAccumulator, cell_windows, pooled
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.sentinel2.bands.strip_reader import Strip, StripReader
from lc_assets.sentinel2.bands.validity import HIDDEN, IMPOSSIBLE, NO_SOURCE, USABLE
from lc_assets.sentinel2.scl import MASK_DILATION


@dataclass
class MapStatistics:
    """What a classification adds up to, filled while its blocks stream by.

    Attributes:
        pixels: count per class code, No Data last.
        no_source_data, hidden, impossible, no_vote: why pixels are No Data; they add up to `pixels[10]`.
        windows, voting: windows evaluated, and those with a vote.
        confidence: histogram of the confidence in percent (101 bins).
        stages: seconds of work per stage.
    """

    pixels: np.ndarray = field(default_factory=lambda: np.zeros(len(ALL_CLASSES), np.int64))
    no_source_data: int = 0
    hidden: int = 0
    impossible: int = 0
    no_vote: int = 0
    windows: int = 0
    voting: int = 0
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(101, np.int64))
    stages: StageTimer = field(default_factory=StageTimer)

    @property
    def total(self) -> int:
        """All pixels seen."""
        return int(self.pixels.sum())

    @property
    def mean_confidence(self) -> float | None:
        """Of the pixels that have a class, in percent; None where none has."""
        known = int(self.confidence.sum())
        return float((self.confidence * np.arange(101)).sum() / known) if known else None

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
        stack: the scene.
        engine: the model.
        stride: step between windows in pixels, a divisor of the chip size.
        mask_hidden: call a pixel No Data where SCL says that clouds and the like hide it.
        strip_pixels: rows decoded at a time, 0: as suits the scene's width; changes memory, never the result.
        mask_dilation: metres by which cloud and shadow are grown before they hide pixels.
        threads: blocks evaluated at a time, 0: as the machine has cores; changes speed, never the result.
        statistics: filled while `blocks` runs.
    """

    stack: Stack
    engine: Engine
    stride: int
    mask_hidden: bool = True
    strip_pixels: int = 0
    mask_dilation: int = MASK_DILATION
    threads: int = 0
    statistics: MapStatistics = field(default_factory=MapStatistics)
    _blanks: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    _blanks_lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _local: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @property
    def layout(self) -> WindowGrid:
        """Where the windows lie."""
        grid = self.stack.grid
        return WindowGrid(grid.height, grid.width, self.engine.contract.chip_size, self.stride)

    @cached_property
    def evaluator(self) -> Evaluator:
        """How windows are evaluated."""
        return self.engine.evaluator(self.stride)

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
            "SCL_DILATION": str(self.mask_dilation) if self.mask_hidden and self.stack.scl_path else "0",
            "PRECISION": self.engine.precision,
            "EVALUATION": self.evaluator.name,
        }

    def blocks(self) -> Iterator[MapBlock]:
        """Compute the map from top to bottom.

        Raises:
            BadModel: the stack does not fit the model's contract, or the model gives no probabilities.
            BadBand: a native file cannot be decoded.
        """
        self.engine.check_stack(self.stack)
        self.statistics = MapStatistics()
        layout, workers = self.layout, self.threads or streams()
        plans = plan_strips(layout, self.evaluator, self.strip_pixels)
        assembly = _Assembly(self)
        with (
            StripReader(
                self.stack,
                mask_hidden=self.mask_hidden,
                threads=self.threads or cpu_count(),
                dilation=self.mask_dilation,
                reach=self.engine.contract.chip_size,
            ) as reader,
            ThreadPoolExecutor(workers, thread_name_prefix="evaluate") as pool,
            prefetch((plan, self._decoded(reader, plan)) for plan in plans) as strips,
        ):
            waiting: deque[tuple[StripPlan, Strip, list[Future[np.ndarray]]]] = deque()
            try:
                for plan, strip in strips:
                    waiting.append((plan, strip, [pool.submit(self._positions, strip, b) for b in plan.blocks]))
                    if len(waiting) > 1:
                        yield from assembly.finished(*waiting.popleft())
                while waiting:
                    yield from assembly.finished(*waiting.popleft())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _decoded(self, reader: StripReader, plan: StripPlan) -> Strip:
        with self.statistics.stages.timed("decode"):
            return reader.read(plan.top, plan.bottom)

    def _positions(self, strip: Strip, block: Block) -> np.ndarray:
        """(block rows, block columns, outputs) float32."""
        stages, contract = self.statistics.stages, self.engine.contract
        with stages.timed("interpolate"):
            seen = np.zeros(block.shape, bool)
            dn = self._scratch((len(contract.bands), *block.shape))
            inside = dn[:, : block.height, : block.width]
            if inside.shape != dn.shape:
                dn[...] = 0
            seen[: block.height, : block.width] = strip.read_filled(
                inside, block.top, block.left, contract.band_indices
            )
            if not seen.any():
                return self._blank(block)
        with stages.timed("evaluate"):
            return self.evaluator.positions(dn, seen, self.stack.offset)[: block.rows, : block.columns]

    def _blank(self, block: Block) -> np.ndarray:
        """What the model makes of nothing: windows that reach into a block without data need it. Computed once."""
        with self._blanks_lock:
            if block.shape not in self._blanks:
                nothing = np.zeros((len(self.engine.contract.bands), *block.shape), np.uint16)
                self._blanks[block.shape] = self.evaluator.positions(nothing, np.zeros(block.shape, bool), 0)
            return self._blanks[block.shape][: block.rows, : block.columns]

    def _scratch(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array of uint16 for this thread to work in, again and again: fresh memory costs more than filling it."""
        found = getattr(self._local, "scratch", None)
        if found is None or found.shape != shape:
            found = self._local.scratch = np.empty(shape, np.uint16)
        return found


class _Assembly:
    """Puts blocks of positions together to windows, windows to cells, cells to pixels; in order, on one thread."""

    def __init__(self, classification: Classification) -> None:
        self._layout, self._evaluator = classification.layout, classification.evaluator
        self._checked, self._statistics = classification.engine.checked, classification.statistics
        self._cells = VoteAccumulator(self._layout)
        shape = (0, position_columns(self._layout, self._evaluator), self._evaluator.outputs)
        self._places = np.zeros(shape, np.float32)  # rows of positions that coming windows need
        self._first = 0  # the first of them

    def finished(self, plan: StripPlan, strip: Strip, blocks: list[Future[np.ndarray]]) -> Iterator[MapBlock]:
        """The pixels that a strip completes, once its blocks are there."""
        start, stop = plan.positions
        places = np.empty((stop - start, *self._places.shape[1:]), np.float32)
        for block, future in zip(plan.blocks, blocks, strict=True):
            row, column = block.row - start, block.column
            places[row : row + block.rows, column : column + block.columns] = future.result()
        with self._statistics.stages.timed("average"):
            self._places = np.concatenate([self._places, places])
            first, last = plan.windows
            if last > first:
                self._cells.add(*self._windows(strip, first, last))
                yield from self._pixels(strip, *self._cells.finished(last, final=last == self._layout.rows))

    def _windows(self, strip: Strip, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (rows, columns, classes) and votes (rows, columns) of window rows `first..last-1`."""
        evaluator = self._evaluator
        skip = first * evaluator.hop - self._first
        means = window_means(self._places[skip:], evaluator.side, evaluator.hop)
        # Where windows stand apart, the next one may begin below the rows that are here yet.
        gone = min(last * evaluator.hop - self._first, len(self._places))
        self._places = self._places[gone:]
        self._first += gone
        votes = self._votes(strip, first, last)
        self._statistics.windows += votes.size
        self._statistics.voting += int(votes.sum())
        found = np.zeros((*votes.shape, len(CLASSES)), np.float32)
        if votes.any():
            found[votes] = self._checked(evaluator.probabilities(means[votes]))
        return found, votes

    def _votes(self, strip: Strip, first: int, last: int) -> np.ndarray:
        layout = self._layout
        rows = (last - first - 1) * layout.stride + layout.chip
        usable = strip.usable(first * layout.stride, 0, rows, layout.cell_columns * layout.stride)
        counts = pooled(usable, layout.stride)
        windows = cell_windows(counts, layout.reach)
        votes: np.ndarray = windows >= MIN_VALID_SHARE * layout.chip**2
        return votes

    def _pixels(self, strip: Strip, row: int, sums: np.ndarray, votes: np.ndarray) -> Iterator[MapBlock]:
        """The strip of pixels of finished cell rows; none when all of them lie in the reflection."""
        layout = self._layout
        top = row * layout.stride
        height = min(sums.shape[0] * layout.stride, layout.height - top)
        if height <= 0:
            return
        window = Window(0, top, layout.width, height)
        best = sums.argmax(axis=2)
        with np.errstate(invalid="ignore"):
            probability = np.take_along_axis(sums, best[..., None], axis=2)[..., 0] / votes
        silent = votes == 0
        percent = np.rint(np.where(silent, 0, probability) * 100).astype(np.uint8)
        codes = np.where(silent, NO_DATA.code, best).astype(np.uint8)
        classes = _spread(codes, layout.stride, window)
        confidence = _spread(np.where(silent, CONFIDENCE_NODATA, percent).astype(np.uint8), layout.stride, window)
        state = strip.state[top - strip.first : top - strip.first + height]
        self._count(state, codes, percent, silent)
        unusable = state != USABLE
        if unusable.any():
            classes[unusable] = NO_DATA.code
            confidence[unusable] = CONFIDENCE_NODATA
        yield MapBlock(window, classes, confidence)

    def _count(self, state: np.ndarray, codes: np.ndarray, percent: np.ndarray, silent: np.ndarray) -> None:
        """Add a strip to the statistics, cell by cell: all usable pixels of a cell are alike."""
        stats, stride = self._statistics, self._layout.stride
        height, width = state.shape
        padded = np.zeros((codes.shape[0] * stride, codes.shape[1] * stride), bool)
        padded[:height, :width] = state == USABLE
        usable = pooled(padded, stride)
        stats.no_source_data += int(np.count_nonzero(state == NO_SOURCE))
        stats.hidden += int(np.count_nonzero(state == HIDDEN))
        stats.impossible += int(np.count_nonzero(state == IMPOSSIBLE))
        stats.no_vote += int(usable[silent].sum())
        known = np.where(silent, 0, usable)
        stats.pixels += np.bincount(codes.ravel(), known.ravel(), len(ALL_CLASSES)).astype(np.int64)
        stats.pixels[NO_DATA.code] += height * width - int(known.sum())
        stats.confidence += np.bincount(percent.ravel(), known.ravel(), 101).astype(np.int64)


def _spread(cells: np.ndarray, stride: int, window: Window) -> np.ndarray:
    """Cells -> pixels, cut to the window."""
    across = cells.repeat(stride, axis=1)[:, : int(window.width)]
    return across.repeat(stride, axis=0)[: int(window.height)]
