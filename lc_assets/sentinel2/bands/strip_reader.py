"""Read a stack in strips from top to bottom, decoding every block of every file once, and cut blocks out of the strips.

For a virtual stack with the bilinear kernel, GDAL's resampling is not used: the native bands are read and interpolated
block by block where they are needed (`lc_assets.raster.upsample` gives the same pixels). With other kernels GDAL
interpolates strip by strip. A written stack is read at 10 m as it is. The native bands determine which pixels show the
ground (`lc_assets.sentinel2.bands.validity`). A pixel that does not is replaced by the nearest one that does
(`lc_assets.raster.fill`). A few threads decode the files in parallel; GDAL releases Python's global lock while it
decodes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError

from lc_assets.raster.fill import nearest as nearest_visible
from lc_assets.raster.upsample import bilinear
from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES, PIXEL_SIZE, SCL_GSD
from lc_assets.sentinel2.bands.rows import Part, Reading, Rows, read_band, read_mask
from lc_assets.sentinel2.bands.stack import STACK_VRT, Stack, native_vrt, undecodable
from lc_assets.sentinel2.bands.validity import CELL, USABLE, Sources, cells_of, ending_cells, rows_around, settled_state
from lc_assets.sentinel2.radiometry import NODATA_DN
from lc_assets.store.paths import StorePath, gdal_path

_MARGIN = 1
"""Number of coarse pixels beyond a block that interpolation uses."""
_GDAL_NAMES = {"cubicspline": "cubic_spline"}
"""GDAL's name of a kernel -> rasterio's name, where they differ."""
_CELLS = 85 * CELL
"""Rows decoded at a time when the whole scene is searched for zeros."""


def reflected(start: int, stop: int, length: int) -> np.ndarray:
    """Return the positions in `0..length-1` that replace `start..stop-1` when an axis is extended by reflection.

    The edge itself is repeated (`... n-2 n-1 n-1 n-2 ...`), and the reflection is repeated as often as necessary, so a
    scene of one pixel works too. The axis is extended in the same way before 0. Bilinear upsampling commutes with the
    reflection: upsampling a reflected coarse band gives the reflected fine band.
    """
    position = np.arange(start, stop) % (2 * length)
    return np.where(position < length, position, 2 * length - 1 - position)


@dataclass(frozen=True)
class Strip:
    """Decoded rows of a stack, all columns.

    Attributes:
        shape: height and width of the whole scene, in 10 m pixels.
        bands: the twelve bands at their native resolution, with the rows that the blocks of this strip need.
        first: number of the first row of `state`.
        state: (rows, width) uint8, see `lc_assets.sentinel2.bands.validity`.
        reach: largest distance between a pixel that is not usable and the one that replaces it, in pixels.
    """

    shape: tuple[int, int]
    bands: tuple[Part, ...]
    first: int
    state: np.ndarray
    reach: int

    def usable(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        """Return (rows, columns) bool: true where a pixel of the block is usable. Outside the scene it is reflected."""
        height, width = self.shape
        return _cut(self.state, top, left, rows, columns, height, width, self.first) == USABLE

    def read_dn(self, out: np.ndarray, top: int, left: int, bands: tuple[int, ...]) -> None:
        """Fill `out`, (bands, rows, columns) uint16, with the DN of a block at 10 m, offset included; reflected as
        `usable`."""
        for layer, band in zip(out, bands, strict=True):
            layer[...] = _block(self.bands[band], top, left, layer.shape[0], layer.shape[1], self.shape)

    def read_filled(self, out: np.ndarray, top: int, left: int, bands: tuple[int, ...]) -> np.ndarray:
        """Fill `out` as `read_dn`, but replace a pixel that is not usable by the nearest usable one.

        Returns:
            (rows, columns) bool: false where no usable pixel is within `reach`. The values of `out` are undefined
            there.
        """
        _, rows, columns = out.shape
        seen = self.usable(top, left, rows, columns)
        if seen.all():
            self.read_dn(out, top, left, bands)
            return seen
        reach = self.reach
        wide = self.usable(top - reach, left - reach, rows + 2 * reach, columns + 2 * reach)
        if not wide.any():
            return seen
        inner = (slice(reach, reach + rows), slice(reach, reach + columns))
        hidden, source = nearest_visible(wide, reach, inner)
        row, column = (at - reach for at in np.divmod(hidden, wide.shape[1]))
        seen[row, column] = True
        # Interpolate only what the block and the replacing pixels need.
        from_row, from_column = (at - reach for at in np.divmod(source, wide.shape[1]))
        above, before = (min(int(at.min(initial=0)), 0) for at in (from_row, from_column))
        down, across = (max(int(at.max(initial=0)) + 1, n) for at, n in ((from_row, rows), (from_column, columns)))
        for layer, band in zip(out, bands, strict=True):
            dn = _block(self.bands[band], top + above, left + before, down - above, across - before, self.shape)
            layer[...] = dn[-above : rows - above, -before : columns - before]
            layer[row, column] = dn[from_row - above, from_column - before]
        return seen


class StripReader:
    """Reads strips in order, from top to bottom. Use as a context manager.

    Args:
        stack: the stack to read.
        mask_hidden: whether pixels with a code of `MASKED` in the scene classification, if there is one, are hidden.
        threads: number of files decoded at a time.
        dilation: dilation of cloud and shadow masks, in metres.
        reach: see `Strip`; so many more rows are read above and below each strip.
    """

    def __init__(self, stack: Stack, *, mask_hidden: bool, threads: int, dilation: int = 0, reach: int = 0) -> None:
        self.stack = stack
        self._mask_hidden, self._threads, self._reach = mask_hidden, threads, reach
        self._ending: np.ndarray | None = None
        self._known = (0, np.empty((0, stack.grid.width), np.uint8))
        """The end of the rows whose state is known, and the state of the rows of the last call."""
        self._close = ExitStack()
        try:
            virtual = stack.path.name == STACK_VRT
            self._bands = [self._band(name, virtual) for name in BAND_NAMES]
            self._kernel = stack.kernel if virtual and stack.kernel != "bilinear" else None
            self._mask = None if virtual else self._rows(stack.path, read_mask)
            self._dilation = 0
            self._scl = None
            if stack.scl_path:
                self._scl = self._classification(stack.scl_path)
                self._dilation = round(dilation / SCL_GSD)
                self._scl.margin = rows_around(self._dilation)
        except RasterioIOError as error:
            self._close.close()
            raise undecodable(error, stack) from None
        # Entered last, so closed first: no file may be closed while a thread still reads it.
        self._pool = self._close.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="decode"))

    def __enter__(self) -> StripReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._close.close()

    def read(self, top: int, bottom: int) -> Strip:
        """Return the next strip: rows `top .. bottom - 1`. Neither may be smaller than in the previous call.

        Raises:
            BadBand: a native file cannot be decoded.
        """
        # Interpolation needs one more coarse pixel around its result, two for the cubic kernels.
        beyond = self._reach + (2 * CELL if self._kernel else CELL)
        low = max((top - beyond) // CELL * CELL, 0)
        high = min(-(-(bottom + beyond) // CELL) * CELL, self.stack.grid.height)
        sources = self._sources(low, high)
        known, state = self._known
        if high > known:  # the state of the rows above is known from the last call
            added = replace(sources, top=max(known, low))
            found = settled_state(added, self._ending_cells, mask_hidden=self._mask_hidden, dilation=self._dilation)
            state = np.concatenate([state[len(state) - max(known - low, 0) :], found])
            self._known = high, state
        bands = sources.bands
        if self._kernel:
            bands = tuple(_interpolated(part, self._kernel) for part in bands)
        return Strip(self.stack.grid.shape, bands, low, state[len(state) - (high - low) :], self._reach)

    def _sources(self, top: int, bottom: int) -> Sources:
        extra = [rows for rows in (self._scl, self._mask) if rows]
        parts = list(self._pool.map(lambda rows: self._span(rows, top, bottom), [*self._bands, *extra]))
        bands = tuple(parts[: len(self._bands)])
        scl = parts[len(bands)] if self._scl else None
        return Sources(top, bottom, 0, self.stack.grid.width, bands, scl, parts[-1] if self._mask else None)

    def _ending_cells(self) -> np.ndarray:
        """Return the cells of the whole scene where a band's footprint ends; see `ending_cells`. Computed once."""
        if self._ending is None and self.stack.offset:
            # With an offset, 0 always means "no data": ESA reserves it, and the offset keeps dark ground above 0.
            self._ending = np.ones([-(-n // CELL) for n in self.stack.grid.shape], bool)
        if self._ending is None:
            with StripReader(self.stack, mask_hidden=False, threads=self._threads) as other:
                height = self.stack.grid.height
                strips = [cells_of(other._sources(top, min(top + _CELLS, height))) for top in range(0, height, _CELLS)]
            self._ending = ending_cells(*(np.concatenate(cells) for cells in zip(*strips, strict=True)))
        return self._ending

    def _span(self, rows: Rows, top: int, bottom: int) -> Part:
        try:
            return rows.span(top, bottom)
        except RasterioIOError as error:
            raise undecodable(error, self.stack, rows.band) from None

    def _band(self, name: str, virtual: bool) -> Rows:
        path = self.stack.path
        if virtual:
            return self._rows(path.with_name(native_vrt(name)), read_band(1), band=name, flagged=True)
        return self._rows(path, read_band(BAND_INDEX[name] + 1), flagged=True)

    def _classification(self, path: StorePath) -> Rows:
        """Read the scene classification at its native 20 m. In a stack its pixels are repeated to 10 m."""
        dataset = self._close.enter_context(rasterio.open(gdal_path(path)))
        given = self.stack.grid.width // dataset.width
        return Rows(dataset, SCL_GSD // PIXEL_SIZE, read_band(1), step=SCL_GSD // PIXEL_SIZE // given)

    def _rows(self, path: StorePath, reading: Reading, *, band: str | None = None, flagged: bool = False) -> Rows:
        # Each band gets its own handle, because handles must not be shared between threads.
        dataset = self._close.enter_context(rasterio.open(gdal_path(path)))
        return Rows(dataset, self.stack.grid.width // dataset.width, reading, band=band, flagged=flagged)


def _interpolated(part: Part, kernel: str) -> Part:
    """Return the rows at 10 m, interpolated by GDAL. Dark pixels must be set first, so that all other zeros are
    nodata."""
    if part.factor == 1:
        return part
    rows, columns = part.rows.shape
    profile = {"driver": "GTiff", "height": rows, "width": columns, "count": 1, "dtype": "uint16", "nodata": NODATA_DN}
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(part.rows, 1)
        with memory.open() as dataset:
            shape = (rows * part.factor, columns * part.factor)
            fine = dataset.read(1, out_shape=shape, resampling=Resampling[_GDAL_NAMES.get(kernel, kernel)])
    return Part(1, part.first * part.factor, fine)


def _block(part: Part, top: int, left: int, rows: int, columns: int, shape: tuple[int, int]) -> np.ndarray:
    height, width = shape
    factor = part.factor
    if factor == 1:
        return _cut(part.rows, top, left, rows, columns, height, width, part.first)
    # The coarse pixels that contain the block, and one more on each side.
    above, before = top // factor - _MARGIN, left // factor - _MARGIN
    down = -(-(top + rows) // factor) + _MARGIN - above
    across = -(-(left + columns) // factor) + _MARGIN - before
    coarse = _cut(part.rows, above, before, down, across, height // factor, width // factor, part.first)
    fine = bilinear(coarse, factor)
    skip_rows, skip_columns = top % factor, left % factor
    return fine[skip_rows : skip_rows + rows, skip_columns : skip_columns + columns]


def _cut(
    values: np.ndarray, top: int, left: int, rows: int, columns: int, height: int, width: int, first: int
) -> np.ndarray:
    """Return a block of a raster of `height` x `width` pixels, reflected beyond its edges. `values` has the rows from
    `first` on."""
    if top >= 0 and top + rows <= height:
        values = values[top - first : top - first + rows]
    else:
        values = values[reflected(top, top + rows, height) - first]
    if left >= 0 and left + columns <= width:
        return values[:, left : left + columns]
    # The part inside the scene is copied as one slice: often only a few columns are outside.
    low, high = max(left, 0), min(left + columns, width)
    before, after = reflected(left, low, width), reflected(max(high, low), left + columns, width)
    return np.concatenate([values[:, before], values[:, low:high], values[:, after]], axis=1)
