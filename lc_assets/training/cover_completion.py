"""Predict the cover of chips that the reference model has not seen.

The reference model's classes are known for the multispectral and the L2A chips, not for the many RGB chips. A network
with the shipped plan learns them and predicts them for the RGB chips, once their other bands are completed. It does not
learn from any chip that is used for evaluation.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lc_assets.training.data.chips import COVER_NAMES, Chips
from lc_assets.training.fit import Recipe, cover_loss, fit
from lc_assets.training.mosaics import Mosaics
from lc_assets.training.network import MARGIN, POSITION_STRIDE, torch_module
from lc_assets.training.scaling import Scaling

RECIPE = Recipe(steps=1200, batch_mosaics=14, batch_tiles=16)
"""Hyperparameters of the network that predicts the cover."""


def complete_cover(chips: Chips, source: Mosaics, scaling: Scaling, kept: Path, *, recipe: Recipe = RECIPE) -> Chips:
    """Add the cover to chips of twelve bands.

    Args:
        chips: the chips.
        source: the mosaics of tiles whose cover is known.
        scaling: scaling of the network's input.
        kept: checkpoint of the fit. A finished one is loaded instead of fitting again.
        recipe: hyperparameters of the fit.
    """
    network = fit(source, recipe, kept, cover_loss, partial(torch_module, outputs=len(COVER_NAMES)))
    return replace(chips, cover=predict_cover(network, chips, scaling))


def predict_cover(network: nn.Module, chips: Chips, scaling: Scaling, batch: int = 64) -> np.ndarray:
    """Return the cover of chips, (N, 64, 64, 9) uint8, the same within each position's cell."""
    cover = np.empty_like(chips.cover)
    rim = (MARGIN,) * 4
    with torch.inference_mode():
        for start in range(0, len(chips), batch):
            x = torch.from_numpy(scaling.apply(chips.dn[start : start + batch]))
            found = network(functional.pad(x, rim, mode="reflect")).softmax(dim=1).movedim(1, -1)
            cells = (255 * found).round().to(torch.uint8).numpy()
            cover[start : start + batch] = cells.repeat(POSITION_STRIDE, axis=1).repeat(POSITION_STRIDE, axis=2)
    return cover
