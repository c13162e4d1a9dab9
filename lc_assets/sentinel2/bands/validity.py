"""Which pixels show the ground: what the bands hold, what the scene classification (SCL) says, and where a band ends.

A pixel has no source data where all twelve bands hold 0, where SCL says so, where a band's file declares it, and where
a band's own footprint ends. DN 0 alone says nothing: before baseline 04.00 dark water was clipped to it, and archives
that have taken the offset off clip there too. So a 0 amid data is read like this, the first that fits:

1. its own pixel reaches beyond the data of all bands: it straddles the swath's edge, and the band ends there;
2. SCL calls all of it water, shadow, dark or snow: a dark pixel;
3. it is connected with the scene's border or with ground without data, over cells of 60 m that hold such zeros: the
   band's footprint ends before the others'; else it is a dark pixel.

From baseline 04.00 on, where the offset keeps dark ground from 0, a 0 that neither of the first two tells is never a
dark pixel. A dark pixel counts as DN 1. Only the third needs the whole scene; it is looked at when a first such pixel
is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lc_assets.raster.upsample import nearest
from lc_assets.sentinel2.bands.rows import ABSENT, EMPTY, IMPOSSIBLE_DN, VALUE, Part
from lc_assets.sentinel2.radiometry import MIN_VALID_DN
from lc_assets.sentinel2.scl import is_dark, is_hidden, is_no_data, is_spreading

NO_SOURCE, HIDDEN, USABLE, IMPOSSIBLE = 0, 1, 2, 3
"""What a pixel is: there is no source data; SCL hides the ground; it can be classified; a band holds a DN that no
sensor gives."""

CELL = 6
"""10 m pixels along a cell's side: a pixel of the coarsest bands."""

_COLUMNS = 180 * CELL
"""Columns looked at in one go."""
_SPECK = 5
"""Pixels of SCL along a side: what no such square fits into is a speck (a roof, a water's edge), and has no halo."""
_EVERYWHERE = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Sources:
    """What is known of 10 m rows `top .. bottom - 1` and columns `left .. right - 1`; all are multiples of `CELL`, or
    the scene's end.

    Attributes:
        top, bottom, left, right: rows and columns, 10 m.
        bands: the bands at their own resolution, flagged; dark pixels in them are set to DN 1.
        scl: the scene classification, or None.
        mask: (rows, columns), 0 where no band has data; for a stack that carries one, else None.
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
        """Rows and columns, 10 m."""
        return self.bottom - self.top, self.right - self.left

    def columns(self, left: int, right: int) -> Sources:
        """What is known of some of the columns; nothing is copied."""
        bands = tuple(part.columns(left, right) for part in self.bands)
        scl, mask = (part and part.columns(left, right) for part in (self.scl, self.mask))
        return Sources(self.top, self.bottom, left, right, bands, scl, mask)

    @property
    def outside(self) -> np.ndarray | None:
        """(rows, columns) bool: SCL says no data, or no band has any. None where that is nowhere."""
        found: np.ndarray | None = None
        if all(part.flags is not None for part in self.bands):
            # Coarse bands first: mostly there is nothing to find, and they tell soonest.
            for factor in sorted({part.factor for part in self.bands}, reverse=True):
                flags = [self._flags(part) for part in self.bands if part.factor == factor]
                none = np.logical_and.reduce([(each == EMPTY) | (each == ABSENT) for each in flags])
                if not none.any():
                    found = None
                    break
                spread = self._spread(none, factor)
                found = spread if found is None else found & spread
        for part, says in ((self.scl, is_no_data), (self.mask, np.logical_not)):
            if part is not None:
                said = says(part.cut(part.rows, self.top, self.bottom))
                if said.any():
                    spread = self._spread(said, part.factor)
                    found = spread if found is None else found | spread
        return found if found is not None and found.any() else None

    def zeros(self, outside: np.ndarray | None) -> Iterator[tuple[Part, np.ndarray, np.ndarray]]:
        """Each band that holds zeros: (band, those at the edge of `outside`, those that only their connection tells),
        both bool at the band's resolution. All other zeros are dark pixels."""
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
                    said = is_dark(self.scl.cut(self.scl.rows, self.top, self.bottom))
                    dark = self._spread(said, self.scl.factor)
                open_ &= _any(~dark, part.factor)
            yield part, straddling, open_

    def settle(self, outside: np.ndarray | None, ending: Callable[[], np.ndarray]) -> None:
        """Set dark pixels in `bands` to DN 1; what is still 0 afterwards holds no reflectance.

        Args:
            outside: from `outside`.
            ending: gives (cell rows, cell columns) bool of the whole scene, from `ending_cells`; asked if needed.
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

    def tell(self, state: np.ndarray, outside: np.ndarray | None, hidden: np.ndarray | None) -> None:
        """Fill `state`, (rows, columns) uint8, with `USABLE` and the like, of bands that are settled.

        Args:
            state: to be filled.
            outside: from `outside`.
            hidden: (rows, columns) bool, where SCL hides the ground, at its resolution; None where nowhere.
        """
        state[...] = USABLE
        if self.scl is not None and hidden is not None and hidden.any():
            np.copyto(state, HIDDEN, where=self._spread(hidden, self.scl.factor))
        # Bands of one resolution together: what is spread to 10 m costs most.
        empty, impossible = self._flagged(EMPTY, ABSENT), self._flagged(IMPOSSIBLE_DN)
        for code, found in ((IMPOSSIBLE, impossible), (NO_SOURCE, empty)):
            for factor, odd in found.items():
                np.copyto(state, code, where=self._spread(odd, factor))
        if outside is not None:
            np.copyto(state, NO_SOURCE, where=outside)

    def _flagged(self, *flags: int) -> dict[int, np.ndarray]:
        """Factor -> where a band of that factor has one of these flags; without those that have none."""
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
    """(rows, columns) uint8, `USABLE` and the like; the bands are settled.

    Args:
        sources: of whole rows.
        ending: see `Sources.settle`.
        mask_hidden: whether pixels count as hidden that SCL calls so.
        dilation: pixels of SCL by which cloud and shadow are grown.
    """
    state: np.ndarray = np.empty(sources.shape, np.uint8)
    scl = sources.scl if mask_hidden else None
    hidden = _hidden(scl, sources.top, sources.bottom, dilation) if scl else None
    # Some columns at a time: where no band has a flag there is little to do, and what there is fits into the cache.
    for left in range(0, sources.right, _COLUMNS):
        right = min(left + _COLUMNS, sources.right)
        part = sources.columns(left, right)
        outside = part.outside
        part.settle(outside, ending)
        hidden_here = hidden[:, left // scl.factor : -(-right // scl.factor)] if scl and hidden is not None else None
        part.tell(state[:, left:right], outside, hidden_here)
    return state


def cells_of(sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """(cell rows, cell columns) bool each: cells with ground outside of all data, and with zeros that only their
    connection tells."""
    outside = sources.outside
    rows, columns = sources.shape
    shape = (-(-rows // CELL), -(-columns // CELL))
    beyond = np.zeros(shape, bool) if outside is None else _any(outside, CELL)
    zeros = np.zeros(shape, bool)
    for part, _, open_ in sources.zeros(outside):
        zeros |= _any(open_, CELL // part.factor)
    return beyond, zeros


def ending_cells(beyond: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Cells where a band's footprint ends: zeros connected (by sides or corners) with the border or with `beyond`.

    Args:
        beyond, zeros: (cell rows, cell columns) bool of a whole scene, from `cells_of`.
    """
    start = ndimage.binary_dilation(beyond, _EVERYWHERE)
    start[[0, -1]] = start[:, [0, -1]] = True
    labels, _ = ndimage.label(zeros, _EVERYWHERE)
    connected = np.unique(labels[start & zeros])
    found: np.ndarray = np.isin(labels, connected)
    return found


def rows_around(dilation: int) -> int:
    """Rows of SCL beyond a strip that tell what is hidden in it, for a dilation in pixels of SCL."""
    return dilation + _SPECK if dilation else 0


def _hidden(scl: Part, top: int, bottom: int, dilation: int) -> np.ndarray:
    """(rows, columns) bool at SCL's resolution: hidden, or within `dilation` pixels of cloud and shadow."""
    margin = rows_around(dilation)
    low = max(top // scl.factor - margin, scl.first)
    codes = scl.rows[low - scl.first : -(-bottom // scl.factor) + margin - scl.first]
    hidden = is_hidden(codes)
    if dilation and (spreading := is_spreading(codes)).any():
        hidden |= _grown(_opened(spreading, _SPECK), dilation)
    skip = top // scl.factor - low
    return hidden[skip : skip + -(-bottom // scl.factor) - top // scl.factor]


def _opened(values: np.ndarray, side: int) -> np.ndarray:
    """What squares of `side` pixels, an odd number, fit into; an array's border is no end of anything."""
    margin = side // 2
    fits = np.pad(values, margin, constant_values=True)
    for axis in (0, 1):
        fits = _moved_over(fits, side, axis, np.logical_and)
    again = np.pad(fits, margin)
    for axis in (0, 1):
        again = _moved_over(again, side, axis, np.logical_or)
    return again & values


def _moved_over(values: np.ndarray, side: int, axis: int, join: np.ufunc) -> np.ndarray:
    """Each `side` neighbours along an axis, joined; `side - 1` shorter there."""
    length = values.shape[axis] - side + 1
    parts = [
        values[start : start + length] if axis == 0 else values[:, start : start + length] for start in range(side)
    ]
    found: np.ndarray = parts[0].copy()
    for part in parts[1:]:
        join(found, part, out=found)
    return found


def _grown(values: np.ndarray, radius: int) -> np.ndarray:
    """True within `radius` pixels of a true one. Shifts of whole arrays cost a tenth of a distance transform."""
    rows = values.shape[0]
    across, found, reach = values.copy(), values.copy(), 0
    for down in range(radius, -1, -1):  # the disc's rows, the narrowest first
        while (reach + 1) ** 2 + down**2 <= radius**2:
            reach += 1
            across[:, reach:] |= values[:, :-reach]
            across[:, :-reach] |= values[:, reach:]
        if down < rows:
            found[down:] |= across[: rows - down]
            found[: rows - down] |= across[down:]
    return found


def _any(values: np.ndarray, factor: int) -> np.ndarray:
    """True where one of `factor` x `factor` pixels is; the last ones may be fewer."""
    rows, columns = (-n % factor for n in values.shape)
    if rows or columns:
        values = np.pad(values, [(0, rows), (0, columns)])
    # Strided slices cost a tenth of numpy's reduction over short axes.
    for axis in (0, 1) if factor > 1 else ():
        parts = [values[start::factor] if axis == 0 else values[:, start::factor] for start in range(factor)]
        values = parts[0].copy()
        for part in parts[1:]:
            values |= part
    return values
