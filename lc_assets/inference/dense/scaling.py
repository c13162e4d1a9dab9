"""Scale DN to the input of a network."""

from __future__ import annotations

import numpy as np

from lc_assets.inference.contract import ModelContract

BRIGHTEST_DN = 32_767
"""Higher DN are clipped to this: three times the reflectance of a white surface, and the largest int16."""


def normalize_input(contract: ModelContract, pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the network input: (DN - mean) / std, with DN clipped to `highest_dn`, and 0 where a pixel is not valid.

    Args:
        contract: the model's contract.
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
    """Return (bands,) uint16: the DN to which higher ones are clipped, offset removed."""
    highest = contract.highest or (BRIGHTEST_DN,) * len(contract.bands)
    return np.minimum(np.rint(highest), BRIGHTEST_DN).astype(np.uint16)


def whole_means(contract: ModelContract) -> np.ndarray:
    """Return (bands,) int64: each band's mean, rounded to whole DN."""
    return np.rint(np.asarray(contract.mean)).astype(np.int64)
