"""Two ways to compute the probabilities of windows, with one interface: densely, or chip by chip.

An evaluator turns a block of pixels into a map of features, one every `feature_stride` pixels. A window has
`window_features` x `window_features` features, and the next window starts `window_hop` features further. Chip by chip,
one feature is one window. Densely, a feature is one position of the network's feature map, and the value of a window is
the mean over its features (see `lc_assets.inference.dense.form`).
"""

from __future__ import annotations

import numpy as np

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import HEAD_BATCH, DensePasses, Predict, batched
from lc_assets.inference.dense.scaling import normalize_input
from lc_assets.sentinel2.radiometry import remove_offset

BATCH = 64
"""Chips per call. Every call has exactly this many (the last one is padded), so the graph is compiled once and the
result of a chip does not depend on the number of chips."""
MIN_VALID_SHARE = 0.5
"""A window with a smaller share of usable pixels does not vote."""


class Evaluator:
    """Computes the features of blocks, and the probabilities of windows; see the module's docstring.

    Attributes:
        contract: the model's contract.
        name: `chips`, `dense` or `positions`.
        feature_stride: pixels from one feature to the next.
        receptive_field: side of the square of pixels that one feature depends on.
        outputs: values per feature.
        window_features: features along a window's side.
        window_hop: features from one window to the next.
        why: reason why the model is evaluated chip by chip; empty when it is evaluated densely.
    """

    def __init__(
        self,
        contract: ModelContract,
        name: str,
        *,
        feature_stride: int,
        receptive_field: int,
        outputs: int,
        window_features: int = 1,
        window_hop: int = 1,
        why: str = "",
    ) -> None:
        self.contract, self.name, self.why = contract, name, why
        self.feature_stride, self.receptive_field, self.outputs = feature_stride, receptive_field, outputs
        self.window_features, self.window_hop = window_features, window_hop

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
        raise NotImplementedError

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """Return (N, classes) float32 probabilities for (N, outputs) means over the features of each window."""
        return means


class ChipEvaluator(Evaluator):
    """Evaluates every window separately, as a chip. Its features are the class probabilities of windows, 0 for windows
    without a vote, which are skipped."""

    def __init__(self, contract: ModelContract, predict: Predict, stride: int, why: str) -> None:
        classes = len(contract.class_names)
        super().__init__(
            contract, "chips", feature_stride=stride, receptive_field=contract.chip_size, outputs=classes, why=why
        )
        self._predict = predict

    def features(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return one feature per window. See `Evaluator.features`."""
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
            out[row, column] = batched(self._predict, views[row, column].transpose(0, 2, 3, 1), BATCH)
        return out


class DenseEvaluator(Evaluator):
    """Runs the convolutions once over each block, and the head over the mean features of windows; see
    `lc_assets.inference.dense.form`."""

    def __init__(self, contract: ModelContract, passes: DensePasses, window_hop: int) -> None:
        geometry = passes.geometry
        super().__init__(
            contract,
            "dense",
            feature_stride=geometry.stride,
            receptive_field=geometry.receptive_field(contract.chip_size),
            outputs=geometry.outputs,
            window_features=geometry.map_side,
            window_hop=window_hop,
        )
        self._passes = passes

    def features(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return the features of a block. See `Evaluator.features`."""
        return self._passes.backbone(dn, usable, offset)

    def probabilities(self, means: np.ndarray) -> np.ndarray:
        """Return the head's output, computed in batches of `HEAD_BATCH`."""
        return batched(self._passes.head, means, HEAD_BATCH)


class PositionEvaluator(Evaluator):
    """Treats every position of the feature map as a window. Its features are the class probabilities of positions: the
    head runs with the block, because the features of a strip take more memory."""

    def __init__(self, contract: ModelContract, passes: DensePasses) -> None:
        geometry = passes.geometry
        super().__init__(
            contract,
            "positions",
            feature_stride=geometry.stride,
            receptive_field=geometry.receptive_field(contract.chip_size),
            outputs=len(contract.class_names),
        )
        self._passes = passes

    def features(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return one feature per position. See `Evaluator.features`."""
        found = self._passes.backbone(dn, usable, offset)
        rows, columns, outputs = found.shape
        return batched(self._passes.head, found.reshape(-1, outputs), HEAD_BATCH).reshape(rows, columns, -1)
