"""Measure how often a network predicts SeaLake in rivers, by their width.

The middle of a wide river looks like a lake, so the share of SeaLake grows with the width. A map of positions compares
the water of a scene with these shares (`lc_assets.inference.positions.water`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.inference.positions.water import water_of, widths
from lc_assets.training.data.chips import Chips
from lc_assets.training.network import MARGIN, POSITION_STRIDE

WIDTHS = (120, 200, 280, 360, 440)
"""Widths in m. A river belongs to the nearest one."""
_FEWEST = 3
"""Number of rivers without which there is no share for a width."""
_QUANTILE = 0.75
_RIVER, _SEA_LAKE = CLASS_NAMES.index("River"), CLASS_NAMES.index("SeaLake")


def river_shares(probabilities: Callable[[np.ndarray], np.ndarray], chips: Chips) -> tuple[tuple[float, float], ...]:
    """Return (width in m, share of SeaLake that three of four rivers of this width do not exceed), in order of width.

    Args:
        probabilities: function from (12, height, width) DN to the (classes, rows, columns) probabilities of positions.
        chips: chips of twelve bands; those of River are used. A chip is mirrored at its edges, as a scene is.
    """
    found: dict[int, list[float]] = {width: [] for width in WIDTHS}
    for dn in chips.where(chips.labels == _RIVER).dn:
        cells = probabilities(np.pad(dn, [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)], "symmetric"))
        water, wet = water_of(cells)
        labels, count = ndimage.label(wet, np.ones((3, 3)))
        if count:
            river = labels == np.bincount(labels[wet]).argmax()
            broadest = widths(river, np.ones(river.shape, bool), POSITION_STRIDE).max()
            nearest = min(WIDTHS, key=lambda width: abs(width - broadest))
            found[nearest].append(float(cells[_SEA_LAKE][river].sum() / water[river].sum()))
    return tuple(
        (float(width), round(float(np.quantile(shares, _QUANTILE)), 3))
        for width, shares in found.items()
        if len(shares) >= _FEWEST
    )
