"""Find the part of a scene around an area: which rows and columns of the scene it has.

The map of the part is that of the whole scene, pixel by pixel, inside the area. So the part has a margin around the
area, of all that a pixel of the map depends on, and it begins where everything that is counted from the scene's corner
begins too: pixels of 60 m, positions, windows.

A pixel depends on the windows that contain it (63 px for windows of 64; for positions 22 px), on the pixels that
replace hidden ones around them (64 px), on the clouds near those (the dilation of their mask, and 10 px by which specks
are found) and on the coarse pixels that are interpolated (12 px). In a map of positions, water depends on all positions
in a window around its block (`lc_assets.inference.positions.water`): on up to 192 px beyond the block.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import shapely
from shapely.geometry import shape

from lc_assets.core.errors import BadItem
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import DEGREES, Polygons
from lc_assets.sentinel2.bands.scene_part import ScenePart

ALIGNMENT = 192
"""First row and column of a part, in 10 m pixels, are multiples of this: of 6 (60 m), of 64, which the steps of windows
divide, and of the blocks in which water is divided into rivers and lakes."""
MARGIN = 340
"""Least distance from the blocks of the area to the end of its part, in 10 m pixels. It suffices up to
`MOST_EXACT_CHIP` and `MOST_EXACT_DILATION`."""
_SIZE_STEP = 12
"""Height and width of a part are multiples of this, in 10 m pixels: whole pixels of 60 m and cells of 40 m."""
_NEAR = 0.5
"""Degrees around a scene's footprint beyond which an area makes no difference to it."""


def area_near(area: Polygons, footprint: dict[str, Any]) -> Polygons:
    """Return what an area has in and near the footprint of a scene.

    Args:
        area: the area, in degrees.
        footprint: GeoJSON geometry of the scene.

    Raises:
        BadItem: the area does not touch the footprint.
    """
    whole = shapely.union_all(area.shapes)
    there = shapely.make_valid(shape(footprint))
    if not shapely.intersects(whole, there):
        raise untouched(area)
    near = shapely.intersection(whole, shapely.buffer(there, _NEAR))
    return Polygons(area.names[:1], np.array([near]), DEGREES)


def part_around(area: Polygons, grid: Grid) -> ScenePart:
    """Return the part of a scene around an area.

    Args:
        area: the area, in any CRS.
        grid: grid of the scene, 10 m.

    Raises:
        BadItem: the area does not touch the scene.
    """
    inside = shapely.intersection(area.to(grid.crs).shapes, shapely.box(*grid.bounds))
    if not shapely.area(inside).any():
        raise untouched(area)
    left, bottom, right, top = shapely.total_bounds(inside[shapely.area(inside) > 0])
    columns, rows = zip(~grid.transform @ (left, top), ~grid.transform @ (right, bottom), strict=True)
    column, width = _span(columns[0], columns[1], grid.width)
    row, height = _span(rows[0], rows[1], grid.height)
    return ScenePart(column, row, width, height, grid.width, grid.height)


def untouched(area: Polygons) -> BadItem:
    """Return the error for a scene that the area does not touch."""
    return BadItem(
        f"it does not touch the store's area, {area.names[0]}",
        remedy="choose a scene of the area, or another store",
    )


def _span(first: float, last: float, length: int) -> tuple[int, int]:
    """Return the first pixel and the number of pixels of a part along one axis."""
    begin, end = math.floor(first / ALIGNMENT) * ALIGNMENT, math.ceil(last / ALIGNMENT) * ALIGNMENT
    start = max(begin - MARGIN, 0) // ALIGNMENT * ALIGNMENT
    size = -(-(end + MARGIN - start) // _SIZE_STEP) * _SIZE_STEP
    return start, min(size, length - start)
