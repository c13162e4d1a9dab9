"""`Grid`: coordinate reference system, transform and size of a raster."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from affine import Affine
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.windows import Window


@dataclass(frozen=True)
class Grid:
    """An immutable raster grid. All raster code uses it.

    Attributes:
        crs: coordinate reference system as `AUTHORITY:CODE`, e.g. `EPSG:32633`.
        transform: pixel (column, row) -> CRS coordinates (metres).
        width, height: size in pixels.
    """

    crs: str
    transform: Affine
    width: int
    height: int

    @classmethod
    def of(cls, dataset: DatasetReader) -> Grid:
        """Return the grid of an open dataset."""
        return cls(_crs_name(dataset.crs), dataset.transform, dataset.width, dataset.height)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels, the order of numpy."""
        return self.height, self.width

    @property
    def resolution(self) -> float:
        """Pixel size in CRS units (metres)."""
        return self.transform.a

    @property
    def pixel_area(self) -> float:
        """Area of a pixel in hectares."""
        return abs(self.transform.a * self.transform.e) / 10_000

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in CRS units."""
        left, top = self.transform @ (0, 0)
        right, bottom = self.transform @ (self.width, self.height)
        return left, bottom, right, top

    @property
    def window(self) -> Window:
        """Window of the whole grid."""
        return Window(0, 0, self.width, self.height)

    @property
    def profile(self) -> dict[str, Any]:
        """CRS, transform and size by the names that rasterio has for them: of a new dataset, or of a `WarpedVRT`."""
        return {"crs": self.crs, "transform": self.transform, "width": self.width, "height": self.height}

    def is_north_up(self) -> bool:
        """Return True if rows run south, columns run east, and pixels are square."""
        t = self.transform
        return t.b == 0 and t.d == 0 and t.a > 0 and math.isclose(t.a, -t.e)

    def part(self, window: Window) -> Grid:
        """Return the grid of a window, which may begin outside this grid."""
        moved = self.transform @ Affine.translation(window.col_off, window.row_off)
        return Grid(self.crs, moved, window.width, window.height)

    def coarsened(self, factor: int) -> Grid:
        """Return the grid with the same top-left corner and pixels `factor` times as wide that covers this one."""
        return Grid(
            self.crs, self.transform @ Affine.scale(factor), -(-self.width // factor), -(-self.height // factor)
        )

    def difference_to(self, other: Grid) -> str | None:
        """Describe how this grid differs from another one; None if they differ by less than a thousandth of a pixel."""
        if self.crs != other.crs:
            return f"CRS {self.crs} instead of {other.crs}"
        if self.shape != other.shape:
            return f"{self.width} x {self.height} pixels instead of {other.width} x {other.height}"
        if not self.transform.almost_equals(other.transform, precision=other.resolution / 1000):
            return f"corner and pixel size {_corner(self.transform)} instead of {_corner(other.transform)}"
        return None

    def strips(self, rows: int) -> Iterator[Window]:
        """Yield full-width windows of at most `rows` rows, from top to bottom."""
        for top in range(0, self.height, rows):
            yield Window(0, top, self.width, min(rows, self.height - top))


def _corner(transform: Affine) -> str:
    rotated = f", rotated by {transform.b:.12g}, {transform.d:.12g}" if transform.b or transform.d else ""
    return f"({transform.c:.12g}, {transform.f:.12g}), {transform.a:.12g} m{rotated}"


def _crs_name(crs: CRS | None) -> str:
    if crs is None:
        return "none"
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.to_wkt()
