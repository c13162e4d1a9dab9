"""Two ways to compute the probabilities of windows, with one interface: densely, or chip by chip.

An evaluator turns a block of pixels into a map of features, one every `feature_stride` pixels. A window has
`window_features` x `window_features` features, and the next window starts `window_hop` features further. Chip by chip,
one feature is one window. Densely, a feature is one position of the network's feature map, and the value of a window is
the mean over its features (see `lc_assets.inference.dense.form`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import HEAD_BATCH, DensePasses, Predict, batched
from lc_assets.inference.dense.form import DenseGeometry
from lc_assets.inference.dense.scaling import normalize_input
from lc_assets.sentinel2.radiometry import remove_offset

BATCH = 64
"""Chips per call. Every call has exactly this many (the last one is padded), so the graph is compiled once and the
result of a chip does not depend on the number of chips."""
MIN_VALID_SHARE = 0.5
"""A window with a smaller share of usable pixels does not vote."""


class Evaluator(Protocol):
    """Computes the probabilities of windows; see the module's docstring."""

    @property
    def name(self) -> str:
        """`dense` or `chips`."""

    @property
    def why(self) -> str:
        """Reason why the model is evaluated chip by chip; empty when it is evaluated densely."""

    @property
    def feature_stride(self) -> int:
        """Pixels from one feature to the next."""

    @property
    def receptive_field(self) -> int:
        """Side of the square of pixels that one feature depends on."""

    @property
    def window_features(self) -> int:
        """Features along a window's side."""

    @property
    def window_hop(self) -> int:
        """Features from one window to the next."""

    @property
    def outputs(self) -> int:
        """Values per feature."""

    def features(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Compute the features of a block.

        Args:
            dn: (bands, rows, columns) uint16 DN, bands in the contract's order, offset included; may be overwritten.
            usable: (rows, columns) bool.
            offset: number to add to DN, which removes the baseline's offset.

        Returns:
            (feature rows, feature columns, outputs) float32. There are (n - receptive_field) // feature_stride + 1
            features along a side of n pixels.
        """

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """Return (N, classes) float32 probabilities for (N, outputs) means over the features of each window."""


@dataclass(frozen=True)
class ChipEvaluator:
    """Evaluates every window separately, as a chip. Windows without a vote are skipped; their features are 0."""

    contract: ModelContract
    predict: Predict
    feature_stride: int
    why: str
    name: str = "chips"
    window_features: int = 1
    window_hop: int = 1

    @property
    def receptive_field(self) -> int:
        """The chip size in pixels."""
        return self.contract.chip_size

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return len(self.contract.class_names)

    def features(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return one feature per window: its class probabilities. See `Evaluator.features`."""
        chip = self.contract.chip_size
        pixels = normalize_input(self.contract, remove_offset(dn, offset).transpose(1, 2, 0), usable)

        def windows(values: np.ndarray) -> np.ndarray:
            return np.lib.stride_tricks.sliding_window_view(values, (chip, chip), axis=(0, 1))[
                :: self.feature_stride, :: self.feature_stride
            ]

        voting = windows(usable).mean(axis=(2, 3)) >= MIN_VALID_SHARE
        views = windows(pixels)
        out = np.zeros((*voting.shape, self.outputs), np.float32)
        corners = np.argwhere(voting)
        for start in range(0, len(corners), BATCH):
            row, column = corners[start : start + BATCH].T
            out[row, column] = batched(self.predict, views[row, column].transpose(0, 2, 3, 1), BATCH)
        return out

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """Return `means` unchanged: the features are probabilities already."""
        return means


@dataclass(frozen=True)
class DenseEvaluator:
    """Runs the convolutions once over each block; see `lc_assets.inference.dense.form`."""

    contract: ModelContract
    geometry: DenseGeometry
    passes: DensePasses
    window_hop: int
    name: str = "dense"
    why: str = ""

    @property
    def feature_stride(self) -> int:
        """Pixels from one position of the feature map to the next."""
        return self.geometry.stride

    @property
    def window_features(self) -> int:
        """Side of the feature map of one chip."""
        return self.geometry.map_side

    @property
    def receptive_field(self) -> int:
        """Side of the square of pixels that one position of the feature map depends on."""
        return self.contract.chip_size - self.geometry.stride * (self.geometry.map_side - 1)

    @property
    def outputs(self) -> int:
        """Number of outputs of the first dense layer."""
        return self.geometry.outputs

    def features(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return the features of a block. See `Evaluator.features`."""
        return self.passes.backbone(dn, usable, offset)

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """Return the head's output, computed in batches of `HEAD_BATCH`."""
        return batched(self.passes.head, means, HEAD_BATCH)


@dataclass(frozen=True)
class PositionEvaluator(DenseEvaluator):
    """Treats every position of the feature map as a window. The head runs with the block, because the features of a
    strip take more memory than its probabilities."""

    name: str = "positions"

    @property
    def window_features(self) -> int:
        """Features along a window's side: 1."""
        return 1

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return len(self.contract.class_names)

    def features(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return one feature per position: its class probabilities. See `Evaluator.features`."""
        found = self.passes.backbone(dn, usable, offset)
        rows, columns, outputs = found.shape
        return batched(self.passes.head, found.reshape(-1, outputs), HEAD_BATCH).reshape(rows, columns, -1)

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """Return `means` unchanged: the features are probabilities already."""
        return means
