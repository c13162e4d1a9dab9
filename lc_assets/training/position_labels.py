"""What is known of a position: the classes that the label of its tile and the class of the reference model allow.

The label of a chip is true of the chip, not of each of its pixels: a third of a River chip is water. Dynamic World
tells pixels apart, but not all ten classes. Together they leave one class where they agree, and several where they do
not decide. A position is taught the set (partial labels: Jin and Ghahramani 2002): the loss is the negative logarithm
of the probability of the whole set.
"""

from __future__ import annotations

import numpy as np

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.training.data.chips import COVER_NAMES

POOLED = ("Highway", "River")
"""Classes of parts of which many pixels may be something else: they must be found in the most likely tenth of the
positions."""

_OPEN = "Pasture HerbaceousVegetation"
_ANY = " ".join(CLASS_NAMES)
_ALONE = {
    "water": "River SeaLake",
    "trees": "Forest",
    "grass": _OPEN,
    "flooded vegetation": f"{_OPEN} River SeaLake",
    "crops": "AnnualCrop PermanentCrop",
    "shrub and scrub": "HerbaceousVegetation PermanentCrop",
    "built": "Residential Industrial Highway",
    "bare": "AnnualCrop HerbaceousVegetation Industrial",
    "snow and ice": _ANY,
}
"""Classes that the reference model's class allows where the tile's label says nothing of it. Built ground may
be a road everywhere."""
_TOGETHER = {
    "AnnualCrop": {
        "grass": "AnnualCrop Pasture",
        "flooded vegetation": "AnnualCrop",
        "crops": "AnnualCrop",
        "shrub and scrub": "AnnualCrop HerbaceousVegetation",
        "bare": "AnnualCrop",
    },
    "Forest": {"flooded vegetation": "Forest", "shrub and scrub": "Forest HerbaceousVegetation", "trees": "Forest"},
    "HerbaceousVegetation": {
        "trees": "Forest HerbaceousVegetation",
        "grass": "HerbaceousVegetation",
        "flooded vegetation": "HerbaceousVegetation",
        "crops": "HerbaceousVegetation AnnualCrop",
        "shrub and scrub": "HerbaceousVegetation",
        "bare": "HerbaceousVegetation",
    },
    "Highway": {"bare": "Highway AnnualCrop"},
    "Industrial": {
        "built": "Industrial",
        "bare": "Industrial",
        "crops": "AnnualCrop PermanentCrop Industrial",
        "shrub and scrub": f"Industrial {_OPEN}",
        "grass": f"Industrial {_OPEN}",
    },
    "Pasture": {
        "grass": "Pasture",
        "flooded vegetation": "Pasture",
        "crops": "Pasture AnnualCrop",
        "shrub and scrub": "Pasture HerbaceousVegetation",
        "bare": "Pasture AnnualCrop",
    },
    "PermanentCrop": {
        "trees": "PermanentCrop Forest",
        "grass": "PermanentCrop Pasture",
        "flooded vegetation": "PermanentCrop",
        "crops": "PermanentCrop",
        "shrub and scrub": "PermanentCrop",
        "bare": "PermanentCrop",
    },
    "Residential": {
        "trees": "Residential Forest",
        "grass": f"Residential {_OPEN}",
        "crops": "Residential AnnualCrop PermanentCrop",
        "shrub and scrub": "Residential HerbaceousVegetation",
        "built": "Residential",
        "bare": "Residential AnnualCrop",
    },
    "River": {"water": "River", "flooded vegetation": f"River {_OPEN}", "bare": "River AnnualCrop"},
    "SeaLake": {"water": "SeaLake", "flooded vegetation": "SeaLake"},
}
"""Classes that label and reference class allow together, where they differ from `_ALONE`."""


def _allowed() -> np.ndarray:
    rows = [*CLASS_NAMES, None]
    table = np.zeros((len(rows), len(COVER_NAMES), len(CLASS_NAMES)), np.float32)
    for row, label in enumerate(rows):
        for column, cover in enumerate(COVER_NAMES):
            names = _TOGETHER.get(label or "", {}).get(cover, _ALONE[cover])
            table[row, column, [CLASS_NAMES.index(name) for name in names.split()]] = 1
    return table


ALLOWED = _allowed()
"""(11, 9, 10) float32: 1 where the label (row; the last is for tiles without one) and the reference model's class
(column) allow a class."""


def cover_weights(cover: np.ndarray) -> np.ndarray:
    """Return how much each class of the reference model counts at positions.

    Args:
        cover: (..., 9) mean probability of each class over a position's cell, 0 to 1.

    Returns:
        (..., 9) float32 with the sum 1: the squared probabilities, since the likely class counts for more than its
        share; 0 where the reference model does not know the cell.
    """
    squared = np.where(cover >= 0.1, cover, 0).astype(np.float32) ** 2
    total = squared.sum(axis=-1, keepdims=True)
    known = (total > 0.04) & (cover.sum(axis=-1, keepdims=True) > 0.3)
    out: np.ndarray = np.where(known, squared / np.maximum(total, 1e-6), 0)
    return out
