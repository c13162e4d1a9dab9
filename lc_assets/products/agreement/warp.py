"""Resamples the classes of a reference map to the scene's grid: by mode, strip by strip, from one or more tiles.

Each pixel of the scene gets the class that covers most of it. To find this class, a regular set of points is sampled in
the pixel. The points are half a reference pixel apart, or closer, with at most 12 points along an edge. The pixel gets
the most frequent class of its points. If several classes are equally frequent, the first one in the crosswalk wins.

GDAL's mode resampling is not used. It gives each reference pixel that touches the pixel a full vote, even if the
overlap is small, and of equally frequent classes the upper one wins. This shifts WorldCover by up to half a pixel on a
UTM grid. (Measured with blocks of 8 x 8 reference pixels: GDAL's mode gives the class of the largest area on 94 % of
the pixels, and fits best if the reference is shifted by half a pixel. This module gives it on 98 %, and fits best
without a shift.)

Coordinates are transformed exactly at every 64th pixel of the grid and interpolated between these nodes (error in UTM:
half a millimetre). The nodes belong to the grid, so the result of a window does not depend on what is read around it.
If the reference has the grid of the scene, its classes are copied unchanged.

Tiles with a common pixel grid (same CRS, same pixels) are mosaicked first, so a pixel on the border of two tiles gets
its class from both. Pixels that one pixel grid does not cover are taken from the next one (such as the neighbouring UTM
zone of the annual LULC). Classes are positions in the crosswalk's reference classes, and are grouped after the mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform
from rasterio.windows import Window

from lc_assets.core.cpu import cpu_count
from lc_assets.core.errors import BadBand
from lc_assets.products.agreement.crosswalk import Crosswalk
from lc_assets.products.agreement.reference_tiles import OpenTile
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import most_frequent

NO_REFERENCE = 255
"""Position that means "no data"."""
MAX_PIXELS = 1 << 26
"""Largest number of reference pixels in memory. A window that needs more is resampled in parts."""

_STEP = 64
_FRACTION = 12
"""Fraction bits of a fixed-point coordinate in the reference: 1/4096 of a pixel."""
_MIN_POINTS, _MAX_POINTS = 4, 12
"""Smallest and largest number of points along an edge of a pixel. The number is even: if the reference is shifted by
half a pixel, both sides get the same number of votes."""
MAX_RATIO = 40
"""Largest number of reference pixels along an edge of a pixel: 0.25 m pixels for a map of 10 m."""


@dataclass(frozen=True)
class _PixelGrid:
    """Tiles with a common pixel grid.

    Attributes:
        crs: CRS of the tiles.
        transform: transform of the first tile. All rows and columns count from its upper left corner.
        tiles: (tile, its first row, its first column).
    """

    crs: CRS
    transform: Affine
    tiles: list[tuple[OpenTile, int, int]]

    def add_if_aligned(self, tile: OpenTile) -> bool:
        """Add a tile if it has this pixel grid. Return whether it was added."""
        offset = _offset(self.transform, tile.dataset.transform) if self.crs == tile.dataset.crs else None
        if offset:
            self.tiles.append((tile, *offset))
        return offset is not None

    def placed_tiles(self) -> Iterator[tuple[OpenTile, int, int]]:
        """Yield each tile with its first row and column. In a CRS in degrees, also shifted by 360 degrees each way."""
        upright = not (self.transform.b or self.transform.d)
        around = round(360 / self.transform.a) if self.crs.is_geographic and upright else 0
        for tile, row, column in self.tiles:
            for shift in (0, -around, around) if around else (0,):
                yield tile, row, column + shift

    def covers(self, window: Window) -> bool:
        """Return whether a tile intersects a window of the pixel grid."""
        return any(self._part(window, *placed) is not None for placed in self.placed_tiles())

    def read(self, window: Window, classes: Callable[[OpenTile, Window], np.ndarray]) -> np.ndarray:
        """Return a mosaic of the tiles: (rows, columns) uint8 positions. Where tiles overlap, the first with data wins.

        Args:
            window: window of the pixel grid.
            classes: reads the positions in a window of a tile.
        """
        mosaic = np.full((window.height, window.width), NO_REFERENCE, np.uint8)
        for tile, row, column in self.placed_tiles():
            part = self._part(window, tile, row, column)
            if part is not None:
                top, left = row + part.row_off - window.row_off, column + part.col_off - window.col_off
                area = mosaic[top : top + part.height, left : left + part.width]
                np.copyto(area, classes(tile, part), where=area == NO_REFERENCE)
        return mosaic

    @staticmethod
    def _part(window: Window, tile: OpenTile, row: int, column: int) -> Window | None:
        """Return a tile's part in a window of the pixel grid, in the tile's rows and columns; None if it is empty."""
        top, left = max(window.row_off - row, 0), max(window.col_off - column, 0)
        bottom = min(window.row_off + window.height - row, tile.dataset.height)
        right = min(window.col_off + window.width - column, tile.dataset.width)
        return Window(left, top, right - left, bottom - top) if top < bottom and left < right else None


class Reprojector:
    """Reads a reference map, resampled to the grid of a scene.

    Args:
        tiles: open tiles. Where tiles of different pixel grids overlap, those in the scene's CRS have priority.

    Raises:
        BadBand: the pixels of a tile are too small (see `MAX_RATIO`).

    Attributes:
        unlisted: codes that were read and are not in the crosswalk, also those just outside the grid.
    """

    def __init__(self, tiles: Sequence[OpenTile], grid: Grid, crosswalk: Crosswalk) -> None:
        self._grid, self._crs = grid, CRS.from_user_input(grid.crs)
        self._positions, self._unlisted = crosswalk.positions, crosswalk.unlisted
        self.unlisted: set[int] = set()
        pixel_grids: list[_PixelGrid] = []
        for tile in sorted(tiles, key=lambda tile: tile.dataset.crs != self._crs):
            if not any(pixel_grid.add_if_aligned(tile) for pixel_grid in pixel_grids):
                pixel_grids.append(_PixelGrid(tile.dataset.crs, tile.dataset.transform, []))
                pixel_grids[-1].add_if_aligned(tile)
        classes = len(crosswalk.reference) + 1
        self._reprojections = [_Reprojection(pixel_grid, grid, self._crs, classes) for pixel_grid in pixel_grids]

    def read(self, window: Window) -> np.ndarray:
        """Return (rows, columns) uint8: positions in the reference classes, `Crosswalk.unlisted` or `NO_REFERENCE`.

        Raises:
            BadBand: a tile cannot be read.
        """
        found = np.full((window.height, window.width), NO_REFERENCE, np.uint8)
        for reprojection in self._reprojections:
            if (found == NO_REFERENCE).any():
                reprojection.warp(window, found, self._classes)
        return found

    def overlaps(self) -> bool:
        """Return whether a tile intersects the grid."""
        return any(reprojection.overlaps(self._grid.window) for reprojection in self._reprojections)

    def _classes(self, tile: OpenTile, window: Window) -> np.ndarray:
        codes = tile.read(window)
        found = self._positions[codes]
        found[codes == tile.nodata] = NO_REFERENCE
        if (unlisted := found == self._unlisted).any():
            self.unlisted |= set(np.unique(codes[unlisted]).tolist())
        return found


class _Reprojection:
    """Resamples one pixel grid of the reference to the grid of the scene."""

    def __init__(self, pixel_grid: _PixelGrid, grid: Grid, crs: CRS, classes: int) -> None:
        self._pixel_grid, self._grid, self._classes = pixel_grid, grid, classes
        self._nodes = self._transformed(crs)  # (2, node rows, node columns): columns and rows in the pixel grid
        across = np.abs(np.diff(self._nodes, axis=2)).max(initial=0, where=np.isfinite(np.diff(self._nodes, axis=2)))
        down = np.abs(np.diff(self._nodes, axis=1)).max(initial=0, where=np.isfinite(np.diff(self._nodes, axis=1)))
        ratio = max(across, down) / _STEP
        if ratio > MAX_RATIO:
            raise BadBand(
                f"{pixel_grid.tiles[0][0].shown} is too fine: it has {ratio:,.0f} pixels along one pixel of the map",
                remedy=f"resample it by mode to {grid.resolution / MAX_RATIO:g} m or coarser",
            )
        points = math.ceil(2 * ratio - 1e-6)
        # A pixel of the scene that is one of the reference needs one point.
        aligned = crs == pixel_grid.crs and _offset(pixel_grid.transform, grid.transform)
        self._points = 1 if aligned else min(max(points + points % 2, _MIN_POINTS), _MAX_POINTS)

    def warp(self, window: Window, out: np.ndarray, classes: Callable[[OpenTile, Window], np.ndarray]) -> None:
        """Fill the pixels of `out` that are `NO_REFERENCE` with the classes of this pixel grid.

        Args:
            window: window of the scene's grid.
            out: (rows, columns) uint8 positions of the window, changed in place.
            classes: reads the positions in a window of a tile.
        """
        source = self._source(window)
        if source is None or not self._pixel_grid.covers(source):
            return
        if source.width * source.height > MAX_PIXELS and window.height > 1:
            half = window.height // 2
            upper = Window(window.col_off, window.row_off, window.width, half)
            lower = Window(window.col_off, window.row_off + half, window.width, window.height - half)
            self.warp(upper, out[:half], classes)
            self.warp(lower, out[half:], classes)
            return
        mosaic = self._pixel_grid.read(source, classes)
        top, bottom = window.row_off, window.row_off + window.height
        edges = [top, *range(top - top % _STEP + _STEP, bottom, _STEP), bottom]

        def band(first: int, last: int) -> None:
            rows = out[first - top : last - top]
            part = Window(window.col_off, first, window.width, last - first)
            np.copyto(rows, self._modes(part, mosaic, source), where=rows == NO_REFERENCE)

        with ThreadPoolExecutor(cpu_count()) as pool:
            list(pool.map(band, edges[:-1], edges[1:]))

    def overlaps(self, window: Window) -> bool:
        """Return whether a tile intersects a window of the scene's grid."""
        source = self._source(window)
        return source is not None and self._pixel_grid.covers(source)

    def _modes(self, band: Window, mosaic: np.ndarray, source: Window) -> np.ndarray:
        """Return the most frequent position in each pixel of a window between two rows of nodes."""
        columns, rows = self._coordinates(band, source)
        samples = [
            mosaic[
                (rows[0] + rows[1][v] + rows[2][u]) >> _FRACTION,
                (columns[0] + columns[1][v] + columns[2][u]) >> _FRACTION,
            ]
            for v in range(self._points)
            for u in range(self._points)
        ]
        if len(samples) == 1:
            return samples[0]
        lowest, highest = samples[0].copy(), samples[0].copy()
        for sample in samples[1:]:
            np.minimum(lowest, sample, out=lowest)
            np.maximum(highest, sample, out=highest)
        mixed = lowest != highest
        # No data has no vote.
        of_mixed = np.stack([sample[mixed] for sample in samples])
        lowest[mixed] = most_frequent(of_mixed, range(self._classes), NO_REFERENCE)
        return lowest

    def _coordinates(
        self, band: Window, source: Window
    ) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return columns and rows in the mosaic, as fixed-point numbers, each in three parts.

        The parts are the corners of the pixels (rows, columns), and the offsets of the points down (points, columns)
        and across (points, columns).
        """
        above, offset = divmod(int(band.row_off), _STEP)
        x = (band.col_off + np.arange(band.width)) / _STEP
        cell = np.minimum(x.astype(int), self._nodes.shape[2] - 2)
        weight = x - cell
        y = (offset + np.arange(band.height))[:, None] / _STEP
        inside = (np.arange(self._points)[:, None] + 0.5) / self._points / _STEP
        # int32 needs half the memory. It is used if it can hold the largest coordinate.
        dtype = np.int32 if max(source.width, source.height) < 1 << (30 - _FRACTION) else np.int64
        found = []
        for nodes, start in zip(self._nodes[:, above : above + 2], (source.col_off, source.row_off), strict=True):
            upper, lower = (line[cell] * (1 - weight) + line[cell + 1] * weight for line in nodes)
            corners = self._fixed(upper * (1 - y) + lower * y) - (int(start) << _FRACTION)
            # Within a cell the slopes are nearly constant, so the slopes of its edges are used.
            down = self._fixed((lower - upper) * inside)
            across = self._fixed((nodes[0][cell + 1] - nodes[0][cell]) * inside)
            found.append((corners.astype(dtype), down.astype(dtype), across.astype(dtype)))
        return found[0], found[1]

    @staticmethod
    def _fixed(values: np.ndarray) -> np.ndarray:
        return np.rint(values * (1 << _FRACTION)).astype(np.int64)

    def _source(self, window: Window) -> Window | None:
        """Return the window of the pixel grid for a window of the scene; None if a coordinate cannot be transformed."""
        left, right = window.col_off // _STEP, -(-(window.col_off + window.width) // _STEP) + 1
        top, bottom = window.row_off, window.row_off + window.height
        lines = [self._line(row) for row in (top, *range(top - top % _STEP + _STEP, bottom, _STEP), bottom)]
        nodes = np.stack(lines)[:, :, left:right]
        if not np.isfinite(nodes).all():
            return None
        first_column, first_row = (np.floor(nodes.min(axis=(0, 2))).astype(int) - 1).tolist()
        last_column, last_row = (np.ceil(nodes.max(axis=(0, 2))).astype(int) + 1).tolist()
        return Window(first_column, first_row, last_column - first_column + 1, last_row - first_row + 1)

    def _line(self, row: int) -> np.ndarray:
        """Return (2, node columns) coordinates in the pixel grid along the upper edge of a row of the scene's grid."""
        above, offset = divmod(int(row), _STEP)
        below = min(above + 1, self._nodes.shape[1] - 1)
        return self._nodes[:, above] * (1 - offset / _STEP) + self._nodes[:, below] * (offset / _STEP)

    def _transformed(self, crs: CRS) -> np.ndarray:
        """Return (2, node rows, node columns) coordinates in the pixel grid of every 64th pixel's corner."""
        rows, columns = (np.arange(-(-n // _STEP) + 1) * _STEP for n in self._grid.shape)
        column, row = (values.ravel() for values in np.meshgrid(columns, rows))
        here = self._grid.transform
        try:
            x, y = transform(crs, self._pixel_grid.crs, here.c + here.a * column, here.f + here.e * row)
        except (CRSError, CPLE_BaseError):  # unknown CRS, no transformation in PROJ, or outside its domain
            return np.full((2, len(rows), len(columns)), np.nan)
        east, north = np.asarray(x, float), np.asarray(y, float)
        if self._pixel_grid.crs.is_geographic:  # no jump at the antimeridian
            east = east + 360 * np.rint((east[0] - east) / 360)
        there = ~self._pixel_grid.transform
        nodes = np.stack([there.a * east + there.b * north + there.c, there.d * east + there.e * north + there.f])
        return nodes.reshape(2, len(rows), len(columns))


def _offset(transform: Affine, other: Affine) -> tuple[int, int] | None:
    """Return the row and column of a pixel grid at which another one begins; None if their pixels are not the same."""
    same = all(math.isclose(a, b, rel_tol=1e-9) for a, b in ((transform.a, other.a), (transform.e, other.e)))
    column, row = ~transform @ (other.c, other.f)
    if not same or abs(column - round(column)) >= 0.01 or abs(row - round(row)) >= 0.01:
        return None
    return round(row), round(column)
