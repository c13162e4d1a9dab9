"""A model that is ready to run: chip by chip, or densely where its layers allow it. `lc_assets.inference.build` makes
it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lc_assets.core.errors import BadModel
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import DensePasses, Predict, batched
from lc_assets.inference.dense.evaluators import BATCH, ChipEvaluator, DenseEvaluator, Evaluator, PositionEvaluator
from lc_assets.sentinel2.bands.stack import Stack

_TOLERANCE = 0.02
"""Largest accepted difference of a sum of probabilities from 1: bfloat16 has about three significant digits."""


@dataclass(frozen=True)
class Engine:
    """A model ready to run.

    Attributes:
        contract: the model's contract.
        backend: the Keras backend that it runs on.
        precision: arithmetic of the network: `float32` or `bfloat16`.
        predict: function from (BATCH, chip, chip, bands) float32 to (BATCH, classes) probabilities.
        dense: runs the two halves of the split model; None where it cannot be evaluated densely.
        why_chips: reason why it cannot be evaluated densely; empty if it can.
        bfloat16: result of the comparison of bfloat16 with float32, in words; empty if float32 was requested.
        warning: one line for the user if the CPU has bfloat16 but the model runs in float32; otherwise empty.
    """

    contract: ModelContract
    backend: str
    precision: str
    predict: Predict
    dense: DensePasses | None = None
    why_chips: str = ""
    bfloat16: str = ""
    warning: str = ""

    def check_stack(self, stack: Stack) -> None:
        """Check that the stack has the product level and the resampling kernel that the model was made for.

        Raises:
            BadModel: one of them differs; the message names both values.
        """
        contract = self.contract
        if stack.product_level not in contract.product_levels:
            raise BadModel(
                f"the scene is {stack.product_level}, model {contract.name} was made for "
                f"{' and '.join(contract.product_levels)}",
                item=stack.item,
                asset="class_raster",
                remedy="use a model for this product level",
            )
        if stack.kernel != contract.resampling:
            raise BadModel(
                f"the stack was resampled by {stack.kernel}, but model {contract.name} expects {contract.resampling}",
                item=stack.item,
                asset="class_raster",
                remedy=f"materialise resampled_stack again with kernel: {contract.resampling}",
            )

    def evaluator(self, stride: int) -> Evaluator:
        """Return the evaluator for windows that start every `stride` pixels: dense if possible, else chip by chip."""
        if self.dense is None:
            return ChipEvaluator(self.contract, self.predict, stride, self.why_chips)
        apart = self.dense.geometry.stride
        if stride % apart:
            why = f"windows every {stride} px do not fit the features of the model, which are {apart} px apart"
            return ChipEvaluator(self.contract, self.predict, stride, why)
        return DenseEvaluator(self.contract, self.dense, stride // apart)

    def position_evaluator(self) -> PositionEvaluator:
        """Return the evaluator of single positions.

        Raises:
            BadModel: the model is not fully convolutional.
        """
        if self.dense is None:
            raise BadModel(
                f"its positions cannot be evaluated: {self.why_chips}",
                asset=f"model {self.contract.name}",
                remedy=f"set LC_ASSETS_WINDOW={self.contract.chip_size}, or remove lc:positions from its MLM item",
            )
        return PositionEvaluator(self.contract, self.dense)

    def probabilities(self, chips: np.ndarray) -> np.ndarray:
        """Return (N, classes) float32 probabilities for (N, chip, chip, bands) network input, evaluated chip by
        chip."""
        return self.check_probabilities(batched(self.predict, chips, BATCH))

    def check_probabilities(self, out: np.ndarray) -> np.ndarray:
        """Check (..., classes) probabilities and return them clipped to 0..1.

        Raises:
            BadModel: the numbers are not probabilities.
        """
        # Comparisons with NaN are false, so NaN is an error too.
        within = (out >= -_TOLERANCE).all() and (out <= 1 + _TOLERANCE).all()
        if not (within and (abs(out.sum(axis=-1) - 1) <= _TOLERANCE).all()):
            raise BadModel(
                "its output is not a set of probabilities: ten numbers from 0 to 1 whose sum is 1",
                asset=f"model {self.contract.name}",
                remedy="end the model with a softmax layer, and check its weights (lc-assets model check)",
            )
        return out.clip(0, 1)
