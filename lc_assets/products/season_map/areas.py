"""Hectares of each class in each polygon: counted, expected, and between what bounds."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize

from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons

SURE, POSSIBLE = 0.8, 0.2
"""Probabilities from which a class is sure, and possible, at a pixel: the bounds of its area."""
COLUMNS = ("area", "code", "class", "pixels", "hectares", "expected_hectares", "sure_hectares", "possible_hectares")


@dataclass(frozen=True)
class AreaTable:
    """Pixels of some polygons.

    Attributes:
        polygons: (K,) their numbers.
        counted: (K, 11) int64, pixels of each code.
        expected: (K, 10) float64, sum of the probabilities of each class over the pixels that are not No Data.
        sure, possible: (K, 10) float64, those of these pixels where a class has at least `SURE`, or `POSSIBLE`.
    """

    polygons: np.ndarray
    counted: np.ndarray
    expected: np.ndarray
    sure: np.ndarray
    possible: np.ndarray

    @classmethod
    def empty(cls, polygons: int) -> AreaTable:
        """Return a table of zeros for all polygons, to which others are added."""
        zeros = [np.zeros((polygons, len(CLASSES))) for _ in range(3)]
        return cls(np.arange(polygons), np.zeros((polygons, len(ALL_CLASSES)), np.int64), *zeros)

    @classmethod
    def of(cls, area: Polygons, grid: Grid, classes: np.ndarray, probabilities: np.ndarray) -> AreaTable:
        """Count a block. A pixel belongs to each polygon that its centre is in.

        Args:
            area: the polygons.
            grid: grid of the block.
            classes: (height, width) uint8 codes.
            probabilities: (10, rows, columns) float32 of the cells that the pixels are in.
        """
        step = classes.shape[0] // probabilities.shape[1]
        likely, possible = probabilities >= SURE, probabilities >= POSSIBLE
        numbers = area.touching(grid.bounds)
        table = cls.empty(len(numbers))
        for row, number in enumerate(numbers):
            part = _cells_of(area.shapes[number], grid, step)
            if part is None:
                continue
            rows, columns = part
            pixels = tuple(slice(s.start * step, s.stop * step) for s in part)
            codes = classes[pixels]
            moved = grid.transform @ Affine.translation(pixels[1].start, pixels[0].start)
            inside = rasterize([area.shapes[number]], out_shape=codes.shape, transform=moved, dtype="uint8")
            table.counted[row] = np.bincount(codes[inside == 1], minlength=len(ALL_CLASSES))
            seen = (inside == 1) & (codes != NO_DATA.code)
            each = count_in_cells(seen, step)
            for out, values in ((table.expected, probabilities), (table.sure, likely), (table.possible, possible)):
                out[row] = np.einsum("crs,rs->c", values[:, rows, columns], each, dtype=np.float64)
        return cls(numbers, table.counted, table.expected, table.sure, table.possible)

    def add(self, other: AreaTable) -> None:
        """Add the pixels of another table to this one, which has all polygons."""
        for name in ("counted", "expected", "sure", "possible"):
            getattr(self, name)[other.polygons] += getattr(other, name)

    def csv(self, names: tuple[str, ...], pixel_area: float) -> str:
        """Return the table as CSV, a row for each polygon and class (`COLUMNS`), and for No Data.

        Args:
            names: names of the polygons.
            pixel_area: area of a pixel in hectares.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, name in enumerate(names):
            for kind in ALL_CLASSES:
                counted = int(self.counted[number, kind.code])
                values = [counted * pixel_area]
                if kind is not NO_DATA:
                    values += [t[number, kind.code] * pixel_area for t in (self.expected, self.sure, self.possible)]
                written = [f"{value:.2f}" for value in values]
                writer.writerow([name, kind.code, kind.name, counted, *written, *[""] * (4 - len(written))])
        return out.getvalue()


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


def _cells_of(shape: shapely.Geometry, grid: Grid, step: int) -> tuple[slice, slice] | None:
    """Return the rows and columns of the cells in the box of a shape; None if there are none."""
    left, bottom, right, top = shapely.bounds(shape)
    inverse = ~grid.transform
    (west, north), (east, south) = inverse @ (left, top), inverse @ (right, bottom)
    rows = slice(max(0, math.floor(north / step)), min(grid.height // step, math.ceil(south / step)))
    columns = slice(max(0, math.floor(west / step)), min(grid.width // step, math.ceil(east / step)))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None
