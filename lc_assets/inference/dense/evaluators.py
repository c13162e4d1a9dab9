"""Two ways from pixels to the probabilities of windows: densely, or chip by chip. Both look the same from outside.

An evaluator turns a block of pixels into a block of *positions*, `step` pixels apart, and a window is `side` x `side`
positions, `hop` positions from the next one. Chip by chip a position is a window. Densely it is a place on the feature
map, and a window's value is the mean over its places (`lc_assets.inference.dense.form` explains it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import HEAD_BATCH, DensePasses, Predict, batched
from lc_assets.inference.dense.form import FullyConvSplit
from lc_assets.inference.dense.scaling import normalize_input
from lc_assets.sentinel2.radiometry import remove_offset

BATCH = 64
"""Chips per call. Every call has this many (the last one is filled up), so the graph is compiled once and each chip's
result does not depend on how many there are."""
MIN_VALID_SHARE = 0.5
"""A window with a smaller share of usable pixels does not vote."""


class Evaluator(Protocol):
    """See the module."""

    @property
    def name(self) -> str:
        """`dense` or `chips`."""

    @property
    def why(self) -> str:
        """Why it is not dense; empty when it is."""

    @property
    def step(self) -> int:
        """Pixels from one position to the next."""

    @property
    def extent(self) -> int:
        """Pixels that a position may look at."""

    @property
    def side(self) -> int:
        """Positions along a window."""

    @property
    def hop(self) -> int:
        """Positions from one window to the next."""

    @property
    def outputs(self) -> int:
        """Numbers per position."""

    def positions(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Evaluate a block.

        Args:
            dn: (bands, rows, columns) uint16 DN, bands in the contract's order, offset included; may be overwritten.
            usable: (rows, columns) bool.
            offset: what is added to DN to remove the baseline's offset.

        Returns:
            ((rows - extent) // step + 1, (columns - extent) // step + 1, outputs) float32.
        """

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """(N, outputs) means over the windows' positions -> (N, classes) float32."""


@dataclass(frozen=True)
class ChipEvaluator:
    """Every window is cut out and evaluated on its own. Windows without a vote are left out."""

    contract: ModelContract
    predict: Predict
    step: int
    why: str
    name: str = "chips"
    side: int = 1
    hop: int = 1

    @property
    def extent(self) -> int:
        """A whole chip."""
        return self.contract.chip_size

    @property
    def outputs(self) -> int:
        """One per class."""
        return len(self.contract.class_names)

    def positions(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """See `Evaluator`."""
        chip = self.contract.chip_size
        pixels = normalize_input(self.contract, remove_offset(dn, offset).transpose(1, 2, 0), usable)

        def windows(values: np.ndarray) -> np.ndarray:
            return np.lib.stride_tricks.sliding_window_view(values, (chip, chip), axis=(0, 1))[
                :: self.step, :: self.step
            ]

        voting = windows(usable).mean(axis=(2, 3)) >= MIN_VALID_SHARE
        views = windows(pixels)
        out = np.zeros((*voting.shape, self.outputs), np.float32)
        places = np.argwhere(voting)
        for start in range(0, len(places), BATCH):
            row, column = places[start : start + BATCH].T
            out[row, column] = batched(self.predict, views[row, column].transpose(0, 2, 3, 1), BATCH)
        return out

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """What was computed are probabilities already."""
        return means


@dataclass(frozen=True)
class DenseEvaluator:
    """The convolutions run once over each block; see `lc_assets.inference.dense.form`."""

    contract: ModelContract
    form: FullyConvSplit
    passes: DensePasses
    hop: int
    name: str = "dense"
    why: str = ""

    @property
    def step(self) -> int:
        """Pixels from one place of the feature map to the next."""
        return self.form.stride

    @property
    def side(self) -> int:
        """Side of one chip's feature map."""
        return self.form.positions

    @property
    def extent(self) -> int:
        """What is left of a chip when its last positions but one are taken away."""
        return self.contract.chip_size - self.form.stride * (self.form.positions - 1)

    @property
    def outputs(self) -> int:
        """Those of the first dense layer."""
        return len(self.form.bias)

    def positions(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """See `Evaluator`."""
        return self.passes.trunk(dn, usable, offset)

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """Run the head in batches of one size."""
        return batched(self.passes.head, means, HEAD_BATCH)
