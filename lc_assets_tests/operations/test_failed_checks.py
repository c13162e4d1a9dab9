"""A check that failed for one scene is seen until that scene is made again, whatever the next scenes say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import dagster as dg
import pytest

from lc_assets.cli import options
from lc_assets.cli.session import Session
from lc_assets.defs.check_results import scene_result
from lc_assets.operations import failed_checks as module
from lc_assets.operations.failed_checks import FailedCheck, failed_checks
from lc_assets.operations.keys import CLASSIFY
from lc_assets.operations.runs import run_scene
from lc_assets.sentinel2.scene_ids import scene_label
from lc_assets_tests.conftest import Desk
from lc_assets_tests.rig.command import invoke

KEY = dg.AssetCheckKey(dg.AssetKey("raw_bands"), "cloud_share")
CLOUDY = "S2B_MSIL2A_20240621T103629_R008_T32ULC_20240621T140000"
CLEAR = "S2A_13TDE_20240820_0_L2A"
Evaluate = Callable[[str, float], None]


@pytest.fixture
def evaluate(desk: Desk) -> Evaluate:
    """A function that makes the asset and its check for a scene, with a cloud cover."""
    scenes = dg.DynamicPartitionsDefinition(name="scenes")

    def make(item: str, percent: float) -> None:
        spec = dg.AssetCheckSpec("cloud_share", asset="raw_bands")

        @dg.asset(partitions_def=scenes, check_specs=[spec])
        def raw_bands() -> Iterator[dg.Output[int] | dg.AssetCheckResult]:
            yield dg.Output(1)
            yield scene_result(
                item, "cloud_share", passed=percent < 50, warn=True, description=f"{percent:.1f} %", metadata={}
            )

        desk.instance.add_dynamic_partitions("scenes", [item])
        assert dg.materialize([raw_bands], instance=desk.instance, partition_key=item).success

    return make


def test_a_scenes_failed_check_is_seen_after_another_scene_passed_until_it_is_made_again(
    desk: Desk, evaluate: Evaluate
) -> None:
    evaluate(CLOUDY, 93)
    evaluate(CLEAR, 4)
    assert failed_checks(desk.instance, [KEY]) == {CLOUDY: [FailedCheck("raw_bands", "cloud_share", "93.0 %", True)]}
    evaluate(CLOUDY, 12)
    assert failed_checks(desk.instance, [KEY]) == {}


def test_each_scene_has_the_newest_of_its_failures_on_all_pages(
    desk: Desk, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 1)
    for item, percent in ((CLOUDY, 93), (CLEAR, 55), (CLOUDY, 70)):
        evaluate(item, percent)
    found = failed_checks(desk.instance, [KEY])
    assert {item: check.description for item, [check] in found.items()} == {CLOUDY: "70.0 %", CLEAR: "55.0 %"}


def test_lc_assets_status_lists_a_scenes_failed_check_after_another_scene_passed(
    desk: Desk, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(CLOUDY, 93)
    evaluate(CLEAR, 4)
    monkeypatch.setattr(options, "open_session", lambda store: Session(desk.settings))
    monkeypatch.setattr(Session, "open_instance", lambda session: nullcontext(desk.instance))
    lines = [line.strip() for line in invoke("status", code=0).output.splitlines()]
    at = lines.index(f"missing   32ULC  2024-06-21      - % cloud      - s  -  {CLOUDY}")
    assert lines[at + 1] == "cloud_share of raw_bands warns: 93.0 %"
    assert f"missing   13TDE  2024-08-20      - % cloud      - s  -  {CLEAR}" in lines
    assert lines[-1] == "2 scenes: 2 missing; 0 failed checks; 1 warning"


def test_each_result_in_the_history_of_a_check_says_which_scene_it_is_of(desk: Desk, evaluate: Evaluate) -> None:
    evaluate(CLOUDY, 93)
    evaluate(CLEAR, 4)
    # The UI shows these records.
    newest, before = desk.instance.event_log_storage.get_asset_check_execution_history(KEY, limit=9)
    assert (newest.status.value, newest.evaluation.description) == ("SUCCEEDED", "13TDE 2024-08-20: 4.0 %")
    assert (before.status.value, before.evaluation.description) == ("FAILED", "32ULC 2024-06-21: 93.0 %")
    assert next(iter(before.evaluation.metadata.items())) == ("item", dg.MetadataValue.text(CLOUDY))


@pytest.mark.parametrize(
    ("item", "label"),
    [
        (CLOUDY, "32ULC 2024-06-21"),
        ("S2A_T07HFE_20240820T174100_L2A", "07HFE 2024-08-20"),
        ("S2A_7HFE_20240820_0_L2A", "07HFE 2024-08-20"),
        ("my_scene", "my_scene"),
    ],
)
def test_a_scene_is_named_by_tile_and_date_or_by_its_id(item: str, label: str) -> None:
    assert scene_label(item) == label


def test_a_blocking_check_that_fails_is_told_by_name_with_its_reason_and_a_remedy(desk: Desk) -> None:
    scenes = dg.DynamicPartitionsDefinition(name="scenes")

    @dg.asset(partitions_def=scenes, check_specs=[dg.AssetCheckSpec("cog_valid", asset="overview", blocking=True)])
    def overview() -> Iterator[dg.Output[int] | dg.AssetCheckResult]:
        yield dg.Output(1)
        yield scene_result(CLOUDY, "cog_valid", passed=False, description="its blocks are 7 px", metadata={})

    @dg.asset(partitions_def=scenes, deps=[overview])
    def catalog() -> None:
        """Never reached."""

    job = dg.define_asset_job(CLASSIFY, [overview, catalog], executor_def=dg.in_process_executor)
    definitions = dg.Definitions(assets=[overview, catalog], jobs=[job])
    desk.instance.add_dynamic_partitions("scenes", [CLOUDY])
    result = run_scene(definitions, desk.instance, CLOUDY, {})
    told = f"item {CLOUDY}, asset overview: its check cog_valid failed: its blocks are 7 px -> "
    assert result.error and result.error.startswith(told) and "fault of lc_assets" not in result.error
