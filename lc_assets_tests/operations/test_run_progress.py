"""A run tells which of its assets are finished."""

from __future__ import annotations

import dagster as dg

from lc_assets.operations.keys import CLASSIFY
from lc_assets.operations.runs import run_scene
from lc_assets_tests.conftest import Desk

SCENE = "S2B_MSIL2A_20240621T103629_R008_T32ULC_20240621T140000"


def test_an_asset_is_told_before_the_next_one_begins(desk: Desk) -> None:
    told: list[str] = []
    known: list[str] = []
    scenes = dg.DynamicPartitionsDefinition(name="scenes")

    @dg.asset(partitions_def=scenes)
    def overview() -> None:
        """Finished first."""

    @dg.asset(partitions_def=scenes, deps=[overview])
    def catalog() -> None:
        known.extend(told)

    job = dg.define_asset_job(CLASSIFY, [overview, catalog], executor_def=dg.in_process_executor)
    desk.instance.add_dynamic_partitions("scenes", [SCENE])
    definitions = dg.Definitions(assets=[overview, catalog], jobs=[job])
    assert run_scene(definitions, desk.instance, SCENE, {}, on_asset=told.append).error is None
    assert known == ["overview"]
    assert told == ["overview", "catalog"]
