"""Decide whether one item covers the ground of another item of the same tile.

An item gives two values for this, and neither is enough by itself. The footprint (`geometry`) shows where the data are,
but it can be the square of the whole tile for a half that is mostly empty. The nodata share shows how much of the tile
is empty, but not where. So a footprint is used where its area agrees with the area of the item's data; otherwise the
two shares are compared. Where this cannot be decided the answer is no: to classify a scene twice costs time, but to
leave one out means a missing map.

In 47 real items of the Planetary Computer (baselines 02.12 to 05.11), the area of the footprint differs from the area
with data by at most 0.40 percent of a tile, in 45 of the 47 by at most 0.18 percent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from rasterio.warp import transform

from lc_assets.core.json_values import is_percentage
from lc_assets.sentinel2.item.catalog_conventions import catalog_of
from lc_assets.sentinel2.item.footprint import is_polygon
from lc_assets.sentinel2.product import properties_of

TILE_M = 109_800.0
"""Side of a tile in metres: 10980 pixels of 10 m. Source: Sentinel-2 Products Specification Document, v14.9."""

MOST_LEFT_OUT = 0.02
"""Largest share of an item's ground that another item may leave out and still cover it. The worst of the real
footprints differs from its data by 1.6 percent of its ground, so the footprints of two versions may differ by as
much."""

SAME_AREA = 0.01
"""Largest difference between a footprint's area and the area with data, as a share of a tile: more than twice the
largest difference found in real items."""

SAME_SHARE = 0.001
"""Largest difference between the nodata shares of two versions, as a share of a tile. The shares of two halves of
random sizes agree this well in about one of 500 cases."""

_WIDEST = 1.5
"""Largest extent of two footprints of one tile together, in tile sides. With a larger extent one of them belongs to
another tile."""

_FARTHEST = 20.0
"""Largest distance of a tile from the central meridian of its zone, in degrees of longitude, near the poles too. PROJ
fails far outside."""


class _Ground(NamedTuple):
    """The ground of an item, as its footprint and its nodata share describe it.

    Attributes:
        shape: the footprint, a valid shapely geometry in metres of the tile's UTM zone; None where it is not usable.
        data: share of the tile with data, 0 to 1; None where the item does not give it.
    """

    shape: Any
    data: float | None


def covers(a: Mapping[str, Any], b: Mapping[str, Any], tile: str) -> bool:
    """True when item `a` certainly has data on at least 98 percent of the ground on which item `b` has data.

    Args:
        a, b: STAC items of one tile, as a catalog returned them. Invalid values count as missing.
        tile: the tile, e.g. `33UUB`.
    """
    first, second = _ground(a, tile), _ground(b, tile)
    if _are_of_one_tile(first.shape, second.shape):
        left_out = second.shape.difference(first.shape).area
        if left_out > MOST_LEFT_OUT * second.shape.area:
            return False
        if _is_true(first) and _is_true(second):
            return True
    return _by_share(first.data, second.data)


def _by_share(a: float | None, b: float | None) -> bool:
    """Decide from the shares of data alone: true where `a` has data nearly everywhere, or both have the same share.

    Two halves of equal size also have the same share, but their shares add up to the whole tile; then the result is
    false.
    """
    if a is None or b is None:
        return False
    return 1 - a <= MOST_LEFT_OUT * b or (abs(a - b) <= SAME_SHARE and abs(a + b - 1) > SAME_AREA)


def _is_true(ground: _Ground) -> bool:
    """True when a footprint's area agrees with the share of data.

    Without a nodata share, a footprint that is smaller than the tile counts as right, and the whole square does not.
    """
    area = ground.shape.area / TILE_M**2
    return bool(area <= 1 - SAME_AREA if ground.data is None else abs(area - ground.data) <= SAME_AREA)


def _are_of_one_tile(a: Any, b: Any) -> bool:
    """True when two footprints are there, have an area, and are near each other."""
    if a is None or b is None or not (a.area and b.area):
        return False
    left, bottom, right, top = a.union(b).bounds
    return bool(max(right - left, top - bottom) <= _WIDEST * TILE_M)


def _ground(document: Mapping[str, Any], tile: str) -> _Ground:
    value = catalog_of(document).nodata(properties_of(document))
    data = 1 - value / 100 if is_percentage(value) else None
    return _Ground(_footprint(document.get("geometry"), tile), data)


def _footprint(geometry: Any, tile: str) -> Any:
    """Return a geometry in the tile's UTM zone, where parts on both sides of the antimeridian are adjacent, or None."""
    import shapely  # costs every start a tenth of a second
    from shapely.geometry import shape

    match = re.fullmatch(r"(\d{1,2})([C-X])[A-Z]{2}", tile)
    if not match or not 1 <= int(match[1]) <= 60 or not isinstance(geometry, dict) or not is_polygon(geometry):
        return None
    zone, north = int(match[1]), match[2] >= "N"
    degrees = shape(geometry)
    middle = 6 * zone - 183
    if (abs((shapely.get_coordinates(degrees)[:, 0] - middle + 180) % 360 - 180) > _FARTHEST).any():
        return None
    crs = f"EPSG:{(32600 if north else 32700) + zone}"
    moved = shapely.transform(degrees, lambda points: np.column_stack(transform("EPSG:4326", crs, *points.T)))
    return shapely.make_valid(moved)
