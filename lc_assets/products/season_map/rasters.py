"""The rasters of many scenes, read on the grid of a season map by several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from lc_assets.raster.grid import Grid

MAX_OPEN = 64
"""Rasters that a thread keeps open. A season of a large area has hundreds, and a process may open about a thousand
files."""

TOLERANCE = 0.001
"""Largest error, in pixels, of the place of a pixel in another CRS. GDAL's default is an eighth: it would
sometimes read a neighbour of the pixel, and a different one if a block begins elsewhere."""


class WarpedRasters:
    """Reads windows of rasters on another grid. Each thread opens its own, and keeps the latest ones open.

    Use it as a context: at its end all rasters are closed.
    """

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: set[WarpedVRT] = set()

    def __enter__(self) -> WarpedRasters:
        return self

    def __exit__(self, *exception: object) -> None:
        for vrt in self._all:
            _close(vrt)
        self._all.clear()

    def read_codes(self, path: str, grid: Grid, window: Window) -> np.ndarray:
        """Return the first band in a window of a grid, by the nearest pixel; the raster's nodata outside it."""
        codes: np.ndarray = self._read(path, grid, Resampling.nearest, window)[0]
        return codes

    def read_values(self, path: str, grid: Grid, window: Window) -> np.ndarray:
        """Return all bands in a window of a grid, (bands, rows, columns) float32, bilinear among pixels that have data;
        the raster's nodata elsewhere."""
        return self._read(path, grid, Resampling.bilinear, window).astype(np.float32, copy=False)

    def _read(self, path: str, grid: Grid, resampling: Resampling, window: Window) -> np.ndarray:
        raster = self._open(path, grid, resampling)
        indexes = None if resampling == Resampling.bilinear else [1]
        offset = _offset(raster.src_dataset, grid)
        if offset is None:
            values: np.ndarray = raster.read(indexes, window=window)
            return values
        # Both grids have the same pixels. Without a warp they are read much faster.
        source = raster.src_dataset
        top, left = window.row_off + offset[0], window.col_off + offset[1]
        rows = slice(max(0, -top), min(window.height, source.height - top))
        columns = slice(max(0, -left), min(window.width, source.width - left))
        count = source.count if indexes is None else 1
        out = np.full((count, window.height, window.width), source.nodata, source.dtypes[0])
        if rows.start < rows.stop and columns.start < columns.stop:
            part = Window(left + columns.start, top + rows.start, columns.stop - columns.start, rows.stop - rows.start)
            out[:, rows, columns] = source.read(indexes, window=part)
        return out

    def _open(self, path: str, grid: Grid, resampling: Resampling) -> WarpedVRT:
        opened: OrderedDict[tuple[str, Grid], WarpedVRT] = self._own.__dict__.setdefault("opened", OrderedDict())
        key = (path, grid)
        if key in opened:
            opened.move_to_end(key)
            return opened[key]
        if len(opened) >= MAX_OPEN:
            _, oldest = opened.popitem(last=False)
            self._all.discard(oldest)
            _close(oldest)
        dataset = rasterio.open(path)
        opened[key] = vrt = WarpedVRT(
            dataset,
            **grid.profile,
            resampling=resampling,
            tolerance=TOLERANCE,
            dtype="float32" if resampling == Resampling.bilinear else None,
        )
        self._all.add(vrt)
        return vrt


def _close(vrt: WarpedVRT) -> None:
    source = vrt.src_dataset
    vrt.close()
    with suppress(AttributeError):
        source.close()


def _offset(source: DatasetReader, grid: Grid) -> tuple[int, int] | None:
    """Return the row and column of a raster at which a grid begins; None if their pixels are not the same."""
    own = Grid.of(source)
    if own.crs != grid.crs or own.resolution != grid.resolution or not own.is_north_up():
        return None
    column, row = ~own.transform @ (grid.transform.c, grid.transform.f)
    if max(abs(column - round(column)), abs(row - round(row))) > 1e-3:
        return None
    return round(row), round(column)
