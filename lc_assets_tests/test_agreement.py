"""Agreement with a reference: the paper's figures, an honest sample, an exact warp, and the asset that shows them."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.warp import transform
from rasterio.windows import Window

from lc_assets import store
from lc_assets.definitions import build_common_definitions, build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.jobs import COMPARE
from lc_assets.landcover import CLASSES, NO_DATA
from lc_assets.raster.cog import cog_problems
from lc_assets.raster.grid import Grid
from lc_assets.reference.agreement import Z95, counted, estimated
from lc_assets.reference.crosswalk import FOLDER, Crosswalk, read_crosswalk
from lc_assets.reference.sample import Sampler, allocated
from lc_assets.reference.scene import compare_scene
from lc_assets.reference.sources import Reference, Tile
from lc_assets.reference.tiles import opened
from lc_assets.reference.warp import NOT_KNOWN, Warper
from lc_assets.running import Outcome, run_scene
from lc_assets.sentinel2.patience import PATIENCE
from lc_assets_tests.conftest import Desk, read

EUROSAT = read_crosswalk(FOLDER / "eurosat.csv")
WORLDCOVER = read_crosswalk(FOLDER / "esa-worldcover.csv")

# The estimators

PAPER = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
"""Olofsson et al. 2014, table 8: deforestation, forest gain, stable forest, stable non-forest."""
MAPPED = np.array([200_000, 150_000, 3_200_000, 6_450_000])


def test_the_papers_example_comes_out_as_printed() -> None:
    """Section 5. The printed half widths of two producer's accuracies (0.23, 0.01) are not what equation 7 gives for
    the printed table (0.254, 0.018; the R package mapaccuracy has the same): they are compared with what it gives."""
    found = estimated(PAPER, MAPPED)
    assert (found.overall.value, Z95 * found.overall.error) == pytest.approx((0.95, 0.02), abs=0.005)
    users = [(figure.value, Z95 * figure.error) for figure in found.users]
    assert users == [
        pytest.approx(pair, abs=0.005) for pair in ((0.88, 0.07), (0.73, 0.10), (0.93, 0.04), (0.96, 0.02))
    ]
    producers = [(figure.value, Z95 * figure.error) for figure in found.producers]
    printed = ((0.75, 0.21), (0.85, 0.254), (0.93, 0.03), (0.96, 0.018))
    assert producers == [pytest.approx(pair, abs=0.005) for pair in printed]
    area = found.areas[0]
    assert area.value * MAPPED.sum() == pytest.approx(235_086, abs=1)
    assert Z95 * area.error * MAPPED.sum() == pytest.approx(68_418, abs=1)
    assert found.proportions.sum() == pytest.approx(1)


def test_what_nothing_was_there_for_is_not_a_figure() -> None:
    # The second group is on neither side, the third only on the map, the fourth only in the reference.
    found = counted(np.array([[8, 0, 0, 2], [0, 0, 0, 0], [3, 0, 0, 1], [0, 0, 0, 0]]))
    assert [figure.value for figure in found.users] == [0.8, None, 0.0, None]
    assert [figure.value for figure in found.producers] == [8 / 11, None, None, 0.0]
    assert [figure.interval for figure in found.users][1] is None
    assert found.overall.value == pytest.approx(8 / 14)
    empty = counted(np.zeros((3, 3)))
    assert empty.overall.value is empty.overall.interval is empty.users[0].value is empty.areas[0].value is None


def test_a_stratum_of_one_sample_has_no_standard_error_unless_it_has_one_pixel() -> None:
    sample = np.array([[50, 10], [0, 1]])
    lone = estimated(sample, np.array([6000, 40]))
    assert lone.users[1].value == 1.0
    assert lone.users[1].error is lone.overall.error is lone.overall.interval is None
    assert lone.overall.value is not None
    whole = estimated(sample, np.array([6000, 1]))
    assert whole.users[1].error == 0
    assert whole.overall.error is not None
    none = estimated(np.array([[50, 10], [0, 0]]), np.array([6000, 40]))
    assert none.overall.value is none.users[1].value is None
    assert none.users[0].value == 50 / 60


def test_what_is_counted_whole_has_no_error() -> None:
    found = counted(np.array([[50, 10], [3, 7]]))
    assert found.overall.interval == (57 / 70, 57 / 70)
    assert {figure.error for figure in (*found.users, *found.producers, *found.areas)} == {0.0}


# The sample


def drawn(strata: np.ndarray, sizes: np.ndarray, seed: int, rows: int = 1000) -> list[np.ndarray]:
    """Places of the sample of each stratum, offered in strips of so many rows."""
    sampler = Sampler(len(sizes), int(sizes.max()), seed)
    for top in range(0, len(strata), rows):
        sampler.offer(strata[top : top + rows], strata[top : top + rows], top)
    parts = sampler.draw(sizes)
    assert all((strata.ravel()[part.places] == number).all() for number, part in enumerate(parts))
    assert all((part.values == number).all() for number, part in enumerate(parts))
    return [np.sort(part.places) for part in parts]


def test_a_sample_depends_on_its_seed_and_not_on_the_strips() -> None:
    strata = np.random.default_rng(0).integers(-1, 3, (90, 70))
    sizes = np.array([40, 10, 25])
    first = drawn(strata, sizes, 1)
    assert [len(np.unique(part)) for part in first] == sizes.tolist()
    for rows in (1, 7, 64):
        assert all((a == b).all() for a, b in zip(first, drawn(strata, sizes, 1, rows), strict=True))
    assert any((a != b).any() for a, b in zip(first, drawn(strata, sizes, 2), strict=True))


def test_every_pixel_of_a_stratum_is_drawn_as_often() -> None:
    strata = np.zeros((4, 5), int)
    counts = sum(
        np.bincount(drawn(strata, np.array([5]), seed, rows=2)[0], minlength=20).astype(float) for seed in range(2000)
    )
    assert counts.sum() == 10_000
    assert abs(counts - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)


@pytest.mark.parametrize(
    ("pixels", "total", "expected"),
    [
        ([10**7, 10**7, 0, 5000], 1001, [451, 450, 0, 100]),
        ([3, 10**6, 90], 1000, [3, 897, 100 - 10]),
        ([10, 20], 1000, [10, 20]),
        ([10**6, 10**6, 10**6], 90, [30, 30, 30]),
        ([0, 0], 100, [0, 0]),
        ([1, 10**6], 20, [1, 19]),
    ],
)
def test_rare_groups_get_their_least_and_the_rest_goes_by_area(
    pixels: list[int], total: int, expected: list[int]
) -> None:
    assert allocated(np.array(pixels), total).tolist() == [pytest.approx(n, abs=11) for n in expected]
    assert allocated(np.array(pixels), total).sum() == min(total, sum(pixels))


def test_about_95_of_100_intervals_hold_what_the_full_count_says() -> None:
    rng = np.random.default_rng(5)
    ours = rng.choice(3, (400, 500), p=(0.7, 0.25, 0.05))
    theirs = np.where(rng.random(ours.shape) < 0.75, ours, rng.choice(3, ours.shape))
    matrix = np.bincount((3 * ours + theirs).ravel(), minlength=9).reshape(3, 3)
    truth, sizes = counted(matrix), allocated(matrix.sum(axis=1), 800)
    seeds, held = 300, np.zeros(10)
    for seed in range(seeds):
        sampler = Sampler(3, 800, seed)
        sampler.offer(ours, theirs, 0)
        sample = np.array([np.bincount(part.values, minlength=3) for part in sampler.draw(sizes)])
        found = estimated(sample, matrix.sum(axis=1))
        pairs = zip(
            (found.overall, *found.users, *found.producers, *found.areas),
            (truth.overall, *truth.users, *truth.producers, *truth.areas),
            strict=True,
        )
        held += [guess.interval[0] <= known.value <= guess.interval[1] for guess, known in pairs]
    assert (held / seeds > 0.90).all(), held / seeds
    assert 0.92 < held.mean() / seeds < 0.98


# The warp

GRID = Grid("EPSG:32632", Affine(10, 0, 330_000, 0, -10, 5_760_000), 258, 246)


def raster(path: Path, codes: np.ndarray, crs: str, at: Affine, nodata: int | None = 0) -> Tile:
    profile = {"driver": "GTiff", "count": 1, "dtype": codes.dtype, "crs": crs, "transform": at, "nodata": nodata}
    with rasterio.open(path, "w", height=codes.shape[0], width=codes.shape[1], **profile) as dataset:
        dataset.write(codes, 1)
    return Tile(path)


def warped(tiles: list[Tile], crosswalk: Crosswalk, grid: Grid = GRID, rows: int = 10**6) -> np.ndarray:
    """Reference codes on a grid, read in strips of so many rows; 255 where nothing is known."""
    codes = np.array([*(entry.code for entry in crosswalk.reference), *[255] * 256], np.int64)
    with opened(tiles, PATIENCE) as open_tiles:
        warper = Warper(open_tiles, grid, crosswalk)
        found = np.concatenate([warper.read(window) for window in grid.strips(rows)])
    return np.where(found == NOT_KNOWN, 255, codes[np.minimum(found, len(crosswalk.reference))])


def blocks(shape: tuple[int, int], side: int, codes: tuple[int, ...], seed: int = 0) -> np.ndarray:
    few = np.random.default_rng(seed).choice(codes, [-(-n // side) for n in shape])
    return few.repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]].astype(np.uint8)


KNOWN = (10, 20, 30, 40, 50, 80)


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


def test_a_reference_on_the_very_grid_comes_through_unchanged(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).choice(KNOWN, GRID.shape).astype(np.uint8)
    codes[5:9, 100:140] = 0
    found = warped([raster(tmp_path / "a.tif", codes, GRID.crs, GRID.transform)], WORLDCOVER)
    assert (found == np.where(codes == 0, 255, codes)).all()


def test_a_window_comes_out_the_same_whatever_is_read_around_it(latlong: list[Tile]) -> None:
    whole = warped(latlong, WORLDCOVER)
    assert set(np.unique(whole).tolist()) == set(KNOWN)
    for rows in (1, 31, 100):
        assert (warped(latlong, WORLDCOVER, rows=rows) == whole).all()
    with opened(latlong, PATIENCE) as tiles:
        part = Warper(tiles, GRID, WORLDCOVER).read(Window(37, 41, 50, 60))
    assert (np.array([e.code for e in WORLDCOVER.reference])[part] == whole[41:101, 37:87]).all()


def by_points(tiles: list[Tile], across: float, down: float) -> np.ndarray:
    """The reference's code at a point of each pixel of the grid, so far from its centre; straight from the tiles."""
    columns, rows = np.meshgrid(np.arange(GRID.width) + 0.5 + across, np.arange(GRID.height) + 0.5 + down)
    x, y = transform(GRID.crs, "EPSG:4326", (330_000 + 10 * columns).ravel(), (5_760_000 - 10 * rows).ravel())
    found = np.full(columns.size, 255)
    for tile in tiles:
        with rasterio.open(tile.place) as dataset:
            codes = dataset.read(1)
            column, row = (np.floor(v).astype(int) for v in ~dataset.transform @ (np.array(x), np.array(y)))
            inside = (column >= 0) & (column < codes.shape[1]) & (row >= 0) & (row < codes.shape[0])
            found[inside] = codes[row[inside], column[inside]]
    return found.reshape(GRID.shape)


def test_a_pixel_takes_the_class_that_covers_most_of_it_also_across_the_border_of_two_tiles(
    latlong: list[Tile],
) -> None:
    found, votes = warped(latlong, WORLDCOVER), np.zeros((*GRID.shape, 256), np.int16)
    for across in np.arange(-0.45, 0.5, 0.1):
        for down in np.arange(-0.45, 0.5, 0.1):
            np.add.at(votes, (*np.indices(GRID.shape), by_points(latlong, across, down)), 1)
    most, right = votes.max(axis=2), found == votes.argmax(axis=2)
    assert right[most == 100].all()
    assert right[most >= 75].mean() > 0.999
    assert right.mean() > 0.97
    left_tile = by_points(latlong[:1], 0, 0) != 255
    assert left_tile.any() and not left_tile.all(), "the border does not cross the grid"
    seam = left_tile != np.roll(left_tile, 2, axis=1)
    seam[:, :2] = False
    assert seam.sum() > 200
    assert right[seam].mean() > 0.95


def test_nothing_is_moved_by_half_a_pixel(latlong: list[Tile]) -> None:
    """What comes out fits the reference best where the reference is, and worse alike on all sides."""
    found = warped(latlong, WORLDCOVER)
    fit = {(a, d): (by_points(latlong, a, d) == found).mean() for a in (-0.5, 0, 0.5) for d in (-0.5, 0, 0.5)}
    assert max(fit, key=lambda where: fit[where]) == (0, 0)
    assert fit[-0.5, 0] == pytest.approx(fit[0.5, 0], abs=0.015)
    assert fit[0, -0.5] == pytest.approx(fit[0, 0.5], abs=0.015)


def test_a_coarser_reference_gives_the_pixel_that_one_lies_in(tmp_path: Path) -> None:
    codes = np.random.default_rng(2).choice(KNOWN, (25, 26)).astype(np.uint8)
    tile = raster(tmp_path / "a.tif", codes, GRID.crs, Affine(100, 0, 330_000, 0, -100, 5_760_000))
    assert (warped([tile], WORLDCOVER) == codes.repeat(10, 0).repeat(10, 1)[:246, :258]).all()


def test_a_finer_reference_is_outvoted_pixel_by_pixel(tmp_path: Path) -> None:
    codes = np.full((246 * 3, 258 * 3), 10, np.uint8)
    codes[::3, :] = 80  # a third of each pixel: never the mode
    tile = raster(tmp_path / "a.tif", codes, GRID.crs, Affine(10 / 3, 0, 330_000, 0, -10 / 3, 5_760_000))
    assert (warped([tile], WORLDCOVER) == 10).all()


def test_what_the_scenes_own_zone_does_not_know_comes_from_the_next(tmp_path: Path) -> None:
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


# The asset


@pytest.fixture
def classified(classified_demo: tuple[Desk, Outcome], tmp_path: Path) -> Iterator[Desk]:
    """The classified demo scene in a store of its own, so that nothing is left in the shared one."""
    desk, _ = classified_demo
    store = tmp_path / "store"
    shutil.copytree(desk.settings.store, store, copy_function=shutil.copyfile)
    with dg.DagsterInstance.ephemeral() as instance:
        own = Desk(type(desk.settings)(store=store, stac_url="http://127.0.0.1:9"), instance)
        instance.add_dynamic_partitions("scenes", [DEMO_ITEM_ID])
        yield own


def agreed(desk: Desk, item: str = DEMO_ITEM_ID, **config: Any) -> tuple[Outcome, dict[str, Any]]:
    """The asset, materialised; and its check: whether it passed, its description, its metadata."""
    outcome = run_scene(
        build_common_definitions(desk.settings),
        desk.instance,
        item,
        {"reference_agreement": {"config": config}},
        job=COMPARE,
    )
    checks = [
        event.dagster_event.asset_check_evaluation_data
        for event in desk.instance.all_logs(outcome.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    return outcome, {
        c.check_name: (c.passed, c.description, {k: v.value for k, v in c.metadata.items()}) for c in checks
    }


def test_the_demos_truth_gives_the_figure_that_counting_gives(classified: Desk, demo_item: Path) -> None:
    outcome, checks = agreed(classified, references=["truth"])
    assert outcome.error is None, outcome.error
    found, truth = read(classified.folder(DEMO_ITEM_ID).classified), read(demo_item.parent / "truth.tif")
    both = (found != NO_DATA.code) & (truth != NO_DATA.code)
    shown = outcome.metadata["reference_agreement"]
    assert shown["truth_agreement_percent"] == pytest.approx(100 * (found == truth)[both].mean(), abs=0.006)
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"
    document = json.loads((folder / "agreement.json").read_text())
    matrix = np.array(document["full_count"]["matrix"])
    assert matrix.sum() == both.sum() == document["pixels"]["scored"]
    assert (matrix == np.bincount(10 * found[both].astype(int) + truth[both], minlength=100).reshape(10, 10)).all()
    for code, row in enumerate(document["full_count"]["groups"]):
        mine, right = truth[both] == code, (found == truth)[both]
        assert row["producers"] == (None if not mine.any() else pytest.approx(right[mine].mean(), abs=1e-6))
        assert row["reference_hectares"] == pytest.approx(mine.sum() / 100)
    assert document["crosswalk"]["sha256"] == EUROSAT.sha256
    assert document["map"]["model"]
    passed, _, numbers = checks["agrees_enough"]
    assert passed == (shown["truth_agreement_percent"] >= 60)
    assert numbers["truth_percent"] == shown["truth_agreement_percent"]


def test_its_files_are_a_valid_cog_with_names_a_sample_and_small_pictures(classified: Desk, demo_item: Path) -> None:
    outcome, _ = agreed(classified, references=["truth"], samples=500, seed=3)
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("agreement.json", "confusion.png", "disagreement.png", "disagreement.tif", "sample.csv")
    ]
    assert [p for p in folder.parent.iterdir() if p != folder] == []
    found, truth = read(classified.folder(DEMO_ITEM_ID).classified), read(demo_item.parent / "truth.tif")
    scored = (found != NO_DATA.code) & (truth != NO_DATA.code)
    assert (read(folder / "disagreement.tif") == np.where(scored, np.where(found == truth, 0, 1), 2)).all()
    assert cog_problems(folder / "disagreement.tif") == []
    with rasterio.open(folder / "disagreement.tif") as dataset:
        assert dataset.nodata == 2
        assert len({dataset.colormap(1)[code] for code in (0, 1, 2)}) == 3
        assert [dataset.tags(1)[f"CLASS_{code}"] for code in (0, 1, 2)] == ["agree", "disagree", "not scored"]
    rows = list(csv.DictReader(io.StringIO((folder / "sample.csv").read_text())))
    document = json.loads((folder / "agreement.json").read_text())
    assert len(rows) == document["sample"]["pixels"] == 500
    titles = [c.title for c in CLASSES]
    for row in rows[::25]:
        at = int(row["row"]), int(row["column"])
        assert (row["map"], row["reference"]) == (titles[found[at]], titles[truth[at]])
        assert (row["agree"] == "yes") == (found[at] == truth[at])
        with rasterio.open(classified.folder(DEMO_ITEM_ID).classified) as dataset:
            assert dataset.index(float(row["x"]), float(row["y"])) == at
    for name in ("confusion.png", "disagreement.png"):
        assert max(Image.open(folder / name).size) <= 500
        assert (folder / name).stat().st_size < 20_000
    shown = outcome.metadata["reference_agreement"]
    assert len(shown["truth_where"]) < 1000
    assert shown["truth_confusion"].startswith("![confusion with truth](data:image/png;base64,")


def test_the_same_seed_writes_the_same_bytes(classified: Desk) -> None:
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"

    def written(seed: int) -> dict[str, bytes]:
        assert agreed(classified, references=["truth"], seed=seed)[0].error is None
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    first, again, other = written(1), written(1), written(2)
    assert first == again
    assert {name for name in first if first[name] != other[name]} == {"agreement.json", "sample.csv"}


def test_a_raster_of_ones_own_is_scored_by_a_crosswalk_and_says_what_it_leaves_out(
    classified: Desk, tmp_path: Path
) -> None:
    scene = classified.folder(DEMO_ITEM_ID)
    found = read(scene.classified)
    with rasterio.open(scene.classified) as dataset:
        grid = Grid.of(dataset)
    codes = np.where(found == 1, 10, 40).astype(np.uint8)  # trees where the map has forest, else cropland
    codes[:20], codes[20:40], codes[40:50] = 70, 0, 123  # snow, nothing, a code that no crosswalk lists
    path = tmp_path / "my map (2021).tif"
    raster(path, codes, grid.crs, grid.transform)
    outcome, _ = agreed(classified, references=[str(path)], crosswalk=str(FOLDER / "esa-worldcover.csv"))
    assert outcome.error is None, outcome.error
    document = json.loads((scene.folder / "agreement" / "my-map-2021" / "agreement.json").read_text())
    there, orchard = found != NO_DATA.code, found == 6
    scored = there & ~orchard
    scored[:50] = False
    assert document["pixels"]["scored"] == scored.sum()
    assert document["pixels"]["reference_nodata"] == there[20:40].sum()
    left = {row["class"]: row["pixels"] for row in document["not_scored"]}
    compared = there.copy()
    compared[20:40] = False
    assert left == {
        "PermanentCrop": (orchard & compared).sum(),
        "Snow and ice": there[:20].sum(),
        "code 123": there[40:50].sum(),
    }
    assert all(row["why"] for row in document["not_scored"])
    right = np.isin(found, (0, 1))[scored]
    assert document["full_count"]["overall"] == pytest.approx(right.mean(), abs=1e-6)
    water = next(row for row in document["full_count"]["groups"] if row["group"] == "water")
    assert (water["users"], water["producers"], water["reference_hectares"]) == (0.0, None, 0.0)
    shown = outcome.metadata["reference_agreement"]
    assert shown["my_map_2021_not_scored_percent"] == pytest.approx(
        100 * (1 - scored.sum() / compared.sum()), abs=0.006
    )


def test_where_nothing_can_be_scored_the_check_fails_in_words(classified: Desk, tmp_path: Path) -> None:
    scene = classified.folder(DEMO_ITEM_ID)
    with rasterio.open(scene.classified) as dataset:
        grid = Grid.of(dataset)
    for name, code in (("snow", 70), ("nothing", 0)):
        raster(tmp_path / f"{name}.tif", np.full(grid.shape, code, np.uint8), grid.crs, grid.transform)
        outcome, checks = agreed(
            classified, references=[str(tmp_path / f"{name}.tif")], crosswalk=str(FOLDER / "esa-worldcover.csv")
        )
        assert outcome.error is None, outcome.error
        passed, words, _ = checks["agrees_enough"]
        assert not passed
        assert f"nothing could be scored against {name}" in words
        document = json.loads((scene.folder / "agreement" / name / "agreement.json").read_text())
        assert document["full_count"]["overall"] is document["sample"]["overall"]["value"] is None


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"references": ["nonsense"]}, "there is no reference 'nonsense' -> name one of esa-worldcover"),
        ({"references": ["{tmp}/far.tif"], "crosswalk": "{worldcover}"}, "the reference far does not lie under it"),
        ({"references": ["{tmp}/far.tif"]}, "there is no crosswalk for the reference 'far'"),
        ({"references": ["truth"], "crosswalk": "{tmp}/none.csv"}, "none.csv cannot be read"),
        ({"references": ["{tmp}/real.tif"], "crosswalk": "{worldcover}"}, "is no map of classes: float32"),
        ({"references": ["{tmp}/text.tif"], "crosswalk": "{worldcover}"}, "it is damaged, or no GeoTIFF"),
        ({"references": ["{tmp}/map.vrt"], "crosswalk": "{worldcover}"}, "it names a description of other files"),
        ({"references": ["/vsicurl/http://a.example/b.tif"]}, "it is an instruction to GDAL"),
        ({"references": ["GTIFF_DIR:1:{tmp}/far.tif"]}, "it is an instruction to GDAL"),
        ({"references": ["https://169.254.169.254/a.tif"]}, "where clouds keep a machine's credentials"),
        ({"references": ["https://a.example/b.tif?sig=secret"]}, "has a query or a user in its URL"),
        ({"references": ["{tmp}/truth.tif"]}, "would be called truth, which is another one"),
        ({"references": ["{tmp}/a-b.tif", "{tmp}/a_b.tif"]}, "would go by one name"),
        ({"references": ["{tmp}/rgb.tif"], "crosswalk": "{worldcover}"}, "is no map of classes: it has 3 bands"),
        ({"references": ["{tmp}/flat.tif"], "crosswalk": "{worldcover}"}, "its geotransform has no inverse"),
        ({"references": ["{tmp}/fine.tif"], "crosswalk": "{worldcover}"}, "bring it to 0.25 m or coarser"),
    ],
)
def test_a_reference_that_cannot_be_used_is_one_line(
    config: dict[str, Any], told: str, classified: Desk, tmp_path: Path
) -> None:
    raster(tmp_path / "far.tif", np.full((9, 9), 10, np.uint8), "EPSG:32632", Affine(10, 0, 5e5, 0, -10, 1e6))
    raster(tmp_path / "real.tif", np.ones(GRID.shape, np.float32), GRID.crs, GRID.transform)
    for name in ("truth", "a-b", "a_b"):
        raster(tmp_path / f"{name}.tif", np.ones(GRID.shape, np.uint8), GRID.crs, GRID.transform)
    raster(tmp_path / "flat.tif", np.ones((9, 9), np.uint8), GRID.crs, Affine(10, 0, 330_000, 0, 0, 5_760_000))
    raster(tmp_path / "fine.tif", np.ones((9, 9), np.uint8), GRID.crs, Affine(0.1, 0, 330_000, 0, -0.1, 5_760_000))
    profile = {"driver": "GTiff", "crs": GRID.crs, "transform": GRID.transform, "dtype": "uint8", "count": 3}
    with rasterio.open(tmp_path / "rgb.tif", "w", width=9, height=9, **profile) as dataset:
        dataset.write(np.ones((3, 9, 9), np.uint8))
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "map.vrt").write_text("<VRTDataset/>")
    places = {"{tmp}": str(tmp_path), "{worldcover}": str(FOLDER / "esa-worldcover.csv")}
    text = json.dumps(config)
    for name, place in places.items():
        text = text.replace(name, place)
    outcome, _ = agreed(classified, **json.loads(text))
    assert told in str(outcome.error)
    assert len(str(outcome.error).splitlines()) == 1
    assert "secret" not in str(outcome.error)
    assert not (classified.folder(DEMO_ITEM_ID).folder / "agreement").exists() or not list(
        (classified.folder(DEMO_ITEM_ID).folder / "agreement").iterdir()
    )


def test_a_scene_without_a_map_is_told_so(desk: Desk, demo_item: Path) -> None:
    scene = desk.add(demo_item)
    outcome, _ = agreed(desk, scene.id, references=["truth"])
    assert "its class map is not in the store -> materialise class_raster of this item" in str(outcome.error)


def test_it_is_apart_from_the_scenes_own_chain_and_partitioned_alike() -> None:
    key = dg.AssetKey("reference_agreement")
    scenes, common = build_definitions(), build_common_definitions()
    assert key not in scenes.resolve_asset_graph().get_all_asset_keys()
    node, chain = common.resolve_asset_graph().get(key), scenes.resolve_asset_graph().get(dg.AssetKey("class_raster"))
    assert node.parent_keys == {chain.key}
    assert node.partitions_def == chain.partitions_def
    assert node.group_name == "quality"
    assert "Agreement is not accuracy" in (node.description or "")


def test_however_fine_a_reference_is_no_more_of_it_is_held_than_the_limit(tmp_path: Path) -> None:
    import lc_assets.reference.warp as warp

    fine = blocks((246 * 4, 258 * 4), 16, KNOWN)
    tile = raster(tmp_path / "a.tif", fine, GRID.crs, Affine(2.5, 0, 330_000, 0, -2.5, 5_760_000))
    whole = warped([tile], WORLDCOVER)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(warp, "MOST_PIXELS", 40_000)
        tiles = stack.enter_context(opened([tile], PATIENCE))
        sizes: list[int] = []
        original = type(tiles[0]).read
        patch.setattr(
            type(tiles[0]),
            "read",
            lambda self, window: sizes.append(window.width * window.height) or original(self, window),
        )
        found = Warper(tiles, GRID, WORLDCOVER).read(GRID.window)
    assert len(sizes) > 20
    assert max(sizes) <= 40_000
    assert (np.array([e.code for e in WORLDCOVER.reference])[found] == whole).all()


def test_a_reference_may_be_given_as_a_value(classified: Desk, demo_item: Path) -> None:
    reference = Reference("mine", "Mine", (Tile(demo_item.parent / "truth.tif"),), EUROSAT)
    agreement = compare_scene(classified.folder(DEMO_ITEM_ID), reference, samples=300)
    assert agreement.compared.scored == agreement.compared.compared > 50_000
    assert agreement.document["reference"]["rasters"] == [{"href": str(demo_item.parent / "truth.tif")}]


# The command line


@pytest.fixture
def shell(classified: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`lc-assets agreement`, on a home of its own and the classified demo scene."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ASSETS_STORE", str(classified.settings.store))
    monkeypatch.setenv("LC_ASSETS_STAC_URL", "http://127.0.0.1:9")
    command = [sys.executable, "-m", "lc_assets.cli", "agreement"]
    options = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return lambda *arguments: subprocess.run([*command, *arguments], **options)  # type: ignore[call-overload]


def test_the_command_prints_overall_figures_groups_and_what_is_left_out(
    shell: Callable[..., Any], classified: Desk, tmp_path: Path
) -> None:
    with rasterio.open(classified.folder(DEMO_ITEM_ID).classified) as dataset:
        codes, grid = np.where(dataset.read(1) == 8, 80, 40).astype(np.uint8), Grid.of(dataset)
    codes[:30] = 90
    raster(tmp_path / "own.tif", codes, grid.crs, grid.transform)
    crosswalk = ("--crosswalk", str(FOLDER / "esa-worldcover.csv"), "--samples", "400")
    done = shell(DEMO_ITEM_ID, "--reference", "truth", "--reference", str(tmp_path / "own.tif"), *crosswalk[2:])
    assert done.returncode == 1
    assert "there is no crosswalk for the reference 'own'" in done.stdout
    done = shell(DEMO_ITEM_ID, "--reference", str(tmp_path / "own.tif"), *crosswalk)
    assert done.returncode == 0, done.stdout
    assert re.search(
        r"agrees on \d+\.\d % of [\d,]+ px; a sample of 400 says \d+\.\d % \(\d+\.\d to \d+\.\d\)", done.stdout
    )
    counted, estimated = done.stdout.split("estimated by the sample")
    assert re.search(r"cropland +100\.0 +\d+\.\d +[\d,]+\n", counted)
    assert re.search(r"tree cover +n/a +n/a +0\n", counted)
    assert re.search(r"cropland +100\.0 \(no interval\) +\d+\.\d \(\d+\.\d to \d+\.\d\) +[\d,]+ \(", estimated)
    for value, low, high in re.findall(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", estimated):
        assert float(low) <= float(value) <= float(high)
    assert re.search(r"not scored: reference Herbaceous wetland, [\d,]+ px: Plants in water", done.stdout)
    assert "not scored: map PermanentCrop" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "at least one ITEM"),
        ((DEMO_ITEM_ID, "--reference", "nonsense"), "there is no reference 'nonsense' -> name one of esa-worldcover"),
        ((DEMO_ITEM_ID, "--samples", "3"), "Invalid value for '--samples'"),
        (("S2_NOBODY_KNOWS",), "cannot be reached"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_line(
    arguments: tuple[str, ...], told: str, shell: Callable[..., Any]
) -> None:
    done = shell(*arguments)
    assert done.returncode in (1, 2)
    assert told in done.stdout
    assert "Traceback" not in done.stdout


def test_a_mistake_of_the_command_line_leaves_no_failed_run(shell: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "faulty.csv").write_text("side,code\nmap,0\n")
    for wrong in (("--reference", "nonsense"), ("--crosswalk", str(tmp_path / "faulty.csv"))):
        assert shell(DEMO_ITEM_ID, *wrong).returncode == 1
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        assert instance.get_runs() == []


def test_a_token_in_a_references_url_is_not_kept_with_a_run(shell: Callable[..., Any], tmp_path: Path) -> None:
    done = shell(
        DEMO_ITEM_ID, "--reference", "https://a.example/b.tif?sig=SECRET", "--crosswalk", "https://h/c?sig=SECRET"
    )
    assert done.returncode == 1 and "SECRET" not in done.stdout.replace("crosswalk https://h/c?sig=SECRET", "")
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"SECRET" in path.read_bytes()]


def test_control_characters_of_a_legend_do_not_reach_the_terminal(
    shell: Callable[..., Any], demo_item: Path, tmp_path: Path
) -> None:
    shutil.copyfile(demo_item.parent / "truth.tif", tmp_path / "mine.tif")
    legend = (FOLDER / "eurosat.csv").read_text().replace("reference,1,Forest,Forest", "reference,1,\x1b[31mForest,-")
    legend = legend.replace("map,1,Forest,Forest", "map,1,Forest,-")
    (tmp_path / "legend.csv").write_text(legend)
    done = shell(DEMO_ITEM_ID, "--reference", "mine.tif", "--crosswalk", "legend.csv")
    assert done.returncode == 0, done.stdout
    assert "Forest" in done.stdout and "\x1b" not in done.stdout


def test_a_comparison_that_is_killed_leaves_no_document_that_vouches_for_others_files(
    classified: Desk, demo_item: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed(classified, references=["truth"])
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"
    before = (folder / "sample.csv").read_bytes()
    original = store.put_file

    def dying(path: Path, target: Path) -> None:
        if target.name == "agreement.json":
            raise KeyboardInterrupt
        original(path, target)

    monkeypatch.setattr(store, "put_file", dying)
    with suppress(KeyboardInterrupt):
        agreed(classified, references=["truth"], seed=5)
    assert (folder / "sample.csv").read_bytes() != before
    assert not (folder / "agreement.json").exists()


def test_coordinates_of_a_wide_lattice_do_not_run_over(tmp_path: Path) -> None:
    """A reference of 0.4 m under a grid of 220 km: 550,000 of its pixels wide."""
    wide = Grid("EPSG:32632", Affine(10, 0, 300_000, 0, -10, 5_800_000), 22_000, 128)
    tile = raster(
        tmp_path / "fine.tif",
        np.full((2500, 2500), 10, np.uint8),
        wide.crs,
        Affine(0.4, 0, 515_000, 0, -0.4, 5_799_900),
    )
    known = warped([tile], WORLDCOVER, wide) != NOT_KNOWN
    assert known.sum() == 100 * 100
    rows, columns = np.nonzero(known)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (21_500, 21_599, 10, 109)


def test_the_references_and_the_crosswalk_may_be_settings(
    shell: Callable[..., Any], demo_item: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(demo_item.parent / "truth.tif", tmp_path / "mine.tif")
    monkeypatch.setenv("LC_ASSETS_REFERENCE", f"truth, {tmp_path / 'mine.tif'}")
    monkeypatch.setenv("LC_ASSETS_CROSSWALK", str(FOLDER / "eurosat.csv"))
    done = shell(DEMO_ITEM_ID)
    assert done.returncode == 0, done.stdout
    first, second = re.findall(r"agrees on (.*)", done.stdout)
    assert first == second


_END_OF_THE_DEMO = """
import sys
from pathlib import Path
from lc_assets.console import register_all
from lc_assets.console_agreement import compare_with_truth
from lc_assets.sentinel2.item import parse_scene, read_document
from lc_assets.settings import Settings

scene = parse_scene(read_document(Path(sys.argv[1])), base=sys.argv[1])
register_all(Settings.from_environment(), [scene])
sys.exit(len(compare_with_truth(Settings.from_environment(), scene)))
"""


def test_the_demo_ends_with_how_much_is_right(
    shell: Callable[..., Any], classified: Desk, demo_item: Path, tmp_path: Path
) -> None:
    """(`shell` sets the environment.)"""
    command = [sys.executable, "-c", _END_OF_THE_DEMO, str(demo_item)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, truth = read(classified.folder(DEMO_ITEM_ID).classified), read(demo_item.parent / "truth.tif")
    both = (found != NO_DATA.code) & (truth != NO_DATA.code)
    right = 100 * (found == truth)[both].mean()
    assert f"{right:.1f} % of the pixels are classified right (against truth.tif)" in done.stdout
    for c in CLASSES:
        mine = both & (truth == c.code)
        if mine.any():
            line = f"{c.title:<24}{100 * (found == truth)[mine].mean():6.1f} % of {mine.sum():>9,} px found"
            assert line in done.stdout
