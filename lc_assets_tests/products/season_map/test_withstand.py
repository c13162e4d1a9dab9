"""Clouds, many tiles, the antimeridian, tiny and huge areas, and a run that is killed do a season map no harm."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.warp import transform_bounds

from lc_assets.core.cpu import cpu_count
from lc_assets.products.season_map.fusion import Fusion
from lc_assets.products.season_map.grid import grid_of
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons, box_polygon
from lc_assets.store import atomic
from lc_assets_tests.products.season_map.conftest import ZONE_32, Season
from lc_assets_tests.rig.marks import further

ALL = Polygons(("all",), np.array([shapely.box(*ZONE_32.bounds)]), ZONE_32.crs)
CLOUDY = np.ones(ZONE_32.shape, bool)


def item_of(day: str, tile: str = "32ULB") -> str:
    return f"S2B_MSIL2A_{day}T103629_R008_T{tile}_{day}T140000"


def read(path: object) -> np.ndarray:
    with rasterio.open(str(path)) as dataset:
        return dataset.read(1)


def test_a_date_without_a_clear_pixel_changes_no_pixel(season: Season) -> None:
    clear, hidden = item_of("20240501"), item_of("20240511")
    season.add(clear, seed=1)
    season.add(hidden, seed=2, cloud=CLOUDY)
    alone = make_season_map(season.store, "alone", ALL, [clear]).layout
    both = make_season_map(season.store, "both", ALL, [clear, hidden]).layout
    for name in ("classified", "confidence", "observations", "stability", "probabilities"):
        assert np.array_equal(read(getattr(alone, name)), read(getattr(both, name))), name


def test_an_area_that_no_date_sees_is_no_data(season: Season) -> None:
    season.add(item_of("20240501"), seed=1, cloud=CLOUDY)
    made = make_season_map(season.store, "hidden", ALL, [item_of("20240501")])
    assert made.mean_confidence is None
    assert made.pixels.tolist() == [0] * 10 + [ZONE_32.width * ZONE_32.height]
    assert (read(made.layout.classified) == 10).all() and not read(made.layout.observations).any()


def test_nine_tiles_of_one_overpass_are_one_date_without_gaps(season: Season) -> None:
    items = []
    for row, height in enumerate((68, 68, 64)):
        for column in range(3):
            moved = ZONE_32.transform @ Affine.translation(80 * column, 68 * row)
            items.append(item_of("20240501", f"32U{'LMN'[column]}{'CBA'[row]}"))
            season.add(items[-1], seed=1, grid=Grid(ZONE_32.crs, moved, 80, height), noise=0.5)
    made = make_season_map(season.store, "nine", ALL, items)
    assert (made.dates, len(made.scenes)) == (1, 9)
    assert (read(made.layout.observations) == 1).all()
    assert (read(made.layout.classified) == season.truth).mean() > 0.9


def test_an_area_over_the_antimeridian_in_the_south_is_mapped_from_both_sides(season: Season) -> None:
    area = box_polygon(179.995, -16.91, -179.995, -16.9)
    items = []
    for tile, crs, box in (
        ("60KYF", "EPSG:32760", (179.99, -16.915, 180, -16.895)),
        ("01KAB", "EPSG:32701", (-180, -16.915, -179.99, -16.895)),
    ):
        left, bottom, right, top = (round(value / 40) * 40 for value in transform_bounds("OGC:CRS84", crs, *box))
        grid = Grid(crs, Affine(10, 0, left, 0, -10, top), (right - left) // 10, (top - bottom) // 10)
        items.append(item_of("20240501", tile))
        season.add(items[-1], seed=1, grid=grid)
    made = make_season_map(season.store, "fiji", area, items)
    with rasterio.open(str(made.layout.classified)) as dataset:
        assert dataset.crs.to_epsg() in (32760, 32701)
    assert len(made.scenes) == 2
    assert made.pixels[10] == 0
    # 0.01 degrees of longitude and of latitude.
    assert made.pixels.sum() == pytest.approx(1065 * 1106 / 100, rel=0.02)


def test_an_area_of_100_m_has_a_hundred_pixels(season: Season) -> None:
    season.add(item_of("20240501"), seed=1)
    left, _, _, top = ZONE_32.bounds
    area = Polygons(("plot",), np.array([shapely.box(left + 730, top - 880, left + 830, top - 780)]), ZONE_32.crs)
    made = make_season_map(season.store, "plot", area, [item_of("20240501")])
    assert made.pixels.sum() == 100 and made.pixels[10] == 0
    whole = make_season_map(season.store, "whole", ALL, [item_of("20240501")])
    inside = np.s_[78:88, 73:83]
    assert np.array_equal(np.bincount(read(whole.layout.classified)[inside].ravel(), minlength=11), made.pixels)


def test_a_feature_outside_all_scenes_is_no_data_and_the_others_are_mapped(season: Season) -> None:
    season.add(item_of("20240501"), seed=1)
    left, _, right, top = ZONE_32.bounds
    shapes = [shapely.box(x, top - 300, x + 200, top - 100) for x in (left + 100, right + 1000)]
    area = Polygons(("here", "far"), np.array(shapes), ZONE_32.crs)
    layout = make_season_map(season.store, "both", area, [item_of("20240501")]).layout
    pixels = {name: [0] * 11 for name in area.names}
    for line in layout.areas.read_text(encoding="utf-8").splitlines()[1:]:
        name, code, _, count, *_ = line.split(",")
        pixels[name][int(code)] = int(count)
    assert sum(pixels["here"]) == 400 and pixels["here"][10] == 0
    assert pixels["far"] == [0] * 10 + [400]


def test_a_map_of_200_km_holds_only_a_few_blocks_at_a_time(season: Season, monkeypatch: pytest.MonkeyPatch) -> None:
    left, _, _, top = ZONE_32.bounds
    area = Polygons(("big",), np.array([shapely.box(left, top - 200_000, left + 200_000, top)]), ZONE_32.crs)
    fusion = Fusion(season.store, [], grid_of(area, 4), area)
    computed, lock, ahead = 0, threading.Lock(), []

    def block(*_: object) -> SimpleNamespace:
        nonlocal computed
        with lock:
            computed += 1
        return SimpleNamespace()

    monkeypatch.setattr(fusion, "_block", block)
    for taken, _ in enumerate(fusion.blocks(), start=1):
        if taken % 20 == 1:
            time.sleep(0.01)  # the threads compute what they may
        ahead.append(computed - taken)
    assert len(ahead) == 200
    assert max(ahead) <= 2 * cpu_count()


class Killed(BaseException):
    """What ends a run in the middle."""


@pytest.mark.parametrize("moved", [1, *further(0, 6)])
def test_a_killed_run_repeats_to_the_same_bytes(season: Season, monkeypatch: pytest.MonkeyPatch, moved: int) -> None:
    items = [item_of("20240501"), item_of("20240511")]
    for number, item in enumerate(items):
        season.add(item, seed=number)
    left, bottom, _, top = ZONE_32.bounds
    west = Polygons(("west",), np.array([shapely.box(left, bottom, left + 900, top)]), ZONE_32.crs)
    move, count = atomic.move_into_place, 0

    def kill(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count > moved:
            raise Killed
        move(source, target)

    make_season_map(season.store, "one", west, items[:1])  # an earlier map of another area
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(atomic, "move_into_place", kill)
        make_season_map(season.store, "one", ALL, items)
    again = make_season_map(season.store, "one", ALL, items).layout
    undisturbed = make_season_map(season.store, "two", ALL, items).layout
    for name in ("classified", "confidence", "observations", "stability", "probabilities", "overview"):
        assert np.array_equal(read(getattr(again, name)), read(getattr(undisturbed, name))), name
    assert again.areas.read_bytes() == undisturbed.areas.read_bytes()
    folder = Path(str(again.folder))
    assert len(list(folder.iterdir())) == len(list(Path(str(undisturbed.folder)).iterdir()))
    assert not [path for path in folder.parent.iterdir() if path.name.endswith(".part")]
