"""Agreement with a reference: the asset, its files and checks, the command, the demo's end."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import Result
from PIL import Image

from lc_assets.cli.agreement import compare_with_truth
from lc_assets.cli.classify import register_all
from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.defs.build import build_common_definitions, build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.agreement.crosswalk import FOLDER
from lc_assets.products.agreement.references import Reference, Tile
from lc_assets.products.agreement.scene import compare_scene
from lc_assets.raster.cog import cog_problems
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.store import atomic
from lc_assets_tests.conftest import Desk, read
from lc_assets_tests.rig.command import Shell, environment_restored
from lc_assets_tests.rig.references import EUROSAT, GRID, agreed, raster

# The asset


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
        with Image.open(folder / name) as picture:
            assert max(picture.size) <= 500
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


def without_roads(folder: Path) -> Path:
    """WorldCover's crosswalk, but the map's Highway is not scored either."""
    path = folder / "without-roads.csv"
    table = (FOLDER / "esa-worldcover.csv").read_text(encoding="utf-8")
    path.write_text(table.replace("map,3,Highway,built-up", "map,3,Highway,-"), encoding="utf-8")
    return path


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
    outcome, _ = agreed(classified, references=[str(path)], crosswalk=str(without_roads(tmp_path)))
    assert outcome.error is None, outcome.error
    document = json.loads((scene.folder / "agreement" / "my-map-2021" / "agreement.json").read_text())
    there, road = found != NO_DATA.code, found == 3
    scored = there & ~road
    scored[:50] = False
    assert document["pixels"]["scored"] == scored.sum()
    assert document["pixels"]["reference_nodata"] == there[20:40].sum()
    left = {row["class"]: row["pixels"] for row in document["not_scored"]}
    compared = there.copy()
    compared[20:40] = False
    assert left == {
        "Highway": (road & compared).sum(),
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


def test_a_reference_may_be_given_as_a_value(classified: Desk, demo_item: Path) -> None:
    reference = Reference("mine", "Mine", (Tile(demo_item.parent / "truth.tif"),), EUROSAT)
    agreement = compare_scene(classified.folder(DEMO_ITEM_ID), reference, samples=300)
    assert agreement.compared.scored == agreement.compared.compared > 50_000
    assert agreement.document["reference"]["rasters"] == [{"href": str(demo_item.parent / "truth.tif")}]


# The command line


@pytest.fixture
def compare(shell: Shell, classified: Desk) -> Callable[..., Result]:
    """`lc-assets agreement`, on a home of its own and the classified demo scene."""
    assert classified.settings.store == shell.store
    return partial(shell, "agreement")


def test_the_command_prints_overall_figures_groups_and_what_is_left_out(
    compare: Callable[..., Result], classified: Desk, tmp_path: Path
) -> None:
    with rasterio.open(classified.folder(DEMO_ITEM_ID).classified) as dataset:
        codes, grid = np.where(dataset.read(1) == 8, 80, 40).astype(np.uint8), Grid.of(dataset)
    codes[:30] = 90
    raster(tmp_path / "own.tif", codes, grid.crs, grid.transform)
    crosswalk = ("--crosswalk", str(without_roads(tmp_path)), "--samples", "400")
    done = compare(DEMO_ITEM_ID, "--reference", "truth", "--reference", tmp_path / "own.tif", *crosswalk[2:], code=1)
    assert "there is no crosswalk for the reference 'own'" in done.output
    done = compare(DEMO_ITEM_ID, "--reference", tmp_path / "own.tif", *crosswalk)
    assert re.search(
        r"agrees on \d+\.\d % of [\d,]+ px; a sample of 400 says \d+\.\d % \(\d+\.\d to \d+\.\d\)", done.output
    )
    counted, estimated = done.output.split("estimated by the sample")
    assert re.search(r"cropland +100\.0 +\d+\.\d +[\d,]+\n", counted)
    assert re.search(r"tree cover +n/a +n/a +0\n", counted)
    assert re.search(r"cropland +100\.0 \(no interval\) +\d+\.\d \(\d+\.\d to \d+\.\d\) +[\d,]+ \(", estimated)
    for value, low, high in re.findall(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", estimated):
        assert float(low) <= float(value) <= float(high)
    assert re.search(r"not scored: reference Herbaceous wetland, [\d,]+ px: Plants in water", done.output)
    assert "not scored: map Highway" in done.output


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
    arguments: tuple[str, ...], told: str, compare: Callable[..., Result]
) -> None:
    done = compare(*arguments, code=None)
    assert done.exit_code in (1, 2)
    assert told in done.output


def test_a_mistake_of_the_command_line_leaves_no_failed_run(compare: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "faulty.csv").write_text("side,code\nmap,0\n")
    for wrong in (("--reference", "nonsense"), ("--crosswalk", str(tmp_path / "faulty.csv"))):
        compare(DEMO_ITEM_ID, *wrong, code=1)
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        assert instance.get_runs() == []


def test_a_token_in_a_references_url_is_not_kept_with_a_run(compare: Callable[..., Result], tmp_path: Path) -> None:
    secret = ("--reference", "https://a.example/b.tif?sig=SECRET", "--crosswalk", "https://h/c?sig=SECRET")
    done = compare(DEMO_ITEM_ID, *secret, code=1)
    assert "SECRET" not in done.output.replace("crosswalk https://h/c?sig=SECRET", "")
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"SECRET" in path.read_bytes()]


def test_control_characters_of_a_legend_do_not_reach_the_terminal(
    compare: Callable[..., Result], demo_item: Path, tmp_path: Path
) -> None:
    shutil.copyfile(demo_item.parent / "truth.tif", tmp_path / "mine.tif")
    legend = (FOLDER / "eurosat.csv").read_text().replace("reference,1,Forest,Forest", "reference,1,\x1b[31mForest,-")
    legend = legend.replace("map,1,Forest,Forest", "map,1,Forest,-")
    (tmp_path / "legend.csv").write_text(legend)
    done = compare(DEMO_ITEM_ID, "--reference", "mine.tif", "--crosswalk", "legend.csv")
    assert "Forest" in done.output and "\x1b" not in done.output


def test_a_comparison_that_is_killed_leaves_no_document_that_vouches_for_others_files(
    classified: Desk, demo_item: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed(classified, references=["truth"])
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"
    before = (folder / "sample.csv").read_bytes()
    original = atomic.move_into_place

    def dying(path: Path, target: Path) -> None:
        if target.name == "agreement.json":
            raise KeyboardInterrupt
        original(path, target)

    monkeypatch.setattr(atomic, "move_into_place", dying)
    with suppress(KeyboardInterrupt):
        agreed(classified, references=["truth"], seed=5)
    assert (folder / "sample.csv").read_bytes() != before
    assert not (folder / "agreement.json").exists()


def test_the_references_and_the_crosswalk_may_be_settings(
    compare: Callable[..., Result], demo_item: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(demo_item.parent / "truth.tif", tmp_path / "mine.tif")
    monkeypatch.setenv("LC_ASSETS_REFERENCE", f"truth, {tmp_path / 'mine.tif'}")
    monkeypatch.setenv("LC_ASSETS_CROSSWALK", str(FOLDER / "eurosat.csv"))
    done = compare(DEMO_ITEM_ID)
    first, second = re.findall(r"agrees on (.*)", done.output)
    assert first == second


def test_the_demo_ends_with_how_much_is_right(
    classified: Desk, demo_item: Path, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = parse_scene(read_document(demo_item), base=demo_item)
    with environment_restored():
        os.environ["DAGSTER_HOME"] = str(shell.home)
        register_all(classified.settings, [scene])
        assert compare_with_truth(classified.settings, scene) == []
    told = capsys.readouterr().out
    found, truth = read(classified.folder(DEMO_ITEM_ID).classified), read(demo_item.parent / "truth.tif")
    both = (found != NO_DATA.code) & (truth != NO_DATA.code)
    right = 100 * (found == truth)[both].mean()
    assert f"{right:.1f} % of the pixels are classified right (against truth.tif)" in told
    for c in CLASSES:
        mine = both & (truth == c.code)
        if mine.any():
            line = f"{c.title:<24}{100 * (found == truth)[mine].mean():6.1f} % of {mine.sum():>9,} px found"
            assert line in told
