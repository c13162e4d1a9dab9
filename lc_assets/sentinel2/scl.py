"""L2A's scene classification (SCL): what its codes mean and which of them hide the ground.

Source: Sentinel-2 Products Specification Document, Level-2A scene classification values.
"""

from __future__ import annotations

import numpy as np

from lc_assets.core.errors import LandCoverError
from lc_assets.sentinel2.band_table import SCL_GSD

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

NO_DATA = 0
"""The swath does not reach there. Codes that the table does not have are read as this one."""

MASKED: tuple[int, ...] = (1, 3, 8, 9, 10)
"""Codes under which a pixel is called No Data: saturated, cloud shadow, clouds, cirrus."""

CLOUD: tuple[int, ...] = (8, 9, 10)

SPREADING: tuple[int, ...] = (3, *CLOUD)
"""Codes whose edges are soft: haze lies around a cloud, half-light around its shadow."""

MASK_DILATION = 100
"""Metres by which cloud and shadow are grown, by default. Measured on the demo scene with clouds whose haze falls off
by a factor of e every 60 m: of the pixels within 200 m that are still mapped, 54 % are right without it, 74 % with
60 m, 81 % with 100 m, 83 % with 140 m."""
MOST_DILATION = 2000
"""Metres; more would hide a scene for a few clouds."""

DARK: tuple[int, ...] = (2, 3, 6, 11)
"""Codes under which a band may hold 0 amid data: dark ground, shadow, water, and snow (in B11 and B12)."""

_LOOKUP = {codes: np.isin(np.arange(256), codes) for codes in (MASKED, SPREADING, DARK)}
_LOOKUP_NO_DATA = ~np.isin(np.arange(256), [code for code in SCL_NAMES if code != NO_DATA])


def is_hidden(scl: np.ndarray) -> np.ndarray:
    """True where SCL hides the ground; same shape as `scl` (uint8)."""
    return _LOOKUP[MASKED].take(scl)


def is_spreading(scl: np.ndarray) -> np.ndarray:
    """True where SCL says cloud or cloud shadow; same shape as `scl` (uint8)."""
    return _LOOKUP[SPREADING].take(scl)


def is_dark(scl: np.ndarray) -> np.ndarray:
    """True where SCL says ground that may be black in a band; same shape as `scl` (uint8)."""
    return _LOOKUP[DARK].take(scl)


def is_no_data(scl: np.ndarray) -> np.ndarray:
    """True where SCL says that there is no data, or nothing that it can say; same shape as `scl` (uint8)."""
    return _LOOKUP_NO_DATA.take(scl)


def check_dilation(metres: int, *, masked: bool) -> None:
    """Refuse a dilation that cannot be applied as it is given.

    Args:
        metres: by which cloud and shadow are to be grown.
        masked: whether they hide anything.

    Raises:
        LandCoverError: it is below 0, above `MOST_DILATION` or no multiple of a pixel, or there is nothing to grow.
    """
    if not 0 <= metres <= MOST_DILATION or metres % SCL_GSD:
        raise LandCoverError(
            f"a mask dilation of {metres} m cannot be applied",
            remedy=f"give 0 to {MOST_DILATION} m in steps of {SCL_GSD}, e.g. {MASK_DILATION}",
        )
    if metres and not masked:
        raise LandCoverError(
            f"a mask dilation of {metres} m was asked for, but clouds are not masked",
            remedy="leave out --no-mask-clouds, or the dilation",
        )
