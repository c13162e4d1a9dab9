"""Change between two maps counts only where both are sure."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import shapely

from lc_assets.core.errors import BadReference, StoreError
from lc_assets.products.season_map.change import NOTHING, SAME, UNSURE, compare_maps
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.cog import cog_problems
from lc_assets.raster.polygons import Polygons
from lc_assets.store.layout import Store
from lc_assets.store.product_layout import pam_file, style_file
from lc_assets_tests.products.season_map.conftest import ZONE_32, Season, landscape

ALL = Polygons(("all",), np.array([shapely.box(*ZONE_32.bounds)]), ZONE_32.crs)
FELLED = np.s_[40:120, 60:160]


def item_of(day: str) -> str:
    return f"S2B_MSIL2A_{day}T103629_R008_T32ULB_{day}T140000"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Season:
    """Maps `a` and `b` of one landscape, and `c` after a wood has become a pasture."""
    season = Season(Store.at(tmp_path_factory.mktemp("made") / "store"), landscape())
    season.truth[FELLED] = 1
    cloud = np.zeros(ZONE_32.shape, bool)
    cloud[:10] = True
    season.add(item_of("20230501"), seed=1, noise=0.3)
    season.add(item_of("20230601"), seed=2, noise=0.3)
    season.truth[FELLED] = 5
    season.add(item_of("20240501"), seed=3, noise=0.3, cloud=cloud)
    for name, day in (("a", "20230501"), ("b", "20230601"), ("c", "20240501")):
        make_season_map(season.store, name, ALL, [item_of(day)])
    return season


@pytest.fixture
def three_maps(made: Season, tmp_path: Path) -> Season:
    """A copy of `made`."""
    shutil.copytree(str(made.store.root), tmp_path / "store")
    return Season(Store.at(tmp_path / "store"), made.truth)


def read(path: object) -> np.ndarray:
    with rasterio.open(str(path)) as dataset:
        return dataset.read(1)


def test_what_has_changed_is_found_and_each_pixel_is_accounted_for(three_maps: Season) -> None:
    store = three_maps.store
    found = compare_maps(store, "a", "c", sure=40, baseline="b")
    codes = read(found.layout.transitions)
    before, after = read(store.map("a").classified), read(store.map("c").classified)
    sure = (read(store.map("a").confidence) >= 40) & (read(store.map("c").confidence) >= 40)
    nothing = (before == 10) | (after == 10)
    expected = np.where(before == after, SAME, np.where(sure, 10 * before.astype(int) + after, UNSURE))
    assert np.array_equal(codes, np.where(nothing, NOTHING, expected))
    assert (codes[FELLED] == 15).mean() > 0.9
    old, new, pixels = found.transitions[0]
    assert (old.name, new.name) == ("Forest", "Pasture")
    assert pixels == (codes == 15).sum()
    assert found.pixels.sum() == codes.size
    assert found.share == pytest.approx(found.changed / (sure & ~nothing).sum())
    assert found.baseline is not None and found.baseline < 0.05
    assert found.shared == 0
    with Path(str(found.layout.table)).open() as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["pixels"]) for row in rows) == codes.size
    assert not cog_problems(str(found.layout.transitions))


def test_only_the_area_counts_and_maps_of_two_models_are_told_apart(three_maps: Season) -> None:
    left, bottom, right, top = ZONE_32.bounds
    triangle = Polygons(("t",), np.array([shapely.Polygon([(left, top), (right, top), (left, bottom)])]), ZONE_32.crs)
    cloud = np.zeros(ZONE_32.shape, bool)
    cloud[:20] = True
    three_maps.add(item_of("20240701"), seed=4, cloud=cloud, model="another")
    made = make_season_map(three_maps.store, "part", triangle, [item_of("20230501")])
    make_season_map(three_maps.store, "other", ALL, [item_of("20240701")])
    found = compare_maps(three_maps.store, "part", "other", sure=40)
    assert found.pixels.sum() == made.pixels.sum()
    assert found.pixels[NOTHING] == (read(made.layout.classified)[:20] != 10).sum()
    assert [model.fingerprint for model in found.models] == ["ffffffff", "another"]
    with rasterio.open(str(found.layout.transitions)) as dataset:
        assert dataset.tags()["AFTER_MODEL"] == found.models[1].name
    (three_maps.store.root / "maps" / "part" / "area.geojson").unlink()
    with pytest.raises(StoreError, match=r"area\.geojson cannot be read"):
        compare_maps(three_maps.store, "part", "other", sure=40)


def test_the_legend_has_the_hectares_of_the_transitions_that_occur(three_maps: Season) -> None:
    found = compare_maps(three_maps.store, "a", "c", sure=40)
    rows = [[field.text for field in row] for row in ElementTree.parse(pam_file(found.layout.transitions)).iter("Row")]
    assert {int(row[0]): float(row[-1]) for row in rows} == {
        code: pytest.approx(found.pixels[code] * found.pixel_area) for code in np.flatnonzero(found.pixels[:NOTHING])
    }
    names = {int(row[0]): row[1] for row in rows}
    assert names[15] == "Forest to Pasture"
    assert (names[SAME], names[UNSURE]) == ("unchanged", "not sure")
    style = [
        entry.get("label") for entry in ElementTree.parse(style_file(found.layout.transitions)).iter("paletteEntry")
    ]
    assert style == list(names.values())


def test_where_a_map_is_not_sure_nothing_counts_as_change(three_maps: Season) -> None:
    found = compare_maps(three_maps.store, "a", "c", sure=100)
    assert found.changed == 0
    assert found.pixels[UNSURE] > 7000


@pytest.mark.parametrize(
    ("before", "after", "sure", "error", "told"),
    [
        ("a", "missing", 60, StoreError, "there is no such map"),
        ("../a", "c", 60, BadReference, "is not a valid name of a map"),
        ("a", "c", 101, BadReference, "101 percent"),
        ("a", "a", 60, BadReference, "compared with itself: a, a"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    three_maps: Season, before: str, after: str, sure: int, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        compare_maps(three_maps.store, before, after, sure=sure)
    assert not Path(str(three_maps.store.root), "changes").exists()


def test_a_baseline_has_the_share_of_the_same_comparison_and_must_be_a_third_map(three_maps: Season) -> None:
    store = three_maps.store
    found = compare_maps(store, "a", "b", sure=40, baseline="c")
    assert (found.share, found.baseline) == (
        compare_maps(store, "a", "c", sure=40, baseline="b").baseline,
        compare_maps(store, "a", "c", sure=40).share,
    )
    make_season_map(store, "d", ALL, [item_of("20230501"), item_of("20230601")])
    assert compare_maps(store, "a", "c", sure=40, baseline="d").shared == 1
    for baseline in ("a", "c"):
        with pytest.raises(BadReference, match="compared with itself"):
            compare_maps(store, "a", "c", sure=40, baseline=baseline)


def test_a_map_that_cannot_be_opened_is_not_called_missing(three_maps: Season) -> None:
    path = Path(str(three_maps.store.map("c").classified))
    path.write_bytes(path.read_bytes()[:4])
    with pytest.raises(StoreError, match="season map c: it cannot be read"):
        compare_maps(three_maps.store, "a", "c", sure=60)


def test_maps_that_do_not_overlap_are_not_compared(three_maps: Season) -> None:
    left, bottom, _, top = ZONE_32.bounds
    for name, (west, east) in {"west": (0, 800), "east": (1200, 2000)}.items():
        half = Polygons(("x",), np.array([shapely.box(left + west, bottom, left + east, top)]), ZONE_32.crs)
        make_season_map(three_maps.store, name, half, [item_of("20230501")])
    with pytest.raises(BadReference, match="no pixel has a class in both maps"):
        compare_maps(three_maps.store, "west", "east", sure=60)
    assert not list(Path(str(three_maps.store.root), "changes").glob("*"))
