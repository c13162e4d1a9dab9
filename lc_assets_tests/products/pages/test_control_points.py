"""Longitude and latitude between the report's control points."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import transform

from lc_assets.products.pages.control_points import control_points
from lc_assets.raster.grid import Grid


@pytest.mark.parametrize(
    ("crs", "corner"),
    [
        ("EPSG:32633", (300_000, 6_200_000)),
        ("EPSG:32601", (300_000, 7_300_000)),  # across the antimeridian
        ("EPSG:32733", (300_000, 2_000_000)),
        ("EPSG:3413", (-54_900, 54_900)),  # around the pole
    ],
)
def test_positions_are_correct_to_a_fifth_of_a_pixel_anywhere_on_earth(crs: str, corner: tuple[float, float]) -> None:
    grid = Grid(crs, Affine(80, 0, corner[0], 0, -80, corner[1]), 1373, 1373)
    control = control_points(grid, 10)
    assert control is not None
    assert control.error <= 2
    cells = control.cells
    shares = np.random.default_rng(2).random((200, 2)) * 0.999
    for u, v in shares:
        (i, a), (j, b) = ((int(s * cells), s * cells - int(s * cells)) for s in (u, v))
        corners = control.vectors[j : j + 2, i : i + 2]
        vector = np.einsum("j,i,jik->k", [1 - b, b], [1 - a, a], corners)
        latitude = np.degrees(np.arctan2(vector[2], np.hypot(vector[0], vector[1])))
        longitude = np.degrees(np.arctan2(vector[1], vector[0]))
        (x,), (y,) = transform("EPSG:4326", crs, [longitude], [latitude])
        east, north = grid.transform @ (u * grid.width, v * grid.height)
        assert np.hypot(x - east, y - north) < 3
