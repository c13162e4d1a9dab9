"""Control points for longitude and latitude in a picture. The page interpolates between them bilinearly, so it needs no
projection library.

The page interpolates unit vectors, not angles, so the antimeridian and the poles need no special case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError
from rasterio.warp import transform

from lc_assets.raster.grid import Grid

_CELLS = (1, 2, 4, 8, 16, 32, 64)
_TOLERANCE = 0.2
"""Largest allowed error of an interpolated position, in pixels of the class raster."""
_EARTH_RADIUS = 6_371_000.0
"""Mean radius in metres (IUGG); it converts small angles to distances."""


@dataclass(frozen=True)
class ControlPoints:
    """Positions at the corners of a regular grid of `cells` x `cells` parts of a picture.

    Attributes:
        cells: number of parts along an axis.
        vectors: (cells + 1, cells + 1, 3) unit vectors (cos lat cos lon, cos lat sin lon, sin lat), rows from the top;
            WGS 84.
        error: largest distance in metres between an interpolated and a true position, measured in the middle of parts
            and of their edges, where it is largest.
    """

    cells: int
    vectors: np.ndarray
    error: float


def control_points(grid: Grid, pixel_size: float) -> ControlPoints | None:
    """Return the fewest control points with an error of at most a fifth of a pixel, or else the densest grid.

    Args:
        pixel_size: pixel size of the class raster, in metres.

    Returns:
        The points, or None if the CRS is invalid or the grid is outside of its domain.
    """
    for cells in _CELLS:
        try:
            known = _vectors(grid, 2 * cells)
        except (CRSError, CPLE_BaseError):  # invalid, without a transformation, or outside of its domain
            return None
        if not np.isfinite(known).all():
            return None
        found = ControlPoints(cells, known[::2, ::2], _largest_error(known))
        if found.error <= _TOLERANCE * pixel_size:
            break
    return found


def _vectors(grid: Grid, cells: int) -> np.ndarray:
    left, bottom, right, top = grid.bounds
    x, y = np.meshgrid(np.linspace(left, right, cells + 1), np.linspace(top, bottom, cells + 1))
    longitudes, latitudes = (np.radians(a) for a in transform(grid.crs, "EPSG:4326", x.ravel(), y.ravel()))
    level = np.cos(latitudes)
    vectors = np.stack([level * np.cos(longitudes), level * np.sin(longitudes), np.sin(latitudes)], axis=-1)
    return vectors.reshape(cells + 1, cells + 1, 3)


def _largest_error(known: np.ndarray) -> float:
    """Return the largest distance of an interpolated middle, of a part or an edge, from the true one in `known`."""
    corners = known[::2, ::2]
    edges, sides = (corners[:, :-1] + corners[:, 1:]) / 2, (corners[:-1] + corners[1:]) / 2
    middles = (edges[:-1] + edges[1:]) / 2
    pairs = ((edges, known[::2, 1::2]), (sides, known[1::2, ::2]), (middles, known[1::2, 1::2]))
    return max(_EARTH_RADIUS * float(np.linalg.norm(_unit(guess) - true, axis=-1).max()) for guess, true in pairs)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
