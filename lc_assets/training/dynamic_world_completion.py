"""Predict the cover of chips for which the classes of the reference model are unknown.

The classes of the reference model are known for the multispectral and the L2A chips, but not for the RGB chips. A
network with the shipped plan learns them, and predicts them for the RGB chips after their other bands are completed. No
chip of the evaluation is used to fit it.
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

_AT_ONCE = 64
"""Chips that are predicted at once."""
RECIPE = Recipe(steps=1200, batch_mosaics=14, batch_tiles=16)
"""Hyperparameters of the network that predicts the cover."""


def complete_cover(
    chips: Chips, source: Mosaics, scaling: Scaling, checkpoint: Path, *, recipe: Recipe = RECIPE
) -> Chips:
    """Add the cover to chips of twelve bands.

    Args:
        chips: the chips.
        source: the mosaics of tiles whose cover is known.
        scaling: scaling of the network's input.
        checkpoint: checkpoint of the fit. If it is finished, it is loaded instead of a new fit.
        recipe: hyperparameters of the fit.
    """
    network = fit(source, recipe, checkpoint, cover_loss, partial(torch_module, outputs=len(COVER_NAMES)))
    return replace(chips, cover=predict_cover(network, chips, scaling))


def predict_cover(network: nn.Module, chips: Chips, scaling: Scaling) -> np.ndarray:
    """Return the cover of chips, (N, 64, 64, 9) uint8. All pixels of a position's cell have the same values."""
    cover = np.empty_like(chips.cover)
    rim = (MARGIN,) * 4
    with torch.inference_mode():
        for start in range(0, len(chips), _AT_ONCE):
            x = torch.from_numpy(scaling.apply(chips.dn[start : start + _AT_ONCE]))
            found = network(functional.pad(x, rim, mode="reflect")).softmax(dim=1).movedim(1, -1)
            cells = (255 * found).round().to(torch.uint8).numpy()
            cover[start : start + _AT_ONCE] = cells.repeat(POSITION_STRIDE, axis=1).repeat(POSITION_STRIDE, axis=2)
    return cover
