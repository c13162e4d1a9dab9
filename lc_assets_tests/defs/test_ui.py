"""Dagster's UI in a real browser, as a person has it: `lc-assets ui`, the graph, a launch, the picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.defs.assets import SCENE_ASSETS
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.sentinel2.scene_ids import scene_label

pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")

from lc_assets_tests.rig.dagster_ui import DagsterUi, command, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

NAMES = [asset.key.to_user_string() for asset in SCENE_ASSETS]
GROUPS = sorted({group for asset in SCENE_ASSETS for group in asset.group_names_by_key.values()})


@pytest.fixture
def ui(browser: Browser, demo_item: Path, tmp_path: Path) -> Iterator[DagsterUi]:
    """The UI on a store in which the small demo scene is registered; leaving checks that no process stays."""
    pictures = Path(os.environ.get("LC_ASSETS_SCREENSHOTS") or tmp_path / "screenshots")
    pictures.mkdir(parents=True, exist_ok=True)
    command(tmp_path, "register", demo_item)
    with served(tmp_path) as url:
        opened = DagsterUi(browser, url, pictures)
        yield opened
        opened.close()


def test_a_person_launches_a_scene_from_the_graph_and_sees_its_map(ui: DagsterUi) -> None:
    ui.graph()
    for group in GROUPS:
        ui.node(group).wait_for()
    ui.graph(GROUPS)
    places = {}
    for name in NAMES:
        ui.node(name).wait_for()
        box = ui.node(name).bounding_box()
        assert box
        places[name] = box["x"] + box["width"] / 2
    ui.shoot("graph")
    chain = ("raw_bands", "resampled_stack", "class_raster", "overview", "catalog")
    assert sorted(chain, key=lambda name: places[name]) == list(chain), "left to right in the order of the mission"

    ui.page.get_by_role("button", name="Materialize all").click()
    ui.page.get_by_role("dialog").get_by_text("Launch runs to materialize").wait_for()
    ui.page.get_by_role("button", name="Cancel").click()

    ui.select('group:"land_cover"')
    assert f"materialize {len(NAMES)} assets" in ui.launch(DEMO_ITEM_ID, "launch")
    ui.follow("run")
    ui.page.goto(f"{ui.url}/runs")  # where the partition is cut
    ui.page.get_by_text(f"scene: {scene_label(DEMO_ITEM_ID)}").first.wait_for()

    ui.materialisation("class_raster", DEMO_ITEM_ID)
    pictures = ui.inline_pictures()  # there without a click
    assert "map" in pictures
    assert all(natural > 0 and shown >= 200 for natural, shown in pictures.values()), pictures
    table = ui.row("classes").inner_text()
    for c in ALL_CLASSES:
        assert c.title in table or c.name in table
    for name in NAMES:
        ui.materialisation(name, DEMO_ITEM_ID)
        ui.shoot(name)

    ui.materialisation("report", DEMO_ITEM_ID)
    [(natural, shown)] = ui.inline_pictures().values()
    assert natural > 0 and shown >= 300
    ui.page.locator("tr img").click()
    ui.page.wait_for_url(f"{ui.files}/scenes/{DEMO_ITEM_ID}/report.html")
    ui.page.goto(f"{ui.files}/")
    ui.page.locator("li.card").first.wait_for()
    ui.shoot("all_scenes")

    ui.asset("overview")
    assert "overview" in ui.launch(DEMO_ITEM_ID)
    ui.follow()
    assert not ui.outside
