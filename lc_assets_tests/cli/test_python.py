"""`lc_assets.classify`: the run of `lc-assets classify`, called from Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pystac
import pytest

import lc_assets
from lc_assets.core.errors import BadItem, BadReference, LandCoverError
from lc_assets.core.landcover import NO_DATA
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.keys import ASSET_NAMES, HOST_TAG
from lc_assets_tests.conftest import copy_scene, edit_item
from lc_assets_tests.rig.command import NOBODY


@pytest.fixture
def home(tmp_path: Path, databases: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The instance of DAGSTER_HOME, in a folder of its own."""
    shutil.copytree(databases, tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ASSETS_STAC_URL", NOBODY)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_importing_the_package_imports_no_other_package_and_no_room() -> None:
    script = """
import sys

before = {*sys.modules}
import lc_assets

print([name for name in sorted({*sys.modules} - before) if name.split(".")[0] not in sys.stdlib_module_names])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['lc_assets']\n"


def test_the_functions_are_attributes_of_the_package() -> None:
    assert {"classify", "open_map", "open_scene"} <= {*dir(lc_assets)}
    with pytest.raises(AttributeError, match="no attribute 'classify_all'"):
        _ = lc_assets.classify_all  # type: ignore[attr-defined]


def test_a_pystac_item_is_classified_by_a_run_that_the_instance_records(
    demo_item: Path, home: Path, tmp_path: Path
) -> None:
    before = dict(os.environ)
    opened = lc_assets.classify(pystac.Item.from_file(demo_item), tmp_path / "store", window=64, stride=64)
    assert {name: os.environ[name] for name in before} == before
    assert "LC_ASSETS_STORE" not in os.environ
    assert opened.item.id == f"{DEMO_ITEM_ID}_classified"
    assert opened.item.properties["lc:parameters"]["stride"] == "64"
    assert opened.layout.catalog == tmp_path / "store" / "scenes" / DEMO_ITEM_ID / "catalog.json"
    with dg.DagsterInstance.get() as instance:
        [run] = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.SUCCESS
        assert HOST_TAG in run.tags
        assert all(instance.get_latest_materialization_event(dg.AssetKey(name)) for name in ASSET_NAMES)
    areas = opened.areas()
    assert sum(areas.values()) == pytest.approx(246 * 258 / 100, abs=0.1)
    assert 0 < areas[NO_DATA.name.replace(" ", "")] < 246 * 258 / 100


def test_a_run_that_fails_raises_its_message_once(demo_item: Path, home: Path, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path)
    (item.parent / "B07.tif").write_bytes(b"")
    with pytest.raises(LandCoverError) as failed:
        lc_assets.classify(item, tmp_path / "store")
    message = str(failed.value)
    assert message.startswith(f"item {DEMO_ITEM_ID}, asset B07: the file is empty -> ")
    assert message.count("asset ") == message.count(" -> ") == 1


def test_an_item_or_reference_that_is_no_scene_is_refused_before_a_run(
    demo_item: Path, home: Path, tmp_path: Path
) -> None:
    item = copy_scene(demo_item, tmp_path)
    edit_item(item, lambda document: document["assets"].pop("B07"))
    with pytest.raises(BadItem, match="B07"):
        lc_assets.classify(pystac.Item.from_file(item), tmp_path / "store")
    with pytest.raises(BadReference, match="no file"):
        lc_assets.classify(tmp_path / "missing.json", tmp_path / "store")
    with pytest.raises(BadReference, match="a list is given as a scene"):
        lc_assets.classify([demo_item], tmp_path / "store")  # type: ignore[arg-type]
    assert not (tmp_path / "store").exists()
