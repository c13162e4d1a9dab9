"""The synthetic season is one landscape on several dates, and its fused map is better than that of each date."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from rasterio.vrt import WarpedVRT

from lc_assets.core.landcover import NO_DATA
from lc_assets.demo.season import DemoSeason, write_demo_season
from lc_assets.demo.season_figures import calibration_error, date_map
from lc_assets.inference.openvino_runtime import has_bfloat16
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import read_polygons
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.sentinel2.band_table import BANDS
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.sentinel2.scl import is_hidden
from lc_assets_tests.conftest import read
from lc_assets_tests.rig.command import Shell

PAGE = Path(__file__).parents[2] / "docs" / "maps.md"


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> DemoSeason:
    """Two dates of a small landscape."""
    return write_demo_season(tmp_path_factory.mktemp("season"), shape=(120, 240), dates=2)


def test_the_same_seed_writes_the_same_season(tmp_path: Path) -> None:
    a, b = (write_demo_season(tmp_path / name, shape=(60, 120), dates=1) for name in "ab")
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(names) == 3 + len(a.items) * (len(BANDS) + 2)
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert len(b.items) == 2


def test_each_date_is_one_overpass_over_tiles_of_two_zones(season: DemoSeason) -> None:
    scenes = [parse_scene(read_document(path), base=path) for path in season.items]
    takes = [acquisition_of(scene.document) for scene in scenes]
    assert [take.tile for take in takes] == ["32UQC", "33UTT"] * 2
    assert takes[0].datatake == takes[1].datatake != takes[2].datatake
    assert [scene.properties["proj:epsg"] for scene in scenes] == [32632, 32633] * 2
    catalog = pystac.Catalog.from_file(str(season.truth.parent / "catalog.json"))
    assert [item.id for item in catalog.get_items()] == [scene.id for scene in scenes]


def test_both_tiles_show_the_same_ground_and_cover_the_area(season: DemoSeason) -> None:
    with rasterio.open(season.truth) as dataset:
        grid, classes = Grid.of(dataset), dataset.read(1)
    assert not (classes == NO_DATA.code).any()
    seen = []
    for path in season.items[:2]:
        shape = {"crs": grid.crs, "transform": grid.transform, "width": grid.width, "height": grid.height}
        with rasterio.open(path.parent / "B08.tif") as dataset, WarpedVRT(dataset, **shape) as warped:
            seen.append(warped.read(1))
    both = (seen[0] > 0) & (seen[1] > 0)
    assert 0.1 < both.mean() < 0.3
    assert np.corrcoef(seen[0][both], seen[1][both])[0, 1] > 0.9
    left, bottom, right, top = read_polygons(season.area, "area").to(grid.crs).shapes[0].bounds
    (west, north), (east, south) = (~grid.transform @ corner for corner in ((left, top), (right, bottom)))
    inside = np.s_[round(north) : round(south), round(west) : round(east)]
    assert ((seen[0] > 0) | (seen[1] > 0))[inside].all()


def test_clouds_are_elsewhere_on_each_date(season: DemoSeason) -> None:
    hidden = [is_hidden(read(path.parent / "SCL.tif")) for path in (season.items[0], season.items[2])]
    assert all(0.02 < each.mean() < 0.9 for each in hidden)
    assert (hidden[0] != hidden[1]).mean() > 0.05


def test_the_first_scene_of_a_date_counts_where_scenes_overlap(season: DemoSeason) -> None:
    with rasterio.open(season.truth) as dataset:
        grid = Grid.of(dataset)
    first, second = (str(path.parent / "SCL.tif") for path in season.items[:2])
    alone, both = date_map([first], grid), date_map([first, second], grid)
    assert np.array_equal(both[alone != NO_DATA.code], alone[alone != NO_DATA.code])


@pytest.mark.parametrize(("confidence", "right", "error"), [(0.75, [1, 1, 1, 0], 0), (0.9, [0, 0, 0, 0], 0.9)])
def test_the_calibration_error_is_the_distance_of_confidence_and_right(
    confidence: float, right: list[int], error: float
) -> None:
    assert calibration_error(np.full(4, confidence), np.array(right, bool)) == pytest.approx(error)


@pytest.mark.slow
def test_the_map_of_the_season_is_better_than_its_best_date_calibrated_and_without_a_seam(shell: Shell) -> None:
    output = shell("demo", "--season").output
    dates = re.findall(r"(\d{4}-\d\d-\d\d) +([\d.]+) % +([\d.]+) % +([\d.]+) %", output)
    assert len(dates) == 6
    sees, right, fused_right = np.array([row[1:] for row in dates], float).T
    fused_sees, fused = map(float, re.findall(r"fused +([\d.]+) % +([\d.]+) %", output)[0])
    assert fused_sees > 99.9
    assert fused > (sees * right).max() / 100 + 10
    assert np.average(fused_right - right, weights=sees) > 1
    near, elsewhere = map(float, re.findall(r"border ([\d.]+) %, elsewhere ([\d.]+) %", output)[0])
    assert near < elsewhere + 2
    assert float(re.findall(r"right pixels by ([\d.]+) %", output)[0]) <= 5
    assert "number of dates is wrong: 0" in output
    page = re.findall(r"\| \d+ [A-Z][a-z]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", PAGE.read_text(encoding="utf-8"))
    told = np.array([[*map(float, row)] for row in page])
    assert pytest.approx(told, abs=1.2 if has_bfloat16() else 0.3) == np.array([sees, right, fused_right]).T
    assert "done      season map demo-season" in shell("status").output
    assert "12 scenes of 6 dates" in shell("map", "--name", "demo-season").output
