"""Hold a model's dense form against the model itself, on a few windows, before it is trusted with a scene."""

from __future__ import annotations

import numpy as np

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import HEAD_BATCH, DensePasses, Predict, batched
from lc_assets.inference.dense.form import FullyConvSplit, NotFullyConvolutional, window_means
from lc_assets.inference.dense.scaling import BRIGHTEST_DN, normalize_input

CHECKED_WINDOWS = 2
"""Windows along each side of the block that is compared: enough for a shift or a border to show."""
TOLERANCE = 1e-2
"""Relative difference of probabilities. In float32 they differ by a hundredth of this when the form is right."""
_LEAST = 1e-9


def check_dense(contract: ModelContract, form: FullyConvSplit, passes: DensePasses, predict: Predict) -> None:
    """Compare windows of a block of random pixels, some of them unusable.

    Args:
        contract: the model's.
        form: the model taken apart.
        passes: what runs it, in float32.
        predict: the model itself, in float32, for `CHECKED_WINDOWS` squared chips.

    Raises:
        NotDense: they differ, or the contract's means cannot be taken off in 16 bits.
    """
    if not all(0 <= mean <= BRIGHTEST_DN for mean in contract.mean):
        raise NotFullyConvolutional(f"a band's mean lies outside of 0 to {BRIGHTEST_DN}")
    rng = np.random.default_rng(0)
    chip, step = contract.chip_size, form.stride
    side = chip + (CHECKED_WINDOWS - 1) * step
    mean, std = (np.asarray(values)[:, None, None] for values in (contract.mean, contract.std))
    # Calm ground: a model that is quite sure of what it sees would hide small differences.
    texture = rng.normal(0, 0.2, (len(contract.bands), side, side)) + rng.normal(0, 0.3, (len(contract.bands), 1, 1))
    dn = np.clip(mean + std * texture, 1, BRIGHTEST_DN).astype(np.uint16)
    usable = rng.random((side, side)) > 0.02
    pixels = normalize_input(contract, dn.transpose(1, 2, 0), usable)
    corners = [(row * step, column * step) for row in range(CHECKED_WINDOWS) for column in range(CHECKED_WINDOWS)]
    expected = predict(np.stack([pixels[row : row + chip, column : column + chip] for row, column in corners]))
    means = window_means(passes.trunk(dn, usable, 0), form.positions, 1)
    found = batched(passes.head, means.reshape(len(corners), -1), HEAD_BATCH)
    difference = float(np.abs(np.log(found + _LEAST) - np.log(expected + _LEAST)).max())
    if not difference <= TOLERANCE:  # also where one is not a number
        raise NotFullyConvolutional(
            f"evaluated densely it would say something else (by a factor of {np.exp(difference):.3g})"
        )
