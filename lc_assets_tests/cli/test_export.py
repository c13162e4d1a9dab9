"""`lc-assets export`: a scene by words of its id, a season map by its name."""

from __future__ import annotations

from pathlib import Path

import pyogrio

from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets_tests.conftest import Desk
from lc_assets_tests.rig.command import invoke


def test_a_scene_is_named_by_words_of_its_id_and_each_file_is_printed(
    classified_demo: tuple[Desk, RunResult], tmp_path: Path
) -> None:
    store, folder = classified_demo[0].store.root, tmp_path / "out"
    done = invoke("export", "32ulc 2024-06-21", "--to", folder, "--format", "csv", "--store", store, code=0)
    assert done.output.splitlines() == [str(folder / f"{DEMO_ITEM_ID}_areas.csv")]
    again = invoke("export", "32ulc", "--to", folder, "--format", "csv", "--store", store, code=1)
    assert "exists already -> choose another folder (--to)" in again.output


def test_the_smallest_polygon_can_be_chosen(classified_demo: tuple[Desk, RunResult], tmp_path: Path) -> None:
    store, polygons = classified_demo[0].store.root, {}
    for name, options in (("whole", ["--min-area", 0]), ("usual", []), ("large", ["--min-area", 20])):
        folder = tmp_path / name
        invoke("export", "32ulc", "--to", folder, "--format", "gpkg", *options, "--store", store, code=0)
        polygons[name] = pyogrio.read_info(folder / f"{DEMO_ITEM_ID}_polygons.gpkg")["features"]
    assert polygons["whole"] > polygons["usual"] > polygons["large"] > 10
    command = ["export", "32ulc", "--to", tmp_path / "none", "--store", store]
    assert "20000 ha is not possible" in invoke(*command, "--min-area", 20_000, code=1).output
    assert "--min-area is for polygons" in invoke(*command, "--format", "csv", "--min-area", 1, code=2).output
    assert not (tmp_path / "none").exists()


def test_what_is_not_there_is_one_line_and_no_folder(classified_demo: tuple[Desk, RunResult], tmp_path: Path) -> None:
    store = classified_demo[0].store.root
    done = invoke("export", "town", "--to", tmp_path / "out", "--store", store, code=1)
    assert len(done.output.splitlines()) == 1
    assert "no scene in" in done.output
    invoke("export", "32ULC", "--to", tmp_path / "out", "--format", "shapefile", "--store", store, code=2)
    assert not (tmp_path / "out").exists()
