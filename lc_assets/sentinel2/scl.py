"""L2A's scene classification (SCL): what its codes mean and which of them hide the ground.

Source: Sentinel-2 Products Specification Document, Level-2A scene classification values.
"""

from __future__ import annotations

import numpy as np

SCL_NAMES: dict[int, str] = {
    0: "no data",
    1: "saturated or defective",
    2: "dark area",
    3: "cloud shadow",
    4: "vegetation",
    5: "not vegetated",
    6: "water",
    7: "unclassified",
    8: "cloud, medium probability",
    9: "cloud, high probability",
    10: "thin cirrus",
    11: "snow or ice",
}

HIDDEN: tuple[int, ...] = (1, 3, 8, 9, 10)
"""Codes under which a pixel is called No Data: saturated, cloud shadow, clouds, cirrus."""

CLOUD: tuple[int, ...] = (8, 9, 10)

_LOOKUP_HIDDEN = np.isin(np.arange(256), HIDDEN)


def is_hidden(scl: np.ndarray) -> np.ndarray:
    """True where SCL hides the ground; same shape as `scl` (uint8)."""
    return _LOOKUP_HIDDEN[scl]
