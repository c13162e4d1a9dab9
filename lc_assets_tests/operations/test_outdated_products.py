"""What is made of something older than what lies there is stale, in the UI and in `lc-assets stale`, until remade.

`test_models.py` and `test_window_setting.py` in lc_assets_tests/inference have the same of another model and window.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import rasterio
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.keys import SCENE_ASSETS
from lc_assets.operations.status import SceneStatus, scene_statuses, stale_items
from lc_assets_tests.conftest import Desk, copy_scene
from lc_assets_tests.rig.marks import further


def stale_assets(desk: Desk) -> set[str]:
    """The assets of the demo scene that the UI calls stale."""
    definitions = build_definitions(desk.settings)
    graph, context = definitions.resolve_asset_graph(), LoadingContextForTest(desk.instance)
    resolver = CachingStaleStatusResolver(desk.instance, graph, context)
    found = {key for key in SCENE_ASSETS if resolver.get_status(key, DEMO_ITEM_ID) == StaleStatus.STALE}
    # `lc-assets stale` and `backfill` call the scene stale if and only if the UI calls one of its assets so.
    assert stale_items(desk.instance, definitions) == ([DEMO_ITEM_ID] if found else [])
    [status] = scene_statuses(desk.instance, definitions, desk.store, [DEMO_ITEM_ID]).values()
    assert status == (SceneStatus.STALE if found else SceneStatus.DONE)
    return {key.to_user_string() for key in found}


def with_other_stride(desk: Desk) -> None:
    assert desk.materialize("class_raster", stride=64, window=64).success


def with_other_kernel(desk: Desk) -> None:
    assert desk.materialize("resampled_stack", kernel="nearest").success


def as_cog(desk: Desk) -> None:
    desk.settings = dataclasses.replace(desk.settings, stack="cog")
    assert desk.materialize("resampled_stack").success


def with_smaller_overview(desk: Desk) -> None:
    assert desk.materialize("overview", max_side=60).success


def with_new_report(desk: Desk) -> None:
    assert desk.materialize("overview", max_side=60).success
    assert desk.materialize("report").success


@pytest.mark.parametrize(
    ("remake", "stale"),
    [
        (with_other_stride, {"overview", "report", "catalog"}),
        *further(
            (with_other_kernel, {"class_raster"}),
            (as_cog, {"class_raster"}),
            (with_smaller_overview, {"report", "catalog"}),
            (with_new_report, {"catalog"}),
        ),
    ],
)
def test_what_was_made_of_an_older_version_is_stale_until_it_is_remade(
    classified: Desk, remake: Callable[[Desk], None], stale: set[str]
) -> None:
    assert stale_assets(classified) == set()
    remake(classified)
    assert stale_assets(classified) == stale
    assert classified.run(DEMO_ITEM_ID).error is None
    assert stale_assets(classified) == set()


@pytest.mark.parametrize("band", ["B02", *further("SCL")])
def test_all_that_was_made_of_a_file_is_stale_once_the_file_is_another(
    demo_item: Path, classified: Desk, tmp_path: Path, band: str
) -> None:
    copy = copy_scene(demo_item, tmp_path / "copy")
    with rasterio.open(copy.parent / f"{band}.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        pixels = dataset.read(1)
        pixels[pixels > 0] = 4
        dataset.write(pixels, 1)
    classified.add(copy)
    assert classified.materialize("raw_bands").success
    assert stale_assets(classified) == {"resampled_stack", "report", "catalog"}
    assert classified.run(DEMO_ITEM_ID).error is None
    assert stale_assets(classified) == set()


def test_assets_that_are_remade_as_they_were_make_nothing_stale(classified: Desk) -> None:
    for asset in ("raw_bands", "resampled_stack", "class_raster", "overview"):
        assert classified.materialize(asset).success
    assert stale_assets(classified) == set()
