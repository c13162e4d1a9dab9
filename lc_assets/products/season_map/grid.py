"""The grid of a season map: the UTM zone of the area, pixels on whole multiples of 10 m, cells of 40 m."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.windows import Window

from lc_assets.core.errors import BadReference
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import DEGREES, Polygons
from lc_assets.sentinel2.band_table import PIXEL_SIZE

_EARTH_RADIUS = 6_371_007.0
_SPHERE = 0.007
"""Largest difference between an area on the ellipsoid and on the sphere of equal area, at the equator and the poles."""
MAX_DISTORTION = 0.01
"""Largest relative error of areas in the CRS of a map, at the middle of the area. UTM has up to 0.001 in its zone."""
LARGEST_SIDE = 500_000
"""Longest side of an area, in metres. Beyond it a UTM zone distorts areas by more than half a percent."""


@dataclass(frozen=True)
class MapGrid:
    """Pixels and cells of a season map, both with one cell more on each side than the map.

    The pixels of the rim are not written. They let each pixel of the map lie between the centres of four cells.

    Attributes:
        map: grid of the map, 10 m pixels; whole cells.
        step: pixels along the side of a cell.
    """

    map: Grid
    step: int

    @property
    def pixels(self) -> Grid:
        """The map's pixels with the rim."""
        g = self.map
        return g.part(Window(-self.step, -self.step, g.width + 2 * self.step, g.height + 2 * self.step))

    @property
    def cells(self) -> Grid:
        """The cells with the rim."""
        return self.pixels.coarsened(self.step)


def utm_zone(area: Polygons) -> str:
    """Return the CRS of the UTM zone of the area's centre, as `EPSG:32633`.

    Raises:
        BadReference: the area is not on the Earth.
    """
    boxes = shapely.bounds(shapely.get_parts(area.to(DEGREES).shapes))
    west, south, east, north = boxes.T
    if not (np.isfinite(boxes).all() and south.min() >= -90 and north.max() <= 90):
        raise BadReference("the area is not on the Earth", remedy="check the CRS of its file")
    # Parts on both sides of the antimeridian are brought together.
    if east.max() - west.min() > 180:
        west, east = np.where(west < 0, west + 360, west), np.where(west < 0, east + 360, east)
    if east.max() - west.min() > 180:
        raise BadReference(
            "the area is wider than half of the Earth",
            remedy="split it at the antimeridian, as RFC 7946 (3.1.9) says, or choose a smaller one",
        )
    zone = int(((east.max() + west.min()) / 2 + 180) // 6) % 60 + 1
    return f"EPSG:{(32600 if south.min() + north.max() >= 0 else 32700) + zone}"


def checked_crs(crs: str) -> str:
    """Return the CRS of a map as the user names it, as `AUTHORITY:CODE` where it has one.

    Raises:
        BadReference: it is not known, or not in metres.
    """
    try:
        with rasterio.Env():  # without it, PROJ prints a line of its own
            found = CRS.from_user_input(crs)
    except CRSError:
        raise BadReference(f"the CRS {crs[:60]!r} is not known", remedy="give one as EPSG:32633") from None
    if not found.is_projected or found.linear_units_factor[1] != 1:
        raise BadReference(f"the CRS {crs[:60]!r} is not in metres", remedy="give a projected one, e.g. EPSG:3035")
    return ":".join(found.to_authority() or ()) or str(found.to_wkt())


def check_area(area: Polygons) -> None:
    """Check that an area is not too large, and that areas in the CRS of its map are those on the ground.

    The area of a square of 100 m in the middle of the area is compared with that on the sphere of the same area as the
    WGS 84 ellipsoid (radius 6,371,007 m, https://epsg.io/7057).

    Args:
        area: the area, in the CRS of the map.

    Raises:
        BadReference: it is longer than `LARGEST_SIDE`, or the relative difference is larger than `MAX_DISTORTION`.
    """
    left, bottom, right, top = shapely.total_bounds(area.shapes)
    if not max(right - left, top - bottom) <= LARGEST_SIDE:
        raise BadReference(
            f"the area is {max(right - left, top - bottom) / 1000:.0f} km long",
            remedy=f"choose one of at most {LARGEST_SIDE // 1000} km, or split it",
        )
    x, y = (left + right) / 2, (bottom + top) / 2
    square = Polygons(("square",), np.array([shapely.box(x - 50, y - 50, x + 50, y + 50)]), area.crs)
    corners = shapely.get_coordinates(square.to(DEGREES).shapes[0])
    longitudes, latitudes = np.radians(corners).T
    if np.ptp(longitudes) > np.pi:
        longitudes = np.where(longitudes < 0, longitudes + 2 * np.pi, longitudes)
    # The shoelace formula in the cylindrical equal-area projection.
    across, up = longitudes, np.sin(latitudes)
    found = abs(np.sum(across[:-1] * up[1:] - across[1:] * up[:-1])) / 2 * _EARTH_RADIUS**2
    if not abs(found / 10_000 - 1) <= MAX_DISTORTION + _SPHERE:
        raise BadReference(
            f"areas in the CRS of the map differ from those on the ground by {100 * abs(10_000 / found - 1):.0f} %",
            remedy="leave out --crs (UTM is used), or choose an equal-area one, e.g. EPSG:3035 in Europe",
        )


def grid_of(area: Polygons, step: int, origin: tuple[float, float] = (0, 0)) -> MapGrid:
    """Return the smallest grid that covers an area.

    Args:
        area: the area, in the CRS of the map.
        step: pixels along the side of a cell.
        origin: (x, y) of the corner of any cell, a multiple of 10 m: that of the cells of the scenes, if possible, so
            that they need not be resampled.
    """
    left, bottom, right, top = shapely.total_bounds(area.shapes)
    cell = step * PIXEL_SIZE
    x, y = (value - value % PIXEL_SIZE for value in origin)
    west = math.floor((left - x) / cell) * cell + x
    north = math.ceil((top - y) / cell) * cell + y
    columns, rows = max(1, math.ceil((right - west) / cell)), max(1, math.ceil((north - bottom) / cell))
    transform = Affine(PIXEL_SIZE, 0, west, 0, -PIXEL_SIZE, north)
    return MapGrid(Grid(area.crs, transform, columns * step, rows * step), step)
