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

from collections.abc import Iterator

import numpy as np

_NODATA = 0


def bilinear(coarse: np.ndarray, factor: int) -> np.ndarray:
    """Upsample a band.

    Args:
        coarse: (rows + 2, columns + 2) uint16 DN with one pixel of margin on every side (at the scene's border: the
            border pixel again).
        factor: fine pixels per coarse pixel along an axis, even.

    Returns:
        (rows * factor, columns * factor) uint16.
    """
    values, divisor = coarse.astype(np.uint32), np.uint32(4 * factor**2)
    if coarse.min() != _NODATA:
        # Down first: there are fewer columns yet. Integer sums do not mind the order.
        down = _interleaved(_sums(values, factor, 0), factor, 0)
        return _in_pairs(_sums(down, factor, 1, plus=divisor // 2), divisor, factor)
    across = _interleaved(_sums(values, factor, 1, gaps=True), factor, 1)
    down = _interleaved(_sums(across, factor, 0, gaps=True), factor, 0)
    return ((down + divisor // 2) // divisor).astype(np.uint16)


def nearest(coarse: np.ndarray, factor: int) -> np.ndarray:
    """(rows, columns) -> (rows * factor, columns * factor): every pixel repeated."""
    # Rows last: whole rows are copied faster than single pixels.
    return coarse.repeat(factor, axis=1).repeat(factor, axis=0) if factor > 1 else coarse


def _sums(
    values: np.ndarray, factor: int, axis: int, *, gaps: bool = False, plus: int | np.uint32 = 0
) -> Iterator[np.ndarray]:
    """For each place inside a coarse pixel along an axis: the weighted sums there, times 2 * factor, and `plus`;
    uint32, the margin gone."""
    length = values.shape[axis] - 2
    before, here, after = (values[_along(axis, slice(start, start + length))] for start in range(3))
    # Places on both sides of the centre share what the pixel itself gives.
    own: dict[int, np.ndarray] = {}
    for place in range(factor):
        steps = 2 * place + 1 - factor
        weight, other = abs(steps), before if steps < 0 else after
        if gaps:
            one = np.where(here == _NODATA, other, here)
            other = np.where(other == _NODATA, here, other)
            yield one * np.uint32(2 * factor - weight) + other * np.uint32(weight) + np.uint32(plus)
            continue
        if weight not in own:
            own[weight] = here * np.uint32(2 * factor - weight)
            if plus:
                own[weight] += np.uint32(plus)
        if weight > 1:
            other = other * np.uint32(weight)
            other += own[weight]
            yield other
        else:
            yield own[weight] + other


def _interleaved(places: Iterator[np.ndarray], factor: int, axis: int) -> np.ndarray:
    """One array of all places, in order along an axis."""
    first = next(places)
    shape = list(first.shape)
    shape[axis] *= factor
    out = np.empty(shape, first.dtype)
    out[_along(axis, slice(0, None, factor))] = first
    for number, place in enumerate(places, start=1):
        out[_along(axis, slice(number, None, factor))] = place
    return out


def _in_pairs(sums: Iterator[np.ndarray], divisor: np.uint32, factor: int) -> np.ndarray:
    """As `_interleaved` along rows, of the sums over `divisor`, as uint16: two neighbours are written as one uint32,
    which halves the scattered stores that this costs most of its time on. The sums are overwritten."""

    def pairs() -> Iterator[np.ndarray]:
        for low in sums:
            high = next(sums)
            low //= divisor
            high //= divisor
            high <<= np.uint32(16)
            high |= low
            yield high

    return _interleaved(pairs(), factor // 2, 1).astype("<u4", copy=False).view("<u2")


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (part,) if axis == 0 else (slice(None), part)
