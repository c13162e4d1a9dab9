"""`lc-assets export`: a scene by words of its id, a season map by its name."""

from __future__ import annotations

from pathlib import Path

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


def test_what_is_not_there_is_one_line_and_no_folder(classified_demo: tuple[Desk, RunResult], tmp_path: Path) -> None:
    store = classified_demo[0].store.root
    done = invoke("export", "town", "--to", tmp_path / "out", "--store", store, code=1)
    assert len(done.output.splitlines()) == 1
    assert "no scene in" in done.output
    invoke("export", "32ULC", "--to", tmp_path / "out", "--format", "shapefile", "--store", store, code=2)
    assert not (tmp_path / "out").exists()
