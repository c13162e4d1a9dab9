"""From DN to what a network reads."""

from __future__ import annotations

import numpy as np

from lc_assets.inference.contract import ModelContract

BRIGHTEST_DN = 32_767
"""Brighter pixels count as this bright: three times what a white surface reflects, and what int16 holds."""


def normalize_input(contract: ModelContract, pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Network input: (DN - mean) / std, DN up to `highest_dn`, and 0 where there is no valid data.

    Args:
        contract: the model's.
        pixels: (..., bands) DN, offset removed, bands in the contract's order.
        valid: (...) bool.

    Returns:
        (..., bands) float32.
    """
    mean = np.asarray(contract.mean, np.float32)
    scale = 1 / np.asarray(contract.std, np.float32)
    out: np.ndarray = (np.minimum(pixels, highest_dn(contract)).astype(np.float32) - mean) * scale
    out[~valid] = 0
    return out


def highest_dn(contract: ModelContract) -> np.ndarray:
    """(bands,) uint16: the highest DN that the network gets to see, offset removed."""
    highest = contract.highest or (BRIGHTEST_DN,) * len(contract.bands)
    return np.minimum(np.rint(highest), BRIGHTEST_DN).astype(np.uint16)


def whole_means(contract: ModelContract) -> np.ndarray:
    """The bands' means to the nearest DN, int64."""
    return np.rint(np.asarray(contract.mean)).astype(np.int64)
