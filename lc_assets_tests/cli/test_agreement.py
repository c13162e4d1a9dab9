"""`lc-assets agreement`, and the figure that the demo ends with."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import rasterio
from click.testing import Result

from lc_assets.cli.agreement import compare_with_truth
from lc_assets.cli.session import Session
from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.agreement.crosswalk import FOLDER
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets_tests.conftest import Desk, read
from lc_assets_tests.products.agreement.crosswalk_files import without_roads
from lc_assets_tests.rig.command import Shell, environment_restored
from lc_assets_tests.rig.references import raster


@pytest.fixture
def compare(shell: Shell, classified: Desk) -> Callable[..., Result]:
    """`lc-assets agreement`, on a home of its own and the classified demo scene."""
    assert classified.settings.store == shell.store
    return partial(shell, "agreement")


def test_the_command_prints_overall_figures_groups_and_what_is_left_out(
    compare: Callable[..., Result], classified: Desk, tmp_path: Path
) -> None:
    with rasterio.open(classified.folder(DEMO_ITEM_ID).classified) as dataset:
        codes, grid = np.where(np.isin(dataset.read(1), (8, 9)), 80, 40).astype(np.uint8), Grid.of(dataset)
    codes[::2] = 40  # half of the mapped water is right
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
    assert re.search(r"tree cover +0\.0 +n/a +0\n", counted)
    assert re.search(r"cropland +100\.0 \(no interval\) +\d+\.\d \(\d+\.\d to \d+\.\d\) +[\d,]+ \(", estimated)
    for value, low, high in re.findall(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", estimated):
        assert float(low) <= float(value) <= float(high)
    assert re.search(r"not scored: reference Herbaceous wetland, [\d,]+ px: Plants in water", done.output)
    assert "not scored: map Highway" in done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "at least one REFERENCE"),
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


def test_the_references_and_the_crosswalk_may_be_settings(
    compare: Callable[..., Result], demo_item: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(demo_item.parent / "truth.tif", tmp_path / "mine.tif")
    monkeypatch.setenv("LC_ASSETS_REFERENCE", f"truth, {tmp_path / 'mine.tif'}")
    monkeypatch.setenv("LC_ASSETS_CROSSWALK", str(FOLDER / "eurosat.csv"))
    done = compare(DEMO_ITEM_ID)
    first, second = re.findall(r"agrees on (.*)", done.output)
    assert first == second


@pytest.mark.slow
def test_the_demo_ends_with_how_much_is_right(
    classified: Desk, demo_item: Path, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = parse_scene(read_document(demo_item), base=demo_item)
    with environment_restored():
        os.environ["DAGSTER_HOME"] = str(shell.home)
        session = Session(classified.settings)
        with session.open_instance() as instance:
            session.register(instance, [scene])
        compare_with_truth(session, scene)
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
