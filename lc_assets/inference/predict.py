"""Classify single chips, for evaluation and for notebooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lc_assets.core.errors import BadModel
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.dense.scaling import normalize_input
from lc_assets.inference.loading import open_model
from lc_assets.raster.fill import nearest
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.radiometry import HIGHEST_DN, MIN_VALID_DN, NODATA_DN


def classify_chips(chips: np.ndarray, model: str | Path | None = None, product_level: str = "L2A") -> np.ndarray:
    """Return the class probabilities of chips.

    Args:
        chips: (N, 64, 64, 12) uint16 DN in the band table's order, radiometric offset removed. A pixel with 0 in all
            bands has no data.
        model: a model's `.json`, its `.keras` or their folder; the shipped model by default.
        product_level: `L1C` or `L2A`.

    Returns:
        (N, 10) float32. Each row sums to 1; the columns are in the class table's order.

    Raises:
        BadModel: the model was not made for this product level, or the chips do not have the model's shape
            or have values that are not DN.
    """
    # Always float32, so that the figures of a model card are the same on every machine.
    engine = open_model(model or SHIPPED, "float32")
    contract = engine.contract
    if product_level not in contract.product_levels:
        raise BadModel(
            f"it was made for {' and '.join(contract.product_levels)}, not for {product_level}",
            asset=f"model {contract.name}",
            remedy="pass the product level of the chips, or use another model",
        )
    chips = np.asarray(chips)
    expected = (contract.chip_size, contract.chip_size, len(BAND_NAMES))
    if chips.ndim != 4 or chips.shape[1:] != expected:
        raise BadModel(
            f"the chips have the shape {chips.shape}, but (N, {', '.join(map(str, expected))}) is required",
            asset=f"model {contract.name}",
            remedy=f"pass all {len(BAND_NAMES)} bands as the last axis, in the order {' '.join(BAND_NAMES)}",
        )
    if chips.dtype.kind not in "uif" or not np.isfinite(chips).all() or (chips < 0).any():
        raise BadModel(
            "the chips have values that are not DN",
            asset=f"model {contract.name}",
            remedy="pass reflectance * 10000 as numbers from 0 on, 0 for no data, without NaN",
        )
    filled, valid = _filled(chips)
    return engine.probabilities(normalize_input(contract, filled[..., list(contract.band_indices)], valid))


def _filled(chips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill pixels without data with the nearest pixel that has data, as in a scene.

    Returns:
        The filled chips, and (N, 64, 64) bool: false where a pixel has no data and could not be filled.
    """
    usable = (chips != NODATA_DN).any(axis=-1) & (chips <= HIGHEST_DN).all(axis=-1)
    if usable.all():
        return chips, usable
    chips = chips.copy()
    whole = (slice(None), slice(None))
    for chip, known in zip(chips, usable, strict=True):
        missing, source = nearest(known, sum(known.shape), whole)
        pixels = chip.reshape(-1, chip.shape[-1])
        pixels[missing] = pixels[source]
        known.ravel()[missing] = True
    return np.maximum(chips, MIN_VALID_DN), usable
