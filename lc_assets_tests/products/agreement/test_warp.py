"""Resampling of a reference to the scene's grid: by area, without a shift, for any window and pixel size."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform
from rasterio.windows import Window

from lc_assets.core.retry_policy import DEFAULT_POLICY
from lc_assets.products.agreement.reference_tiles import open_tiles
from lc_assets.products.agreement.references import Tile
from lc_assets.products.agreement.warp import NO_REFERENCE, Reprojector
from lc_assets.raster.grid import Grid
from lc_assets_tests.rig.references import GRID, KNOWN, WORLDCOVER, blocks, raster, warped


@pytest.fixture(scope="module")
def latlong(tmp_path_factory: pytest.TempPathFactory) -> list[Tile]:
    """Two tiles shaped as WorldCover's, 1/12000 degree, whose common border crosses the grid; blocks of 8 pixels."""
    folder = tmp_path_factory.mktemp("latlong")
    codes = blocks((1200, 2400), 8, KNOWN)
    west, north, step = 6.45, 52.0, 1 / 12_000
    return [
        raster(folder / f"{n}.tif", codes[:, part], "EPSG:4326", Affine(step, 0, west + edge * step, 0, -step, north))
        for n, (part, edge) in enumerate(((slice(0, 1100), 0), (slice(1100, None), 1100)))
    ]


def test_a_reference_on_the_same_grid_is_unchanged(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).choice(KNOWN, GRID.shape).astype(np.uint8)
    codes[5:9, 100:140] = 0
    found = warped([raster(tmp_path / "a.tif", codes, GRID.crs, GRID.transform)], WORLDCOVER)
    assert (found == np.where(codes == 0, 255, codes)).all()


def test_a_window_does_not_depend_on_what_is_read_around_it(latlong: list[Tile]) -> None:
    whole = warped(latlong, WORLDCOVER)
    assert set(np.unique(whole).tolist()) == set(KNOWN)
    for rows in (1, 31, 100):
        assert (warped(latlong, WORLDCOVER, rows=rows) == whole).all()
    with open_tiles(latlong, DEFAULT_POLICY) as tiles:
        part = Reprojector(tiles, GRID, WORLDCOVER).read(Window(37, 41, 50, 60))
    assert (np.array([e.code for e in WORLDCOVER.reference])[part] == whole[41:101, 37:87]).all()


def by_points(tiles: list[Tile], across: float, down: float, height: int = GRID.height) -> np.ndarray:
    """The reference's code at a point of each pixel of the grid (or of its upper rows), read from the tiles.
    The point is `across` and `down` pixels from the centre."""
    columns, rows = np.meshgrid(np.arange(GRID.width) + 0.5 + across, np.arange(height) + 0.5 + down)
    x, y = transform(GRID.crs, "EPSG:4326", (330_000 + 10 * columns).ravel(), (5_760_000 - 10 * rows).ravel())
    found = np.full(columns.size, 255)
    for tile in tiles:
        codes, place = codes_of(tile.source)
        column, row = (np.floor(v).astype(int) for v in ~place @ (np.array(x), np.array(y)))
        inside = (column >= 0) & (column < codes.shape[1]) & (row >= 0) & (row < codes.shape[0])
        found[inside] = codes[row[inside], column[inside]]
    return found.reshape(height, GRID.width)


@cache
def codes_of(source: str) -> tuple[np.ndarray, Affine]:
    with rasterio.open(source) as dataset:
        return dataset.read(1), dataset.transform


def test_a_pixel_gets_the_class_that_covers_most_of_it_also_on_the_border_of_two_tiles(
    latlong: list[Tile],
) -> None:
    height = 48
    found, votes = warped(latlong, WORLDCOVER)[:height], np.zeros((height, GRID.width, 256), np.int16)
    for across in np.arange(-0.45, 0.5, 0.1):
        for down in np.arange(-0.45, 0.5, 0.1):
            np.add.at(votes, (*np.indices(found.shape), by_points(latlong, across, down, height)), 1)
    most, right = votes.max(axis=2), found == votes.argmax(axis=2)
    assert right[most == 100].all()
    assert right[most >= 75].mean() > 0.999
    assert right.mean() > 0.97
    left_tile = by_points(latlong[:1], 0, 0, height) != 255
    assert left_tile.any() and not left_tile.all(), "the border does not cross the grid"
    seam = left_tile != np.roll(left_tile, 2, axis=1)
    seam[:, :2] = False
    assert seam.sum() >= 2 * height
    assert right[seam].mean() > 0.95


def test_the_result_is_not_shifted(latlong: list[Tile]) -> None:
    """The result fits the unshifted reference best, and a reference shifted to each side equally worse."""
    found = warped(latlong, WORLDCOVER)
    fit = {(a, d): (by_points(latlong, a, d) == found).mean() for a in (-0.5, 0, 0.5) for d in (-0.5, 0, 0.5)}
    assert max(fit, key=lambda where: fit[where]) == (0, 0)
    assert fit[-0.5, 0] == pytest.approx(fit[0.5, 0], abs=0.015)
    assert fit[0, -0.5] == pytest.approx(fit[0, 0.5], abs=0.015)


def test_pixels_get_the_class_of_the_coarser_reference_pixel_around_them(tmp_path: Path) -> None:
    codes = np.random.default_rng(2).choice(KNOWN, (25, 26)).astype(np.uint8)
    tile = raster(tmp_path / "a.tif", codes, GRID.crs, Affine(100, 0, 330_000, 0, -100, 5_760_000))
    assert (warped([tile], WORLDCOVER) == codes.repeat(10, 0).repeat(10, 1)[:246, :258]).all()


def test_pixels_of_a_finer_reference_vote(tmp_path: Path) -> None:
    codes = np.full((246 * 3, 258 * 3), 10, np.uint8)
    codes[::3, :] = 80  # a third of each pixel: never the mode
    tile = raster(tmp_path / "a.tif", codes, GRID.crs, Affine(10 / 3, 0, 330_000, 0, -10 / 3, 5_760_000))
    assert (warped([tile], WORLDCOVER) == 10).all()


def test_pixels_without_data_in_the_scenes_own_zone_come_from_the_next_zone(tmp_path: Path) -> None:
    own = np.full(GRID.shape, 40, np.uint8)
    own[:, 100:] = 0
    there = raster(tmp_path / "own.tif", own, GRID.crs, GRID.transform)
    x, y = transform(GRID.crs, "EPSG:32631", [331_000], [5_759_000])
    corner = Affine(10, 0, round(x[0], -1) - 4000, 0, -10, round(y[0], -1) + 4000)
    next_zone = raster(tmp_path / "next.tif", np.full((800, 800), 80, np.uint8), "EPSG:32631", corner)
    found = warped([next_zone, there], WORLDCOVER)
    assert (found[:, :100] == 40).all()
    assert (found[:, 101:] == 80).all()


@pytest.mark.parametrize(("dtype", "nodata"), [(np.uint8, None), (np.int16, -1), (np.uint16, 65535)])
def test_legends_of_16_bits_and_rasters_without_nodata_are_read(tmp_path: Path, dtype: Any, nodata: int | None) -> None:
    codes = blocks(GRID.shape, 5, KNOWN).astype(dtype)
    tile = raster(tmp_path / "a.tif", codes, GRID.crs, GRID.transform, nodata)
    assert (warped([tile], WORLDCOVER) == codes).all()


def test_a_scene_across_the_antimeridian_gets_both_sides(tmp_path: Path) -> None:
    x, y = transform("EPSG:4326", "EPSG:32601", [-180.0], [10.0])
    grid = Grid("EPSG:32601", Affine(10, 0, round(x[0], -1) - 1000, 0, -10, round(y[0], -1) + 500), 200, 100)
    step = 1 / 12_000
    west = raster(
        tmp_path / "w.tif", np.full((600, 600), 10, np.uint8), "EPSG:4326", Affine(step, 0, 180 - 0.05, 0, -step, 10.03)
    )
    east = raster(
        tmp_path / "e.tif", np.full((600, 600), 80, np.uint8), "EPSG:4326", Affine(step, 0, -180, 0, -step, 10.03)
    )
    found = warped([west, east], WORLDCOVER, grid)
    assert (found[:, :99] == 10).all()
    assert (found[:, 101:] == 80).all()


def test_a_fine_reference_is_read_in_parts_below_the_limit(tmp_path: Path) -> None:
    import lc_assets.products.agreement.warp as warp

    fine = blocks((246 * 4, 258 * 4), 16, KNOWN)
    tile = raster(tmp_path / "a.tif", fine, GRID.crs, Affine(2.5, 0, 330_000, 0, -2.5, 5_760_000))
    whole = warped([tile], WORLDCOVER)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(warp, "MAX_PIXELS", 40_000)
        tiles = stack.enter_context(open_tiles([tile], DEFAULT_POLICY))
        sizes: list[int] = []
        original = type(tiles[0]).read
        patch.setattr(
            type(tiles[0]),
            "read",
            lambda self, window: sizes.append(window.width * window.height) or original(self, window),
        )
        found = Reprojector(tiles, GRID, WORLDCOVER).read(GRID.window)
    assert len(sizes) > 20
    assert max(sizes) <= 40_000
    assert (np.array([e.code for e in WORLDCOVER.reference])[found] == whole).all()


def test_coordinates_of_a_wide_pixel_grid_do_not_overflow(tmp_path: Path) -> None:
    """A grid of 220 km has 550,000 pixels of a reference of 0.4 m along its width."""
    wide = Grid("EPSG:32632", Affine(10, 0, 300_000, 0, -10, 5_800_000), 22_000, 40)
    tile = raster(
        tmp_path / "fine.tif",
        np.full((500, 2500), 10, np.uint8),
        wide.crs,
        Affine(0.4, 0, 515_000, 0, -0.4, 5_799_900),
    )
    known = warped([tile], WORLDCOVER, wide) != NO_REFERENCE
    assert known.sum() == 20 * 100
    rows, columns = np.nonzero(known)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (21_500, 21_599, 10, 29)
