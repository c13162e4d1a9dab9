"""Classify chips that are already cut: for evaluation and for notebooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lc_assets.errors import BadModel
from lc_assets.inference.models import SHIPPED, open_model
from lc_assets.inference.passes import normalised
from lc_assets.sentinel2.bands import BAND_NAMES


def classify_chips(chips: np.ndarray, model: Path | None = None, product_level: str = "L2A") -> np.ndarray:
    """Class probabilities of chips.

    Args:
        chips: (N, 64, 64, 12) uint16 DN in the band table's order, radiometric offset already removed; 0 is no data.
        model: path of a model's MLM item; the shipped model by default.
        product_level: `L1C` or `L2A`.

    Returns:
        (N, 10) float32, rows sum to 1, columns in the class table's order.

    Raises:
        BadModel: the model does not take this level, or the chips' shape is not the model's.
    """
    # In float32 wherever it runs: figures on a model's card are to be the same everywhere.
    engine = open_model(model or SHIPPED, "float32")
    contract = engine.contract
    if product_level not in contract.product_levels:
        raise BadModel(
            f"it was made for {' and '.join(contract.product_levels)}, not for {product_level}",
            asset=f"model {contract.name}",
            remedy="name the chips' true product level, or use another model",
        )
    expected = (contract.chip_size, contract.chip_size, len(BAND_NAMES))
    if chips.ndim != 4 or chips.shape[1:] != expected:
        raise BadModel(
            f"chips of shape {chips.shape} were given, (N, {', '.join(map(str, expected))}) are needed",
            asset=f"model {contract.name}",
            remedy=f"give all {len(BAND_NAMES)} bands last, in the order {' '.join(BAND_NAMES)}",
        )
    valid = np.asarray((chips > 0).all(axis=-1))
    return engine.probabilities(normalised(contract, chips[..., list(contract.band_indices)], valid))
