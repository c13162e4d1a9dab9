"""Compare a model in bfloat16 with the same model in float32 on a few windows, before bfloat16 is used for a map.

On some CPUs some versions of OpenVINO compute bfloat16 wrongly without an error
(https://github.com/openvinotoolkit/openvino/issues/38256: matrix products on a Ryzen 9 9950X in 2026.4.0).
"""

from __future__ import annotations

import numpy as np

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import HEAD_BATCH, DensePasses, Predict, batched
from lc_assets.inference.dense.evaluators import BATCH
from lc_assets.inference.dense.form import window_means
from lc_assets.inference.dense.scaling import normalize_input
from lc_assets.inference.synthetic_ground import synthetic_block

TOLERANCE = 0.05
"""Largest accepted difference of a class's probability in any window.

Correct bfloat16 stays below half of it. Measured on the shipped model, with the input, weights and output of every
layer rounded to bfloat16, the largest difference is 0.015 on these windows and 0.020 on 629 chips of EuroSAT and of L2A
scenes. A layer whose output is halved, doubled or shifted by one channel gives 0.23 or more. One zeroed channel exceeds
the tolerance in 7 of 10 cases.
"""
_MAX_WINDOWS_PER_SIDE = 6
"""Largest number of windows along a side. With 36 windows the shipped model predicts each of the ten classes at least
once, and one call evaluates all of them as chips."""
_MAX_BLOCK_PIXELS = 768
"""Largest side of the block, in pixels: it has about as many pixels as the largest block of a scene. Models with large
chips are compared on fewer windows."""


class WrongBfloat16(Exception):
    """The results in bfloat16 and in float32 differ too much; the message says how."""


def compare_bfloat16(
    contract: ModelContract,
    exact: Predict,
    fast: Predict,
    dense: DensePasses | None,
) -> str:
    """Compare a model in bfloat16 with float32 on synthetic ground, chip by chip and densely.

    Args:
        contract: the model's contract.
        exact, fast: the model in float32 and in bfloat16, for `BATCH` chips per call.
        dense: runs the split model in bfloat16; None where it cannot be evaluated densely.

    Returns:
        A sentence with the largest difference.

    Raises:
        WrongBfloat16: a probability differs by more than `TOLERANCE`, or is not a number.
    """
    chip, stride = contract.chip_size, dense.geometry.stride if dense else 1
    step = -(-chip // stride) * stride
    per_side = min(max(_MAX_BLOCK_PIXELS // step, 2), _MAX_WINDOWS_PER_SIDE)
    dn, usable = synthetic_block(contract.band_indices, per_side, step)
    pixels = normalize_input(contract, dn.transpose(1, 2, 0), usable)
    corners = [(row * step, column * step) for row in range(per_side) for column in range(per_side)]
    chips = np.stack([pixels[row : row + chip, column : column + chip] for row, column in corners])
    expected = batched(exact, chips, BATCH)
    found = {"chip by chip": batched(fast, chips, BATCH)}
    if dense:
        means = window_means(dense.backbone(dn, usable, 0), dense.geometry.map_side, step // stride)
        if not np.isfinite(means).all():  # a head with a ReLU can hide it
            raise WrongBfloat16(f"evaluated densely, its features are not finite (on {len(corners)} synthetic windows)")
        found["densely"] = batched(dense.head, means.reshape(len(corners), -1), HEAD_BATCH)
    largest = 0.0
    for way, probabilities in found.items():
        if not np.isfinite(probabilities).all():
            raise WrongBfloat16(f"evaluated {way}, its output is not finite (on {len(corners)} synthetic windows)")
        difference = float(np.abs(probabilities - expected).max())
        if not difference <= TOLERANCE:  # the negation also catches NaN in float32
            raise WrongBfloat16(
                f"evaluated {way}, probabilities differ from those of float32 by up to {difference:.3g}; "
                f"{TOLERANCE} is allowed (on {len(corners)} synthetic windows)"
            )
        largest = max(largest, difference)
    ways = " and ".join(found)
    return f"agrees with float32 within {largest:.3f} on {len(corners)} synthetic windows, {ways} ({TOLERANCE} allowed)"
