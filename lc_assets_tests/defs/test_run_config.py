"""A wrong value of a config or a setting is refused where it is typed, or before anything is fetched."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lc_assets.core.errors import LandCoverError
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.defs.resources import ModelResource
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.keys import CLASSIFY
from lc_assets.operations.runs import run_scene
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets_tests.conftest import Desk


@pytest.fixture
def unread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with a registered scene whose item must not be read, let alone its bands."""

    def refuse(*_: object) -> None:
        raise AssertionError("the item was read")

    monkeypatch.setattr(RegisteredItems, "scene", refuse)
    monkeypatch.setattr(ModelResource, "_warm_up", lambda _: None)  # its thread would outlive the test
    desk.instance.add_dynamic_partitions("scenes", [DEMO_ITEM_ID])
    return desk


def error_of(desk: Desk, asset: str, config: dict[str, Any]) -> str:
    ops = {asset: {"config": config}}
    return str(run_scene(build_definitions(desk.settings), desk.instance, DEMO_ITEM_ID, ops).error)


@pytest.mark.parametrize(
    ("asset", "config", "what"),
    [
        ("class_raster", {"stride": 10}, "a stride of 10 px does not divide"),
        ("class_raster", {"stride": 0}, "its config stride is wrong"),
        ("class_raster", {"window": 10}, "a window of 10 px was requested"),
        ("class_raster", {"window": -1}, "its config window is wrong"),
        ("class_raster", {"mask_dilation": 30}, "its config mask_dilation is wrong"),
        ("class_raster", {"strip_pixels": -5}, "its config strip_pixels is wrong"),
        ("resampled_stack", {"kernel": "cubic"}, "the kernel cubic was asked for"),
        ("overview", {"max_side": 0}, "its config max_side is wrong"),
    ],
)
def test_a_wrong_config_is_refused_before_anything_is_fetched(
    unread: Desk, asset: str, config: dict[str, Any], what: str
) -> None:
    error = error_of(unread, asset, config)
    assert error.startswith("asset ") and what in error and "->" in error


def test_a_model_that_is_not_there_is_reported_before_anything_is_fetched(unread: Desk, tmp_path: Path) -> None:
    unread.settings = replace(unread.settings, model=tmp_path / "none.json")
    assert "none.json cannot be read" in error_of(unread, "class_raster", {})


@pytest.mark.parametrize(
    ("ops", "right"),
    [
        ({"resampled_stack": {"config": {"kernel": "nearest"}}}, True),
        ({"resampled_stack": {"config": {"kernel": "bicubic"}}}, False),
        ({"class_raster": {"config": {"stride": "ten"}}}, False),
        ({"class_raster": {"config": {"strides": 8}}}, False),
        ({"class_raster": {"config": {"stride": 8, "window": 64}}}, True),
    ],
)
def test_the_launchpad_refuses_a_wrong_word_a_wrong_type_and_an_unknown_name(
    tmp_path: Path, ops: dict[str, Any], right: bool
) -> None:
    job = build_definitions(Settings(store=tmp_path)).resolve_job_def(CLASSIFY)
    with nullcontext() if right else pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, {"ops": ops})


def test_a_resource_refuses_a_wrong_precision() -> None:
    with pytest.raises(ValueError, match="precision"):
        ModelResource(item="x", precision="float16")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LC_ASSETS_PRECISION", "float16"),
        ("LC_ASSETS_STACK", "tif"),
        ("LC_ASSETS_STAC_URL", "ftp://host"),
        ("LC_ASSETS_TIMEOUT", "soon"),
        ("LC_ASSETS_WINDOW", "all"),
        ("LC_ASSETS_WINDOW", "10"),
        ("LC_ASSETS_THREADS", "0"),
        ("LC_ASSETS_INFERENCE_SLOTS", "many"),
        ("LC_ASSETS_STORE", "ftp://host/x"),
        ("LC_ASSETS_REFERENCE", "a/map.tif,b/map.tif"),
        ("LC_ASSETS_CROSSWALK", "/nowhere/crosswalk.csv"),
        ("KERAS_BACKEND", "pytorch"),
    ],
)
def test_a_wrong_setting_fails_when_the_definitions_are_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv("LC_ASSETS_STORE", str(tmp_path))
    monkeypatch.setenv(name, value)
    with pytest.raises(LandCoverError) as caught:
        build_definitions()
        build_definitions()
    assert "\n" not in str(caught.value) and "->" in str(caught.value)
    assert name in str(caught.value) or Path(value.split(",")[0]).name in str(caught.value)
