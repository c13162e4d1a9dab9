"""Options of the cloud mask, and a scene without SCL."""

from __future__ import annotations

from pathlib import Path

import pytest

from lc_assets.defs.resources import ModelResource
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets_tests.conftest import Desk, copy_scene
from lc_assets_tests.rig.command import Shell
from lc_assets_tests.sentinel2.spoilt_scenes import without_scl


def test_a_scene_without_scl_says_that_clouds_are_mapped(desk: Desk, demo_item: Path, tmp_path: Path) -> None:
    desk.add(without_scl(copy_scene(demo_item, tmp_path)))
    result = desk.materialize("raw_bands", "resampled_stack", "class_raster", stride=64)
    assert result.success
    said = [entry.user_message for entry in desk.instance.all_logs(result.run_id)]
    assert any(f"{DEMO_ITEM_ID} has no scene classification (SCL)" in line for line in said)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--mask-dilation", "50"), "in steps of 20"),
        (("--mask-dilation", "-20"), "give 0 to 2000 m"),
        (("--mask-dilation", "4000"), "give 0 to 2000 m"),
        (("--mask-dilation", "60", "--no-mask-clouds"), "clouds are not masked"),
    ],
)
def test_a_dilation_that_cannot_be_applied_is_refused(
    shell: Shell, demo_item: Path, arguments: tuple[str, ...], told: str
) -> None:
    assert told in shell("classify", demo_item, *arguments, code=1).output


@pytest.mark.parametrize("config", [{"mask_dilation": -20}, {"mask_dilation": 30}, {"strip_pixels": -1}])
def test_a_run_whose_config_is_out_of_range_says_which_value(
    desk: Desk, demo_item: Path, config: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelResource, "_warm_up", lambda _: None)  # its thread would outlive the test
    desk.add(demo_item)
    error = desk.run(DEMO_ITEM_ID, **config).error
    assert error is not None
    assert error.startswith(f"asset class_raster: its config {next(iter(config))} is wrong: Input should be")
