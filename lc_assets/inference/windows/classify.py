"""Evaluate a model over a stack and turn its predictions into pixels, strip by strip.

The predictions are those of positions (`lc_assets.inference.positions`) or of windows. In both cases a pixel's class is
the one with the largest probability, and its confidence is that probability in percent. A pixel is No Data if a native
band has no data, if the scene classification hides the ground (with masking on), or if no prediction covers it.

Windows: the model predicts ten probabilities per window. A window votes if at least half of its pixels are usable.
The probabilities of a pixel are the mean over the voting windows that contain it.

The stages overlap. While one strip is decoded, the blocks of the previous strip are interpolated and evaluated, the
windows of the strip before that become pixels, and the pixels above are written. Only a few strips are in memory. In
float32 the result is bit by bit the same for every strip height, block size and number of threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from lc_assets.core.cpu import cpu_count
from lc_assets.inference.dense.evaluators import Evaluator
from lc_assets.inference.engine import Engine
from lc_assets.inference.openvino_runtime import streams
from lc_assets.inference.positions.assembly import PositionAssembly
from lc_assets.inference.positions.grid import PositionGrid
from lc_assets.inference.windows.assembly import WindowAssembly
from lc_assets.inference.windows.grid import WindowGrid, check_stride
from lc_assets.inference.windows.pipeline import prefetch
from lc_assets.inference.windows.statistics import MapBlock, MapStatistics
from lc_assets.inference.windows.strips import Block, Grid, StripPlan, plan_strips
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.sentinel2.bands.strip_reader import Strip, StripReader
from lc_assets.sentinel2.scl import MASK_DILATION


class StripSource(Protocol):
    """Reads strips from top to bottom."""

    def read(self, top: int, bottom: int) -> Strip:
        """Return the next strip, see `StripReader.read`."""


@dataclass
class Classification:
    """A stack, an engine and the settings of a class map. Iterating over `blocks` computes the map.

    Attributes:
        stack: the scene.
        engine: the model.
        stride: pixels from one window to the next, a divisor of the chip size. A map of positions does not use it.
        mask_hidden: whether pixels with an SCL code in `MASKED` (clouds, shadows, ...) are No Data.
        strip_pixels: rows decoded at a time, 0 for a number that suits the scene's width. It changes the memory use,
            not the result.
        mask_dilation: dilation of cloud and shadow masks, in metres.
        threads: blocks evaluated at a time, 0 for a number that suits the machine's cores. It changes the speed,
            not the result.
        window: 0 for positions, the chip size for windows, None for the model's default
            (`ModelContract.resolve_window`).
        source: function from a reach to a source of strips; None for the stack's files.
        statistics: updated while `blocks` runs.
    """

    stack: Stack
    engine: Engine
    stride: int
    mask_hidden: bool = True
    strip_pixels: int = 0
    mask_dilation: int = MASK_DILATION
    threads: int = 0
    window: int | None = None
    source: Callable[[int], AbstractContextManager[StripSource]] | None = None
    statistics: MapStatistics = field(default_factory=MapStatistics)
    _blanks: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    _blanks_lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _local: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @property
    def positions(self) -> bool:
        """Whether this is a map of positions; false for windows.

        Raises:
            BadModel: the model has no windows of this size, or no positions.
        """
        return self.engine.contract.resolve_window(self.window) == 0

    @property
    def window_grid(self) -> Grid:
        """The grid of windows, or of positions, over the scene."""
        grid = self.stack.grid
        check_stride(self.stride, self.engine.contract.chip_size)  # also for positions, which do not use it
        if self.positions:
            return PositionGrid(grid.height, grid.width, self.evaluator.receptive_field, self.evaluator.feature_stride)
        return WindowGrid(grid.height, grid.width, self.engine.contract.chip_size, self.stride)

    @cached_property
    def evaluator(self) -> Evaluator:
        """The evaluator for this stride, or for positions."""
        return self.engine.position_evaluator() if self.positions else self.engine.evaluator(self.stride)

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
            "STRIDE": str(self.window_grid.stride),
            "RECEPTIVE_FIELD": str(self.window_grid.chip),
            **({"WINDOW": "0"} if self.positions else {}),
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
        assembly = self._assembly(grid)
        with (
            self._reader() as reader,
            ThreadPoolExecutor(workers, thread_name_prefix="evaluate") as pool,
            prefetch((plan, self._decoded(reader, plan)) for plan in plans) as strips,
        ):
            waiting: deque[tuple[StripPlan, Strip, list[Future[np.ndarray]]]] = deque()
            try:
                for plan, strip in strips:
                    blocks = [pool.submit(self._features, strip, block) for block in plan.blocks]
                    # The bands take most of the memory, and only the blocks need them.
                    waiting.append((plan, replace(strip, bands=()), blocks))
                    if len(waiting) > 1:
                        yield from assembly.finished(*waiting.popleft())
                while waiting:
                    yield from assembly.finished(*waiting.popleft())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _assembly(self, grid: Grid) -> WindowAssembly | PositionAssembly:
        check, statistics = self.engine.check_probabilities, self.statistics
        if isinstance(grid, PositionGrid):
            return PositionAssembly(grid, check, statistics, self.engine.contract.rivers)
        return WindowAssembly(grid, self.evaluator, check, statistics)

    def _reader(self) -> AbstractContextManager[StripSource]:
        reach = self.engine.contract.chip_size
        if self.source:
            return self.source(reach)
        return StripReader(
            self.stack,
            mask_hidden=self.mask_hidden,
            threads=self.threads or cpu_count(),
            dilation=self.mask_dilation,
            reach=reach,
        )

    def _decoded(self, reader: StripSource, plan: StripPlan) -> Strip:
        with self.statistics.stages.timed("decode"):
            return reader.read(plan.top, plan.bottom)

    def _features(self, strip: Strip, block: Block) -> np.ndarray:
        """Return the features of a block: (block rows, block columns, outputs) float32."""
        stages, contract = self.statistics.stages, self.engine.contract
        with stages.timed("interpolate"):
            usable = np.zeros(block.shape, bool)
            dn = self._scratch((len(contract.bands), *block.shape))
            inside = dn[:, : block.height, : block.width]
            if inside.shape != dn.shape:
                dn[...] = 0
            usable[: block.height, : block.width] = strip.read_filled(
                inside, block.top, block.left, contract.band_indices
            )
            if not usable.any():
                return self._blank(block)
        with stages.timed("evaluate"):
            return self.evaluator.features(dn, usable, self.stack.offset)[: block.rows, : block.columns]

    def _blank(self, block: Block) -> np.ndarray:
        """Return the features of a block without data, for windows that overlap it; computed once per shape."""
        with self._blanks_lock:
            if block.shape not in self._blanks:
                empty = np.zeros((len(self.engine.contract.bands), *block.shape), np.uint16)
                self._blanks[block.shape] = self.evaluator.features(empty, np.zeros(block.shape, bool), 0)
            return self._blanks[block.shape][: block.rows, : block.columns]

    def _scratch(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return a uint16 array that this thread reuses, because allocating memory takes longer than filling it."""
        found = getattr(self._local, "scratch", None)
        if found is None or found.shape != shape:
            found = self._local.scratch = np.empty(shape, np.uint16)
        return found
