"""Bilinear upsampling of 20 m and 60 m bands by a whole factor, in integers: the stack's own pixels, cheaper.

GDAL reads a virtual stack one thread at a time and spends most of it here. The grids share the tile's corner, so a fine
pixel's centre lies (2 p + 1 - f) / (2 f) coarse pixels from the centre of the coarse pixel that holds it, where f is
the factor and p = 0 .. f - 1 the place inside: between that pixel and one neighbour along each axis, with weights that
are whole multiples of 1 / (2 f). Sums of integers are exact, so windowed reads equal whole reads to the bit, and the
result equals what GDAL gives for the same stack (a test compares them): rounded half up; a pixel without data (DN 0)
gives its weight to the other one of its pair, along rows first and then down the columns, as GDAL's separable kernel
does.
"""

from __future__ import annotations

import numpy as np

from lc_assets.sentinel2.radiometry import NODATA_DN


def bilinear(coarse: np.ndarray, factor: int) -> np.ndarray:
    """Upsample a band.

    Args:
        coarse: (rows + 2, columns + 2) uint16 DN with one pixel of margin on every side (at the scene's border: the
            border pixel again).
        factor: fine pixels per coarse pixel along an axis, even.

    Returns:
        (rows * factor, columns * factor) uint16.
    """
    if coarse.min() != NODATA_DN:
        # Down first: there are fewer columns yet. Integer sums do not mind the order.
        down = _between(coarse.astype(np.uint32), factor, 0)
        return _rounded(down, factor, 1)
    across = _between(coarse.astype(np.uint32), factor, 1, gaps=True)
    return _rounded(across, factor, 0, gaps=True)


def nearest(coarse: np.ndarray, factor: int) -> np.ndarray:
    """(rows, columns) -> (rows * factor, columns * factor): every pixel repeated."""
    return coarse.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else coarse


def _rounded(values: np.ndarray, factor: int, axis: int, *, gaps: bool = False) -> np.ndarray:
    weight = (2 * factor) ** 2
    return _between(values, factor, axis, gaps=gaps, divisor=weight)


def _between(values: np.ndarray, factor: int, axis: int, *, gaps: bool = False, divisor: int = 1) -> np.ndarray:
    """Interpolate along one axis: weighted sums (uint32), or, with a divisor, rounded quotients (uint16)."""
    rows, columns = values.shape
    shape = ((rows - 2) * factor, columns) if axis == 0 else (rows, (columns - 2) * factor)
    out = np.empty(shape, np.uint16 if divisor > 1 else np.uint32)
    before, here, after = (_along(values, axis, slice(start, start + values.shape[axis] - 2)) for start in range(3))
    for place in range(factor):
        steps = 2 * place + 1 - factor
        one, other = here, before if steps < 0 else after
        if gaps:
            one, other = np.where(one == NODATA_DN, other, one), np.where(other == NODATA_DN, one, other)
        total = one * np.uint32(2 * factor - abs(steps))
        total += other * np.uint32(abs(steps)) if abs(steps) > 1 else other
        if divisor > 1:
            total += np.uint32(divisor // 2)
            total //= np.uint32(divisor)
        _along(out, axis, slice(place, None, factor))[...] = total
    return out


def _along(values: np.ndarray, axis: int, part: slice) -> np.ndarray:
    return values[part] if axis == 0 else values[:, part]
