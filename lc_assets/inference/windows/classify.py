"""Slide a window over a stack and turn the model's predictions for the windows into pixels, strip by strip.

The model gives ten probabilities for each window. A window votes when at least half of its pixels are usable. The
probabilities of a pixel are the mean over the voting windows that contain it. Its class is the most probable one, and
its confidence is that mean probability in percent. A pixel is No Data where a native band has no data, where the scene
classification hides the ground (if masking is on), and where no voting window contains it.

The stages overlap. While one strip is decoded, the blocks of the previous strip are interpolated and evaluated, the
windows of the strip before that become pixels, and the pixels above are written. Memory is bounded by a few strips. In
float32 the result is the same to the bit for every strip height, block size and number of threads.
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
from lc_assets.inference.windows.strips import Block, StripPlan, feature_columns, plan_strips
from lc_assets.inference.windows.voting import VoteAccumulator, cell_windows, pooled
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.sentinel2.bands.strip_reader import Strip, StripReader
from lc_assets.sentinel2.bands.validity import HIDDEN, IMPOSSIBLE, NO_SOURCE, USABLE
from lc_assets.sentinel2.scl import MASK_DILATION


@dataclass
class MapStatistics:
    """Counts of a classification, updated while its blocks are computed.

    Attributes:
        pixels: number of pixels per class code, No Data last.
        no_source_data, hidden, impossible, no_vote: number of No Data pixels per reason; they add up to `pixels[10]`.
        windows, voting: number of windows evaluated, and of those that vote.
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
        """Number of pixels counted so far."""
        return int(self.pixels.sum())

    @property
    def mean_confidence(self) -> float | None:
        """Mean confidence of the pixels that have a class, in percent; None where no pixel has a class."""
        known = int(self.confidence.sum())
        return float((self.confidence * np.arange(101)).sum() / known) if known else None

    def share(self, code: int) -> float:
        """Return the share of a class code among all pixels, 0..1."""
        return float(self.pixels[code] / self.total) if self.total else 0.0


@dataclass(frozen=True)
class MapBlock:
    """Finished rows of the map: their window, class codes and confidence (both (rows, columns) uint8)."""

    window: Window
    classes: np.ndarray
    confidence: np.ndarray


@dataclass
class Classification:
    """A class map that is not yet computed: a stack, an engine and the settings. Iterating over `blocks` computes it.

    Attributes:
        stack: the scene.
        engine: the model.
        stride: pixels from one window to the next, a divisor of the chip size.
        mask_hidden: whether a pixel is No Data where SCL has one of the codes `MASKED` (clouds, shadows, ...).
        strip_pixels: rows decoded at a time, 0 for a number that suits the scene's width. It changes the memory used,
            never the result.
        mask_dilation: dilation of cloud and shadow masks, in metres.
        threads: blocks evaluated at a time, 0 for a number that suits the machine's cores. It changes the speed, never
            the result.
        statistics: updated while `blocks` runs.
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
    def window_grid(self) -> WindowGrid:
        """The grid of windows over the scene."""
        grid = self.stack.grid
        return WindowGrid(grid.height, grid.width, self.engine.contract.chip_size, self.stride)

    @cached_property
    def evaluator(self) -> Evaluator:
        """The evaluator for this stride."""
        return self.engine.evaluator(self.stride)

    @property
    def tags(self) -> dict[str, str]:
        """Dataset tags that describe how the map is made."""
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
            BadModel: the stack does not fit the model's contract, or the model's output is not probabilities.
            BadBand: a native file cannot be decoded.
        """
        self.engine.check_stack(self.stack)
        self.statistics = MapStatistics()
        grid, workers = self.window_grid, self.threads or streams()
        plans = plan_strips(grid, self.evaluator, self.strip_pixels)
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
                    waiting.append((plan, strip, [pool.submit(self._features, strip, b) for b in plan.blocks]))
                    if len(waiting) > 1:
                        yield from assembly.finished(*waiting.popleft())
                while waiting:
                    yield from assembly.finished(*waiting.popleft())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _decoded(self, reader: StripReader, plan: StripPlan) -> Strip:
        with self.statistics.stages.timed("decode"):
            return reader.read(plan.top, plan.bottom)

    def _features(self, strip: Strip, block: Block) -> np.ndarray:
        """Return the features of a block: (block rows, block columns, outputs) float32."""
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
            return self.evaluator.features(dn, seen, self.stack.offset)[: block.rows, : block.columns]

    def _blank(self, block: Block) -> np.ndarray:
        """Return the features of a block without data. Windows that overlap it need them. Computed once per shape."""
        with self._blanks_lock:
            if block.shape not in self._blanks:
                nothing = np.zeros((len(self.engine.contract.bands), *block.shape), np.uint16)
                self._blanks[block.shape] = self.evaluator.features(nothing, np.zeros(block.shape, bool), 0)
            return self._blanks[block.shape][: block.rows, : block.columns]

    def _scratch(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return a uint16 array that this thread reuses: allocating new memory costs more than filling it."""
        found = getattr(self._local, "scratch", None)
        if found is None or found.shape != shape:
            found = self._local.scratch = np.empty(shape, np.uint16)
        return found


class _Assembly:
    """Combines blocks of features into windows, windows into cells, and cells into pixels; in order, on one thread."""

    def __init__(self, classification: Classification) -> None:
        self._grid, self._evaluator = classification.window_grid, classification.evaluator
        self._checked, self._statistics = classification.engine.checked, classification.statistics
        self._cells = VoteAccumulator(self._grid)
        shape = (0, feature_columns(self._grid, self._evaluator), self._evaluator.outputs)
        self._features = np.zeros(shape, np.float32)  # rows of features that later windows need
        self._first = 0  # number of the first of these rows

    def finished(self, plan: StripPlan, strip: Strip, blocks: list[Future[np.ndarray]]) -> Iterator[MapBlock]:
        """Yield the pixels that a strip completes. Waits for its blocks."""
        start, stop = plan.features
        features = np.empty((stop - start, *self._features.shape[1:]), np.float32)
        for block, future in zip(plan.blocks, blocks, strict=True):
            row, column = block.row - start, block.column
            features[row : row + block.rows, column : column + block.columns] = future.result()
        with self._statistics.stages.timed("average"):
            self._features = np.concatenate([self._features, features])
            first, last = plan.windows
            if last > first:
                self._cells.add(*self._windows(strip, first, last))
                yield from self._pixels(strip, *self._cells.finished(last, final=last == self._grid.rows))

    def _windows(self, strip: Strip, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities (rows, columns, classes) and votes (rows, columns) of window rows `first..last-1`."""
        evaluator = self._evaluator
        skip = first * evaluator.window_hop - self._first
        means = window_means(self._features[skip:], evaluator.window_features, evaluator.window_hop)
        # Where windows do not overlap, the next one may start below the rows computed so far.
        passed = min(last * evaluator.window_hop - self._first, len(self._features))
        self._features = self._features[passed:]
        self._first += passed
        votes = self._votes(strip, first, last)
        self._statistics.windows += votes.size
        self._statistics.voting += int(votes.sum())
        found = np.zeros((*votes.shape, len(CLASSES)), np.float32)
        if votes.any():
            found[votes] = self._checked(evaluator.probabilities(means[votes]))
        return found, votes

    def _votes(self, strip: Strip, first: int, last: int) -> np.ndarray:
        grid = self._grid
        rows = (last - first - 1) * grid.stride + grid.chip
        usable = strip.usable(first * grid.stride, 0, rows, grid.cell_columns * grid.stride)
        counts = pooled(usable, grid.stride)
        windows = cell_windows(counts, grid.windows_per_side)
        votes: np.ndarray = windows >= MIN_VALID_SHARE * grid.chip**2
        return votes

    def _pixels(self, strip: Strip, row: int, sums: np.ndarray, votes: np.ndarray) -> Iterator[MapBlock]:
        """Yield the pixels of finished cell rows; nothing where all of them are in the reflected part of the scene."""
        grid = self._grid
        top = row * grid.stride
        height = min(sums.shape[0] * grid.stride, grid.height - top)
        if height <= 0:
            return
        window = Window(0, top, grid.width, height)
        best = sums.argmax(axis=2)
        with np.errstate(invalid="ignore"):
            probability = np.take_along_axis(sums, best[..., None], axis=2)[..., 0] / votes
        silent = votes == 0
        percent = np.rint(np.where(silent, 0, probability) * 100).astype(np.uint8)
        codes = np.where(silent, NO_DATA.code, best).astype(np.uint8)
        classes = _spread(codes, grid.stride, window)
        confidence = _spread(np.where(silent, CONFIDENCE_NODATA, percent).astype(np.uint8), grid.stride, window)
        state = strip.state[top - strip.first : top - strip.first + height]
        self._count(state, codes, percent, silent)
        unusable = state != USABLE
        if unusable.any():
            classes[unusable] = NO_DATA.code
            confidence[unusable] = CONFIDENCE_NODATA
        yield MapBlock(window, classes, confidence)

    def _count(self, state: np.ndarray, codes: np.ndarray, percent: np.ndarray, silent: np.ndarray) -> None:
        """Add a strip to the statistics, cell by cell: all usable pixels of a cell have the same class."""
        stats, stride = self._statistics, self._grid.stride
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
    """Repeat each cell to `stride` x `stride` pixels and cut the result to the window's size."""
    across = cells.repeat(stride, axis=1)[:, : int(window.width)]
    return across.repeat(stride, axis=0)[: int(window.height)]
