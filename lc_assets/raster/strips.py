"""Read a stack from top to bottom in strips, every block of every file decoded once, and cut blocks out of the strips.

A virtual stack that interpolates bilinearly is not read through GDAL's resampling but from its native bands, which are
interpolated block by block where they are needed (`lc_assets.raster.upsample`: the same pixels). Any other stack is
read at 10 m as it is. Files are decoded side by side by a few threads; GDAL releases Python's lock meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from lc_assets.places import Place, gdal_name
from lc_assets.raster.stack import STACK_VRT, Stack, native_vrt, undecodable
from lc_assets.raster.upsample import bilinear, nearest
from lc_assets.sentinel2.bands import BAND_NAMES
from lc_assets.sentinel2.radiometry import NODATA_DN
from lc_assets.sentinel2.scl import is_hidden

NO_SOURCE, HIDDEN, USABLE = 0, 1, 2
"""What a pixel is: a native band has no data there; SCL hides the ground; it can be classified."""

_MARGIN = 1
"""Coarse pixels beyond a block that interpolation looks at."""


Reading = Callable[[rasterio.DatasetReader, Window, np.ndarray], object]
"""Fill an array with a window of a dataset."""


def reflected(start: int, stop: int, length: int) -> np.ndarray:
    """Positions inside `0..length-1` that stand for `start..stop-1` when the axis is continued by reflection at its
    end.

    The edge itself is repeated (`... n-2 n-1 n-1 n-2 ...`), as often as it takes: a scene of one pixel works too.
    Before 0 the axis goes on in the same way. Bilinear upsampling commutes with this: a reflected coarse band is the
    reflected fine one.
    """
    position = np.arange(start, stop) % (2 * length)
    return np.where(position < length, position, 2 * length - 1 - position)


@dataclass(frozen=True)
class _Part:
    """Rows `first ..` of one band, at its own resolution."""

    factor: int
    first: int
    rows: np.ndarray


@dataclass(frozen=True)
class Strip:
    """Decoded rows of a stack, all columns.

    Attributes:
        shape: height and width of the whole scene, 10 m pixels.
        bands: the twelve bands at their own resolution, with the rows that blocks of this strip need.
        first: first row of `state`.
        state: (rows, width) uint8, `NO_SOURCE`, `HIDDEN` or `USABLE`.
    """

    shape: tuple[int, int]
    bands: tuple[_Part, ...]
    first: int
    state: np.ndarray

    def usable(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        """(rows, columns) bool of a block; beyond the scene's lower and right edge it is reflected."""
        height, width = self.shape
        return _cut(self.state, top, left, rows, columns, height, width, self.first) == USABLE

    def read_dn(self, out: np.ndarray, top: int, left: int, bands: tuple[int, ...]) -> None:
        """Fill (bands, rows, columns) uint16 with the DN of a block at 10 m, offset included; reflected as `usable`."""
        for layer, band in zip(out, bands, strict=True):
            layer[...] = _block(self.bands[band], top, left, layer.shape[0], layer.shape[1], self.shape)


class StripReader:
    """Reads strips in order, from top to bottom. Use as a context manager.

    Args:
        stack: what to read.
        mask_hidden: look at the scene classification, where there is one.
        threads: files decoded at a time.
    """

    def __init__(self, stack: Stack, *, mask_hidden: bool, threads: int) -> None:
        self.stack = stack
        self._close = ExitStack()
        try:
            native = stack.path.name == STACK_VRT and stack.kernel == "bilinear"
            self._bands = [self._native(name) for name in BAND_NAMES] if native else self._stacked()
            self._mask = None if native else self._rows(stack.path, _read_mask)
            scl = stack.scl_path if mask_hidden else None
            self._scl = self._rows(scl, _read(1)) if scl else None
        except RasterioIOError as error:
            self._close.close()
            raise undecodable(error, stack) from None
        # Entered last, so left first: no file may be closed while a thread still reads it.
        self._pool = self._close.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="decode"))

    def __enter__(self) -> StripReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._close.close()

    def read(self, top: int, bottom: int) -> Strip:
        """The next strip: rows top .. bottom - 1, neither of them above the last one's.

        Raises:
            BadBand: a native file cannot be decoded there.
        """
        sources = [*self._bands, *(rows for rows in (self._mask, self._scl) if rows)]
        parts = list(self._pool.map(lambda rows: self._span(rows, top, bottom), sources))
        bands = tuple(parts[: len(self._bands)])
        mask = parts[len(bands)] if self._mask else None
        scl = parts[-1] if self._scl else None
        return Strip(self.stack.grid.shape, bands, top, _state(bands, mask, scl, top, bottom, self.stack.grid.width))

    def _span(self, rows: _Rows, top: int, bottom: int) -> _Part:
        try:
            return rows.span(top, bottom)
        except RasterioIOError as error:
            raise undecodable(error, self.stack, rows.band) from None

    def _native(self, name: str) -> _Rows:
        return self._rows(self.stack.path.with_name(native_vrt(name)), _read(1), _MARGIN, name)

    def _stacked(self) -> list[_Rows]:
        return [self._rows(self.stack.path, _read(number)) for number in range(1, len(BAND_NAMES) + 1)]

    def _rows(self, path: Place, read: Reading, margin: int = 0, band: str | None = None) -> _Rows:
        # A handle of its own for each: handles must not be shared between threads.
        dataset = self._close.enter_context(rasterio.open(gdal_name(path)))
        return _Rows(dataset, read, self.stack.grid.width // dataset.width, margin, band)


class _Rows:
    """The rows of one raster, decoded once: what the next strip needs again is kept."""

    def __init__(
        self, dataset: rasterio.DatasetReader, read: Reading, factor: int, margin: int, band: str | None
    ) -> None:
        self.band = band
        self._dataset, self._read, self._factor, self._margin = dataset, read, factor, margin
        kind = np.uint8 if read is _read_mask else dataset.dtypes[0]
        self._kept = _Part(factor, 0, np.empty((0, dataset.width), kind))

    def span(self, top: int, bottom: int) -> _Part:
        """Rows top .. bottom - 1 (10 m), with the margin."""
        margin = self._margin if self._factor > 1 else 0
        first = max(top // self._factor - margin, 0)
        stop = min(-(-bottom // self._factor) + margin, self._dataset.height)
        kept = self._kept
        have = max(kept.first + len(kept.rows), first)
        rows = kept.rows[first - kept.first :]
        if stop > have:
            kept_rows, rows = rows, np.empty((stop - first, self._dataset.width), rows.dtype)
            rows[: len(kept_rows)] = kept_rows
            self._read(self._dataset, Window(0, have, self._dataset.width, stop - have), rows[len(kept_rows) :])
        self._kept = _Part(self._factor, first, rows)
        return self._kept


def _read(band: int) -> Reading:
    return lambda dataset, window, out: dataset.read(band, window=window, out=out)


def _read_mask(dataset: rasterio.DatasetReader, window: Window, out: np.ndarray) -> None:
    dataset.read_masks(1, window=window, out=out)


def _state(
    bands: tuple[_Part, ...], mask: _Part | None, scl: _Part | None, top: int, bottom: int, width: int
) -> np.ndarray:
    """(bottom - top, width) uint8; see `Strip.state`. Coarse bands are looked at before they are spread."""
    state: np.ndarray = np.full((bottom - top, width), USABLE, np.uint8)
    of_factor: dict[int, list[np.ndarray]] = {}
    for part in [mask] if mask else bands:
        low, high = top // part.factor - part.first, -(-bottom // part.factor) - part.first
        of_factor.setdefault(part.factor, []).append(part.rows[low:high])
    for factor, layers in of_factor.items():
        # A look at each band is cheap; most strips have data everywhere.
        empty = [layer for layer in layers if layer.min() == NODATA_DN]
        if empty:
            present = empty[0] != NODATA_DN
            for layer in empty[1:]:
                present &= layer != NODATA_DN
            state *= _spread(present, factor, top, bottom)
    if scl:
        low, high = top // scl.factor - scl.first, -(-bottom // scl.factor) - scl.first
        hidden = is_hidden(scl.rows[low:high])
        if hidden.any():
            state[_spread(hidden, scl.factor, top, bottom) & (state == USABLE)] = HIDDEN
    return state


def _spread(coarse: np.ndarray, factor: int, top: int, bottom: int) -> np.ndarray:
    """A coarse bool raster whose first row holds row `top`, at 10 m."""
    skip = top % factor
    return nearest(coarse, factor)[skip : skip + bottom - top]


def _block(part: _Part, top: int, left: int, rows: int, columns: int, shape: tuple[int, int]) -> np.ndarray:
    height, width = shape
    factor = part.factor
    if factor == 1:
        return _cut(part.rows, top, left, rows, columns, height, width, part.first)
    # The coarse pixels that hold the block, and one more on each side.
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
    """A block of a raster of `height` x `width`, of which `values` holds the rows from `first` on; reflected beyond its
    edges."""
    if top >= 0 and top + rows <= height:
        values = values[top - first : top - first + rows]
    else:
        values = values[reflected(top, top + rows, height) - first]
    if left >= 0 and left + columns <= width:
        return values[:, left : left + columns]
    # What lies inside is copied as a whole: the scene's width may be cut with a few pixels of overhang.
    low, high = max(left, 0), min(left + columns, width)
    before, after = reflected(left, low, width), reflected(max(high, low), left + columns, width)
    return np.concatenate([values[:, before], values[:, low:high], values[:, after]], axis=1)
