"""Hectares of each class in each polygon: counted, expected, and an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from affine import Affine
from rasterio.enums import MergeAlg
from rasterio.features import rasterize

from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA, LandCover
from lc_assets.products.csv_text import csv_text
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons

TAIL = 0.1
"""Largest probability that the true area of a class is below the interval, and that it is above."""
COLUMNS = ("area", "code", "class", "pixels", "hectares", "expected_hectares", "low_hectares", "high_hectares")
_ONE = 1 << 32
"""Each polygon adds this and its number to its pixels. It is larger than the number of any polygon."""


@dataclass(frozen=True)
class PolygonPixels:
    """The polygons that each pixel of a grid is in: those that its centre is in.

    Attributes:
        total: number of polygons of the area.
        numbers: (N,) numbers of those that touch the grid.
        shapes: (N,) these polygons.
        counts: (height, width) number of polygons that a pixel is in.
        which: (height, width) int32, the place in `numbers` of the polygon of a pixel that is in one only.
    """

    grid: Grid
    total: int
    numbers: np.ndarray
    shapes: np.ndarray
    counts: np.ndarray
    which: np.ndarray

    @classmethod
    def of(cls, area: Polygons, grid: Grid) -> PolygonPixels:
        """Find the polygons of the pixels of a grid, which has the CRS of the polygons.

        Each polygon adds `_ONE` and its own number. Where one polygon adds twice, as GDAL may do at an edge, the pixel
        seems to be in two polygons.
        """
        numbers = area.touching(grid.bounds)
        shapes = area.shapes[numbers]
        burnt = {"out_shape": grid.shape, "transform": grid.transform}
        if len(shapes) < 2:
            inside = rasterize(shapes, **burnt, dtype="uint8") if len(shapes) else np.zeros(grid.shape, np.uint8)
            return cls(grid, len(area), numbers, shapes, inside, np.zeros(grid.shape, np.int32))
        values = ((shape, _ONE + number) for number, shape in enumerate(shapes))
        sums = rasterize(values, **burnt, dtype="int64", merge_alg=MergeAlg.add)
        return cls(grid, len(area), numbers, shapes, sums >> 32, (sums & (_ONE - 1)).astype(np.int32))

    @property
    def inside(self) -> np.ndarray:
        """(height, width) bool: True for pixels that are in a polygon."""
        return self.counts > 0


@dataclass(frozen=True)
class AreaTable:
    """Pixels of some polygons.

    Attributes:
        rows: (K,) numbers of the polygons; the number after the last polygon is the whole area, in which pixels of
            several polygons count once.
        counted: (K, 11) int64, pixels of each code.
        expected: (K, 10) float64, sum of the probabilities of each class over the pixels that are not No Data.
        low, high: (K, 10) float64, see `interval`.
    """

    rows: np.ndarray
    counted: np.ndarray
    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def empty(cls, polygons: int) -> AreaTable:
        """Return a table of zeros for all polygons and the whole area, to which others are added."""
        zeros = [np.zeros((polygons + 1, len(CLASSES))) for _ in range(3)]
        return cls(np.arange(polygons + 1), np.zeros((polygons + 1, len(ALL_CLASSES)), np.int64), *zeros)

    @classmethod
    def of(cls, pixels: PolygonPixels, classes: np.ndarray, probabilities: np.ndarray) -> AreaTable:
        """Count the pixels of a block.

        Pixels that are in one polygon only are counted together. Those in several polygons are counted polygon by
        polygon.

        Args:
            pixels: the polygons of the block's pixels.
            classes: (height, width) uint8 codes.
            probabilities: (10, rows, columns) float32 of the cells that the pixels are in, from `filled_cells`.
        """
        grid, shapes = pixels.grid, pixels.shapes
        block = _Block(classes, probabilities)
        found = block.count(np.where(pixels.counts == 1, pixels.which, len(shapes)), len(shapes))
        whole = [values.sum(axis=0) for values in found]
        shared = pixels.counts > 1
        if shared.any():
            for total, values in zip(whole, block.count((~shared).view(np.uint8), 1), strict=True):
                total += values[0]
            for row, shape in enumerate(shapes):
                part = _cells_of(shape.bounds, grid, block.step)
                if part is None:
                    continue
                box = tuple(slice(s.start * block.step, s.stop * block.step) for s in part)
                if shared[box].any():
                    moved = grid.transform @ Affine.translation(box[1].start, box[0].start)
                    outside = rasterize(
                        [shape], out_shape=shared[box].shape, transform=moved, fill=1, default_value=0, dtype="uint8"
                    )
                    outside[~shared[box]] = 1
                    for total, values in zip(found, block.part(part).count(outside, 1), strict=True):
                        total[row] += values[0]
        tables = [np.vstack([values, total]) for values, total in zip(found, whole, strict=True)]
        return cls(np.append(pixels.numbers, pixels.total), *tables)

    def add(self, other: AreaTable) -> None:
        """Add the pixels of another table to this one, which has all polygons."""
        for field in fields(self)[1:]:
            getattr(self, field.name)[other.rows] += getattr(other, field.name)

    def csv(self, names: tuple[str, ...], pixel_area: float) -> str:
        """Return the table as CSV, a row for each polygon and class (`COLUMNS`), and for No Data. NaN is left empty.

        Args:
            names: names of the polygons.
            pixel_area: area of a pixel in hectares.
        """
        rows: list[Sequence[Any]] = [COLUMNS]
        for number, name in enumerate(names):
            for kind in ALL_CLASSES:
                values = [table[number, kind.code] * pixel_area for table in self._tables(kind).values()]
                written = ["" if math.isnan(value) else f"{value:.2f}" for value in values]
                counted = int(self.counted[number, kind.code])
                rows.append([name, kind.code, kind.name, counted, *written, *[""] * (4 - len(written))])
        return csv_text(rows)

    def columns(self, names: tuple[str, ...], pixel_area: float) -> dict[str, np.ndarray]:
        """Return the figures of `csv` in hectares as columns with a value for each polygon: `Forest_hectares`,
        `Forest_expected_hectares` and so on."""
        found: dict[str, np.ndarray] = {"area": np.array(names, object)}
        for kind in ALL_CLASSES:
            for part, values in self._tables(kind).items():
                hectares = np.round(values[: len(names), kind.code] * pixel_area, 2)
                found[f"{kind.name.replace(' ', '')}_{part}"] = hectares
        return found

    def _tables(self, kind: LandCover) -> dict[str, np.ndarray]:
        """Return the figures that a class has, in the order of `COLUMNS`: No Data is not expected."""
        if kind is NO_DATA:
            return {"hectares": self.counted}
        expected = {"expected_hectares": self.expected, "low_hectares": self.low, "high_hectares": self.high}
        return {"hectares": self.counted, **expected}


def count_in_cells(flags: np.ndarray, step: int) -> np.ndarray:
    """Return how many pixels of each cell of `step` x `step` (at most 15 x 15) are True, (rows, columns) uint8.

    Args:
        flags: (rows * step, columns * step) bool.
        step: pixels along the side of a cell.
    """
    height, width = flags.shape
    # Rows first: numpy adds long rows quickly, and is slow at short ones.
    added = flags.reshape(height // step, step, width).sum(1, dtype=np.uint8)
    counted: np.ndarray = added.reshape(height // step, width // step, step).sum(2, dtype=np.uint8)
    return counted


def filled_cells(probabilities: np.ndarray) -> np.ndarray:
    """Return the probabilities of cells with the sum 1, which rounding has changed.

    Cells without an answer get the mean of the answered cells around: the pixels of such a cell that are near these
    have a class of theirs.

    Args:
        probabilities: (10, rows, columns) float32, 0 in cells without an answer. At the edge of a block, cells further
            out are missing, so a block needs a rim of one cell.

    Returns:
        (10, rows, columns) float32, still 0 where no cell around has an answer.
    """
    from scipy import ndimage

    total = probabilities.sum(axis=0)
    known = total > 0
    filled: np.ndarray = probabilities / np.where(known, total, 1)
    if not known.all():
        around = ndimage.uniform_filter(filled, size=(0, 3, 3), mode="constant")
        share = ndimage.uniform_filter(known.astype(np.float32), size=3, mode="constant")
        near = ~known & (share > 0.05)  # one of nine, and not what rounding leaves of none
        filled[:, near] = around[:, near] / share[near]
    return filled


def interval(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what each pixel adds to the lower and to the upper end of the interval of an area, from 0 to 1.

    If the probabilities are right, the true area is below the sum of the first with a probability of at most `TAIL`,
    and above the sum of the second with at most `TAIL`, however the errors of the pixels depend on each other: the
    sums are the means of the smallest and of the largest tenth of the area if all errors have one cause, and these
    bound the quantiles for any dependence (Bernard, Rueschendorf and Vanduffel 2017, doi:10.1111/jori.12108).
    """
    return np.maximum(0, 1 - (1 - probabilities) / TAIL), np.minimum(1, probabilities / TAIL)


class _Block:
    """Codes of pixels, and what their cells add to the areas."""

    def __init__(self, classes: np.ndarray, probabilities: np.ndarray):
        self.step = classes.shape[0] // probabilities.shape[1]
        self._classes, self._probabilities = classes, probabilities

    def part(self, cells: tuple[slice, slice]) -> _Block:
        """Return the part with some rows and columns of cells."""
        pixels = tuple(slice(s.start * self.step, s.stop * self.step) for s in cells)
        return _Block(self._classes[pixels], self._probabilities[:, cells[0], cells[1]])

    def count(self, numbers: np.ndarray, polygons: int) -> list[np.ndarray]:
        """Return the values of `AreaTable` for polygons.

        Args:
            numbers: (height, width) number of the polygon of each pixel; `polygons` where there is none.
            polygons: how many there are.
        """
        from scipy.sparse import csr_array

        classes = len(ALL_CLASSES)
        numbers = numbers.astype(np.int32, copy=False)
        counted = np.bincount((numbers * classes + self._classes).ravel(), minlength=(polygons + 1) * classes)
        # Pixels of each polygon in each cell, a row for each cell.
        shape = (self._probabilities.shape[1], self.step, self._probabilities.shape[2], self.step)
        seen = (self._classes != NO_DATA.code) & (numbers != polygons)
        if polygons == 1:
            pixels = count_in_cells(seen, self.step).reshape(1, -1).astype(np.float64)
        else:
            starts = np.arange(0, seen.size + 1, self.step**2, dtype=np.int32)
            number, weight = (values.reshape(shape).swapaxes(1, 2).ravel() for values in (numbers, seen))
            cells = csr_array((weight.astype(np.float64), number, starts), shape=(len(starts) - 1, polygons + 1))
            cells.sum_duplicates()
            pixels = cells.T[:polygons]
        probabilities = self._probabilities.reshape(len(CLASSES), -1).T
        return [
            counted.reshape(-1, classes)[:polygons],
            *(pixels @ values for values in (probabilities, *interval(probabilities))),
        ]


def _cells_of(bounds: tuple[float, float, float, float], grid: Grid, step: int) -> tuple[slice, slice] | None:
    """Return the rows and columns of the cells in a box; None if there are none."""
    left, bottom, right, top = bounds
    inverse = ~grid.transform
    (west, north), (east, south) = inverse @ (left, top), inverse @ (right, bottom)
    rows = slice(max(0, math.floor(north / step)), min(grid.height // step, math.ceil(south / step)))
    columns = slice(max(0, math.floor(west / step)), min(grid.width // step, math.ceil(east / step)))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None
