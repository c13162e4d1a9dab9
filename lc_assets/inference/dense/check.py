"""Compare dense evaluation with the model itself on a few windows, before dense evaluation is used for a scene."""

from __future__ import annotations

import numpy as np

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import HEAD_BATCH, DensePasses, Predict, batched
from lc_assets.inference.dense.form import NotFullyConvolutional, window_means
from lc_assets.inference.dense.scaling import BRIGHTEST_DN, normalize_input

CHECKED_WINDOWS = 2
"""Windows along each side of the compared block: enough to detect a shift or a wrong border."""
TOLERANCE = 1e-2
"""Largest relative difference of probabilities. In float32 a correct split differs by about a hundredth of it."""
_EPSILON = 1e-9


def check_dense(contract: ModelContract, passes: DensePasses, predict: Predict) -> None:
    """Evaluate the windows of a block of random pixels both ways and compare. Some of the pixels are not usable.

    Args:
        contract: the model's contract.
        passes: runs the split model, in float32.
        predict: the model itself, in float32, for `CHECKED_WINDOWS` squared chips.

    Raises:
        NotFullyConvolutional: the results differ, or the contract's means cannot be subtracted in 16 bits.
    """
    if not all(0 <= mean <= BRIGHTEST_DN for mean in contract.mean):
        raise NotFullyConvolutional(f"the mean of a band is outside of 0 to {BRIGHTEST_DN}")
    rng = np.random.default_rng(0)
    chip, step = contract.chip_size, passes.geometry.stride
    side = chip + (CHECKED_WINDOWS - 1) * step
    mean, std = (np.asarray(values)[:, None, None] for values in (contract.mean, contract.std))
    # The contrast is low, because small differences do not show where a model is very confident.
    texture = rng.normal(0, 0.2, (len(contract.bands), side, side)) + rng.normal(0, 0.3, (len(contract.bands), 1, 1))
    dn = np.clip(mean + std * texture, 1, BRIGHTEST_DN).astype(np.uint16)
    usable = rng.random((side, side)) > 0.02
    pixels = normalize_input(contract, dn.transpose(1, 2, 0), usable)
    corners = [(row * step, column * step) for row in range(CHECKED_WINDOWS) for column in range(CHECKED_WINDOWS)]
    expected = predict(np.stack([pixels[row : row + chip, column : column + chip] for row, column in corners]))
    means = window_means(passes.backbone(dn, usable, 0), passes.geometry.map_side, 1)
    found = batched(passes.head, means.reshape(len(corners), -1), HEAD_BATCH)
    difference = float(np.abs(np.log(found + _EPSILON) - np.log(expected + _EPSILON)).max())
    if not difference <= TOLERANCE:  # the negation also catches NaN
        raise NotFullyConvolutional(
            f"its dense evaluation gives other probabilities (by a factor of {np.exp(difference):.3g})"
        )
