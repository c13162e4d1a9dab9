"""Make a block of synthetic ground, to compare two ways to run a model.

It resembles a scene: it has the mean spectra and contrasts of the ten classes, plots with straight edges, slanted
borders between classes, roads, and pixels hidden by a cloud. It is the same in every process. It cannot show how good a
model is.
"""

from __future__ import annotations

import numpy as np

_SPECTRA = (
    (1412, 1216, 1215, 1303, 1607, 2670, 3345, 3212, 3690, 788, 2534, 1662),  # AnnualCrop
    (1129, 820, 672, 414, 690, 2002, 2543, 2511, 2902, 683, 1307, 502),  # Forest
    (1267, 1066, 978, 943, 1324, 2088, 2356, 2324, 2643, 1025, 2392, 1325),  # HerbaceousVegetation
    (1336, 1094, 1018, 890, 1160, 2179, 2586, 2485, 2846, 712, 1834, 1147),  # Highway
    (1592, 1376, 1284, 1246, 1385, 1951, 2183, 2084, 2354, 573, 1927, 1362),  # Industrial
    (1168, 920, 897, 612, 1144, 2925, 3583, 3538, 4026, 1177, 1994, 908),  # Pasture
    (1368, 1181, 1221, 1303, 1599, 2506, 2917, 2828, 3215, 822, 2763, 1830),  # PermanentCrop
    (1428, 1172, 1074, 983, 1236, 2052, 2418, 2299, 2636, 627, 1966, 1324),  # Residential
    (1291, 1014, 903, 668, 935, 1709, 2060, 1954, 2244, 561, 1307, 684),  # River
    (1194, 906, 730, 428, 398, 356, 354, 289, 285, 84, 73, 39),  # SeaLake
)
"""DN without offset of each class in the twelve bands of the band table: the median, over the chips of the class, of
each chip's mean. From the 1085 multispectral chips (L1C) in `eurosat_ms.tif`: EuroSAT,
doi:10.1109/JSTARS.2019.2918242."""
_CONTRAST = (0.10, 0.10, 0.10, 0.15, 0.21, 0.10, 0.10, 0.10, 0.37, 0.03)
"""Contrast of each class: the standard deviation within a chip of the mean of the twelve bands, divided by its mean;
median over the same chips."""
_ROAD, _BUILT = 3, (3, 4, 7)
"""Class codes: the class of roads, and the classes that vary from pixel to pixel rather than from plot to plot."""
_PLOT = 11
"""Side of a plot in pixels. It does not divide the size of a window."""


def synthetic_block(bands: tuple[int, ...], per_side: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return synthetic ground for `per_side` squared windows.

    Args:
        bands: positions in the band table of the requested bands.
        per_side: windows along each side of the block.
        step: side of a window in pixels.

    Returns:
        (bands, side, side) uint16 DN without offset, at least 1, and (side, side) bool, false where a cloud hides the
        ground. Side is `per_side * step`.
    """
    rng = np.random.default_rng(0)
    side = per_side * step
    row, column = np.mgrid[:side, :side]
    window = row // step * per_side + column // step
    y, x = (row % step) / step - 0.5, (column % step) / step - 0.5
    # Each of the first ten windows has one class; the others have two, on both sides of a border.
    code = window % len(_SPECTRA)
    second_half = (window >= len(_SPECTRA)) & (y * np.cos(window) + x * np.sin(window) > 0)
    code[second_half] = (3 * window[second_half] + 1) % len(_SPECTRA)
    code[(window % 4 == 3) & (abs(y - x / 2) < 1.5 / step)] = _ROAD
    plots = rng.normal(0, 1, (side // _PLOT + 1,) * 2).repeat(_PLOT, 0).repeat(_PLOT, 1)[:side, :side]
    pixels = rng.normal(0, 1, (side, side))
    texture = np.where(np.isin(code, _BUILT), pixels, 0.9 * plots + 0.3 * pixels)
    brightness = np.exp(texture * np.take(_CONTRAST, code))
    dn = np.take(np.asarray(_SPECTRA).T[list(bands)], code, axis=1) * brightness
    usable = y**2 + x**2 > np.where(window % 7 == 5, 0.2**2, 0)
    return np.rint(dn).clip(1, np.iinfo(np.uint16).max).astype(np.uint16), usable
