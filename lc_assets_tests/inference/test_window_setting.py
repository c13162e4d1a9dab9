"""The setting `window`: maps of positions or of windows, by the environment, an option or a run's config."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import rasterio

from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.status import stale_items
from lc_assets_tests.conftest import Desk, own_model
from lc_assets_tests.inference.networks import position_model
from lc_assets_tests.rig.command import Shell


def read_tags(path: Path) -> dict[str, str]:
    with rasterio.open(path) as dataset:
        return dict(dataset.tags())


@pytest.mark.slow
def test_a_changed_window_makes_only_the_maps_stale_that_it_changes(
    demo_item: Path, desk: Desk, tmp_path: Path
) -> None:
    model = position_model(tmp_path / "m")
    desk.settings = dataclasses.replace(desk.settings, model=model)
    made = read_tags(desk.classify(demo_item).classified)
    assert (made["WINDOW"], made["STRIDE"]) == ("0", "4")
    for window, stale in ((None, False), (0, False), (64, True)):
        changed = dataclasses.replace(desk.settings, window=window)
        assert bool(stale_items(desk.instance, build_definitions(changed))) == stale
    desk.settings = dataclasses.replace(desk.settings, window=64)
    folder = desk.classify(demo_item, stride=64)
    assert "WINDOW" not in read_tags(folder.classified)
    assert not folder.probabilities.exists()
    parameters = json.loads((folder.folder / f"{folder.item}_classified.json").read_text())["properties"][
        "lc:parameters"
    ]
    assert (parameters["window"], parameters["stride"]) == ("64", "64")
    assert stale_items(desk.instance, build_definitions(desk.settings)) == []
    assert desk.materialize("class_raster", window=0).success
    assert read_tags(folder.classified)["WINDOW"] == "0"


def test_a_window_that_the_model_does_not_have_is_an_error(
    demo_item: Path, shell: Shell, desk: Desk, tmp_path: Path
) -> None:
    model = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    for arguments, environment in ((("--window", 0), {}), ((), {"LC_ASSETS_WINDOW": "0"})):
        done = shell("classify", demo_item, *arguments, code=1, LC_ASSETS_MODEL=str(model), **environment)
        assert "it has no positions" in done.stderr
        assert "set window (LC_ASSETS_WINDOW, --window) to 64, or leave it out" in done.stderr
    assert "set it to a whole number" in shell("classify", demo_item, code=1, LC_ASSETS_WINDOW="all").stderr
    desk.settings = dataclasses.replace(desk.settings, model=model)
    desk.add(demo_item)
    assert "it has no positions" in str(desk.run(DEMO_ITEM_ID, window=0).error)
