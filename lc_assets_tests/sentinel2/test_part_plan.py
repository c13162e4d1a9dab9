"""Which part of a scene a store of an area keeps."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from shapely.geometry import mapping

from lc_assets.core.errors import BadItem
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import DEGREES, Polygons
from lc_assets.sentinel2.bands.part_plan import MARGIN, area_near, part_around

TILE = Grid("EPSG:32632", Affine(10, 0, 300_000, 0, -10, 5_800_020), 10_980, 10_980)


def square(left: float, top: float, side: float) -> Polygons:
    x, y = 300_000 + left, 5_800_020 - top
    return Polygons(("square",), np.array([shapely.box(x, y - side, x + side, y)]), TILE.crs)


@pytest.mark.parametrize("left", [0, 5, 1915, 44_444.5, 109_700])
@pytest.mark.parametrize("side", [1, 100, 20_000])
def test_a_part_has_its_margin_and_begins_where_windows_and_coarse_pixels_begin(left: float, side: float) -> None:
    part = part_around(square(left, 3000, side), TILE)
    assert part.column % 192 == part.row % 192 == 0
    assert part.width % 12 == part.height % 12 == 0
    right = min(left + side, 109_800)
    assert part.column * 10 <= max(left - 10 * MARGIN, 0)
    assert (part.column + part.width) * 10 >= min(right + 10 * MARGIN, 109_800)
    assert part.width <= (right - left) / 10 + 2 * MARGIN + 3 * 191 + 13
    for factor in (1, 2, 6):
        window = part.window(factor)
        assert (window.col_off * factor, window.width * factor) == (part.column, part.width)


def test_an_area_that_ends_where_the_scene_begins_does_not_touch_it() -> None:
    for left, top in ((-20_000, 0), (109_800, 0), (0, 109_800)):
        with pytest.raises(BadItem, match="does not touch"):
            part_around(square(left, top, 20_000), TILE)


def test_what_an_area_has_far_from_a_scene_makes_no_difference() -> None:
    boxes = [shapely.box(9, 52, 9.1, 52.1), shapely.box(-170, -80, -160, -70)]
    footprint = mapping(shapely.box(8.5, 51.5, 9.5, 52.5))
    near = area_near(Polygons(("a", "b"), np.array(boxes), DEGREES), footprint)
    assert shapely.equals(shapely.union_all(near.shapes), boxes[0])
