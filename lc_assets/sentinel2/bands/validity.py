"""Find the pixels that show the ground, from the bands, the scene classification (SCL) and the footprint of each band.

A pixel has no source data where all twelve bands are 0, where SCL says so, where a band's file declares nodata, and
where a band's own footprint ends. DN 0 in one band is ambiguous: before baseline 04.00 dark water was clipped to 0, and
archives that have removed the offset clip to 0 too. So a 0 in a pixel where other bands have data is interpreted by the
first of these rules that applies:

1. Its native pixel extends beyond the data of all bands. It crosses the edge of the swath, and the band ends there.
2. SCL calls all of it water, shadow, dark or snow. It is a dark pixel.
3. It is in a patch of such zeros (neighbouring cells of 60 m) that touches the scene's border or ground without
   data. There the footprint of the band ends before that of the others. In any other patch it is a dark pixel.

Since baseline 04.00 the offset keeps dark ground above 0, so a 0 to which neither of the first two rules applies is
never a dark pixel. A dark pixel counts as DN 1. Only the third rule needs the whole scene, which is read when the first
such pixel is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lc_assets.raster.upsample import nearest
from lc_assets.sentinel2.bands.rows import ABSENT, EMPTY, IMPOSSIBLE_DN, VALUE, Part
from lc_assets.sentinel2.radiometry import MIN_VALID_DN
from lc_assets.sentinel2.scl import is_dark, is_hidden, is_no_data, is_spreading

NO_SOURCE, HIDDEN, USABLE, IMPOSSIBLE = 0, 1, 2, 3
"""State of a pixel: no source data; ground hidden by SCL; can be classified; DN above `HIGHEST_DN` in a band."""

CELL = 6
"""Number of 10 m pixels along a cell's side. A cell is one pixel of the coarsest bands."""

_COLUMNS = 180 * CELL
"""Number of columns processed at a time."""
_SPECK = 5
"""Side of a square in SCL pixels. An area of cloud or shadow into which it does not fit is a speck (a roof, a water's
edge) and is not dilated."""
_EVERYWHERE = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Sources:
    """The source data of 10 m rows `top .. bottom - 1` and columns `left .. right - 1`. All four are multiples of
    `CELL`, or the scene's end.

    Attributes:
        top, bottom, left, right: rows and columns at 10 m.
        bands: the bands at their native resolution, with flags. `settle` sets dark pixels in them to DN 1.
        scl: the scene classification, or None.
        mask: the mask of a written stack, 0 where there is no data; None for a virtual stack.
    """

    top: int
    bottom: int
    left: int
    right: int
    bands: tuple[Part, ...]
    scl: Part | None
    mask: Part | None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns at 10 m."""
        return self.bottom - self.top, self.right - self.left

    def columns(self, left: int, right: int) -> Sources:
        """Return the sources of some of the columns, as views."""
        bands = tuple(part.columns(left, right) for part in self.bands)
        scl, mask = (part and part.columns(left, right) for part in (self.scl, self.mask))
        return Sources(self.top, self.bottom, left, right, bands, scl, mask)

    @property
    def outside(self) -> np.ndarray | None:
        """(rows, columns) bool: true where SCL says no data, or no band has data. None where it is false everywhere."""
        found: np.ndarray | None = None
        if all(part.flags is not None for part in self.bands):
            # Coarse bands first: usually nothing is found, and they show this fastest.
            for factor in sorted({part.factor for part in self.bands}, reverse=True):
                flags = [self._flags(part) for part in self.bands if part.factor == factor]
                none = np.logical_and.reduce([(each == EMPTY) | (each == ABSENT) for each in flags])
                if not none.any():
                    found = None
                    break
                spread = self._spread(none, factor)
                found = spread if found is None else found & spread
        for part, holds in ((self.scl, is_no_data), (self.mask, np.logical_not)):
            if part is not None:
                found_here = holds(part.cut(part.rows, self.top, self.bottom))
                if found_here.any():
                    spread = self._spread(found_here, part.factor)
                    found = spread if found is None else found | spread
        return found if found is not None and found.any() else None

    def zeros(self, outside: np.ndarray | None) -> Iterator[tuple[Part, np.ndarray, np.ndarray]]:
        """Yield (band, edge, undecided) for each band with zeros.

        `edge` are the zeros to which rule 1 of the module applies, `undecided` those that only rule 3 decides; both are
        bool at the band's resolution. All other zeros are dark pixels.
        """
        dark, reached = None, {1: outside}
        for part in self.bands:
            if part.flags is None:
                continue
            open_ = self._flags(part) == EMPTY
            if not open_.any():
                continue
            straddling = np.zeros_like(open_)
            if outside is not None:
                if part.factor not in reached:
                    reached[part.factor] = _any(outside, part.factor)
                straddling = open_ & reached[part.factor]
                open_ &= ~straddling
            if self.scl is not None and open_.any():
                if dark is None:
                    found_here = is_dark(self.scl.cut(self.scl.rows, self.top, self.bottom))
                    dark = self._spread(found_here, self.scl.factor)
                open_ &= _any(~dark, part.factor)
            yield part, straddling, open_

    def settle(self, outside: np.ndarray | None, ending: Callable[[], np.ndarray]) -> None:
        """Set dark pixels in `bands` to DN 1. Pixels that are still 0 afterwards have no reflectance.

        Args:
            outside: the value of the property `outside`.
            ending: returns (cell rows, cell columns) bool of the whole scene, from `ending_cells`. Called only if
                needed.
        """
        for part, straddling, open_ in self.zeros(outside):
            if open_.any():
                row = (self.top // part.factor + np.arange(open_.shape[0])) * part.factor // CELL
                column = (self.left // part.factor + np.arange(open_.shape[1])) * part.factor // CELL
                open_ &= ending()[np.ix_(row, column)]
            flags = self._flags(part)
            dark = (flags == EMPTY) & ~straddling & ~open_
            np.copyto(flags, VALUE, where=dark)
            np.copyto(part.cut(part.rows, self.top, self.bottom), MIN_VALID_DN, where=dark)

    def fill_state(self, state: np.ndarray, outside: np.ndarray | None, hidden: np.ndarray | None) -> None:
        """Fill `state` with the state of each pixel. Call `settle` first.

        Args:
            state: (rows, columns) uint8 to fill with `USABLE`, `HIDDEN`, ...
            outside: the value of the property `outside`.
            hidden: (rows, columns) bool at SCL's resolution, true where SCL hides the ground; None where it hides
                nothing.
        """
        state[...] = USABLE
        if self.scl is not None and hidden is not None and hidden.any():
            np.copyto(state, HIDDEN, where=self._spread(hidden, self.scl.factor))
        # Combine the bands of one resolution first: spreading to 10 m costs most.
        empty, impossible = self._flagged(EMPTY, ABSENT), self._flagged(IMPOSSIBLE_DN)
        for code, found in ((IMPOSSIBLE, impossible), (NO_SOURCE, empty)):
            for factor, odd in found.items():
                np.copyto(state, code, where=self._spread(odd, factor))
        if outside is not None:
            np.copyto(state, NO_SOURCE, where=outside)

    def _flagged(self, *flags: int) -> dict[int, np.ndarray]:
        """Return factor -> bool, true where a band of that factor has one of these flags. Factors without any are
        missing."""
        found: dict[int, np.ndarray] = {}
        for part in self.bands:
            for flag in flags if part.flags is not None else ():
                here = self._flags(part) == flag
                if here.any():
                    found[part.factor] = found[part.factor] | here if part.factor in found else here
        return found

    def _flags(self, part: Part) -> np.ndarray:
        assert part.flags is not None
        return part.cut(part.flags, self.top, self.bottom)

    def _spread(self, coarse: np.ndarray, factor: int) -> np.ndarray:
        rows, columns = self.shape
        return nearest(coarse, factor)[:rows, :columns]


def settled_state(
    sources: Sources, ending: Callable[[], np.ndarray], *, mask_hidden: bool, dilation: int
) -> np.ndarray:
    """Set dark pixels in the bands to DN 1 and return the state of each pixel, (rows, columns) uint8.

    Args:
        sources: the sources of whole rows.
        ending: see `Sources.settle`.
        mask_hidden: whether pixels with a code of `MASKED` in SCL are hidden.
        dilation: dilation of cloud and shadow, in pixels of SCL.
    """
    state: np.ndarray = np.empty(sources.shape, np.uint8)
    scl = sources.scl if mask_hidden else None
    hidden = _hidden(scl, sources.top, sources.bottom, dilation) if scl else None
    # Some columns at a time: parts without flags need little work, and the others fit into the cache.
    for left in range(0, sources.right, _COLUMNS):
        right = min(left + _COLUMNS, sources.right)
        part = sources.columns(left, right)
        outside = part.outside
        part.settle(outside, ending)
        hidden_here = hidden[:, left // scl.factor : -(-right // scl.factor)] if scl and hidden is not None else None
        part.fill_state(state[:, left:right], outside, hidden_here)
    return state


def cells_of(sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Return two (cell rows, cell columns) bool arrays: cells with ground outside all data, and cells with zeros that
    only rule 3 of the module decides."""
    outside = sources.outside
    rows, columns = sources.shape
    shape = (-(-rows // CELL), -(-columns // CELL))
    beyond = np.zeros(shape, bool) if outside is None else _any(outside, CELL)
    zeros = np.zeros(shape, bool)
    for part, _, open_ in sources.zeros(outside):
        zeros |= _any(open_, CELL // part.factor)
    return beyond, zeros


def ending_cells(beyond: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Return the cells where a band's footprint ends: zeros connected (by sides or corners) with the border or
    `beyond`.

    Args:
        beyond, zeros: (cell rows, cell columns) bool of a whole scene, from `cells_of`.

    Returns:
        (cell rows, cell columns) bool.
    """
    from scipy import ndimage

    start = ndimage.binary_dilation(beyond, _EVERYWHERE)
    start[[0, -1]] = start[:, [0, -1]] = True
    labels, _ = ndimage.label(zeros, _EVERYWHERE)
    connected = np.unique(labels[start & zeros])
    found: np.ndarray = np.isin(labels, connected)
    return found


def rows_around(dilation: int) -> int:
    """Return the number of SCL rows above and below a strip that its mask depends on, for a dilation in SCL pixels."""
    return dilation + _SPECK if dilation else 0


def _hidden(scl: Part, top: int, bottom: int, dilation: int) -> np.ndarray:
    """Return (rows, columns) bool at SCL's resolution: hidden, or within `dilation` pixels of cloud and shadow."""
    margin = rows_around(dilation)
    low = max(top // scl.factor - margin, scl.first)
    codes = scl.rows[low - scl.first : -(-bottom // scl.factor) + margin - scl.first]
    hidden = is_hidden(codes)
    if dilation and (spreading := is_spreading(codes)).any():
        hidden |= _grown(_opened(spreading, _SPECK), dilation)
    skip = top // scl.factor - low
    return hidden[skip : skip + -(-bottom // scl.factor) - top // scl.factor]


def _opened(values: np.ndarray, side: int) -> np.ndarray:
    """Return the morphological opening by a square of `side` pixels (odd). Areas continue beyond the array's border."""
    margin = side // 2
    fits = np.pad(values, margin, constant_values=True)
    for axis in (0, 1):
        fits = _moved_over(fits, side, axis, np.logical_and)
    again = np.pad(fits, margin)
    for axis in (0, 1):
        again = _moved_over(again, side, axis, np.logical_or)
    return again & values


def _moved_over(values: np.ndarray, side: int, axis: int, join: np.ufunc) -> np.ndarray:
    """Combine each run of `side` neighbours along an axis by `join`. The result is `side - 1` shorter along it."""
    length = values.shape[axis] - side + 1
    parts = [
        values[start : start + length] if axis == 0 else values[:, start : start + length] for start in range(side)
    ]
    found: np.ndarray = parts[0].copy()
    for part in parts[1:]:
        join(found, part, out=found)
    return found


def _grown(values: np.ndarray, radius: int) -> np.ndarray:
    """Return the dilation by a disc of `radius` pixels. Shifting whole arrays costs a tenth of a distance transform."""
    rows = values.shape[0]
    across, found, reach = values.copy(), values.copy(), 0
    for down in range(radius, -1, -1):  # rows of the disc, the narrowest first
        while (reach + 1) ** 2 + down**2 <= radius**2:
            reach += 1
            across[:, reach:] |= values[:, :-reach]
            across[:, :-reach] |= values[:, reach:]
        if down < rows:
            found[down:] |= across[: rows - down]
            found[: rows - down] |= across[down:]
    return found


def _any(values: np.ndarray, factor: int) -> np.ndarray:
    """Return bool per block of `factor` x `factor` pixels: true where one of them is true. Blocks at the end may be
    smaller."""
    rows, columns = (-n % factor for n in values.shape)
    if rows or columns:
        values = np.pad(values, [(0, rows), (0, columns)])
    # Strided slices cost a tenth of NumPy's reduction over short axes.
    for axis in (0, 1) if factor > 1 else ():
        parts = [values[start::factor] if axis == 0 else values[:, start::factor] for start in range(factor)]
        values = parts[0].copy()
        for part in parts[1:]:
            values |= part
    return values
