"""Bad input and bad days: one clear error, nothing half-written, others unharmed."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import rasterio

from lc_assets.core.errors import BadModel, StoreError
from lc_assets.core.progress import progress_callbacks
from lc_assets.core.settings import SHIPPED, Settings
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference.loading import open_model, read_contract
from lc_assets.store.atomic import atomic_output
from lc_assets_tests.conftest import Desk, copy_scene, edit_item, own_model, read
from lc_assets_tests.rig.command import Shell
from loopback.programs import WAIT_SECONDS


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("band", ["B02", "B12"])
def test_a_missing_band_fails_by_name_and_leaves_nothing(
    demo_item: Path, desk: Desk, tmp_path: Path, band: str
) -> None:
    item = copy_scene(demo_item, tmp_path)
    (item.parent / f"{band}.tif").unlink()
    scene = desk.add(item)
    outcome = desk.run(scene.id)
    assert outcome.error is not None
    assert scene.id in outcome.error and band in outcome.error and "->" in outcome.error
    assert files_below(desk.settings.store / "scenes" / scene.id) == []
    assert [name for name in files_below(desk.settings.store / "scenes") if "part" in name] == []


@pytest.mark.slow
def test_a_scene_whose_local_files_are_gone_is_made_again_from_those_in_the_store(
    demo_item: Path, desk: Desk, tmp_path: Path
) -> None:
    item = copy_scene(demo_item, tmp_path)
    scene = desk.add(item)
    assert desk.run(scene.id).error is None
    before = desk.folder(scene.id).classified.read_bytes()
    item.parent.rename(tmp_path / "moved")
    notes: list[str] = []
    with progress_callbacks(None, notes.append):
        assert desk.run(scene.id).error is None
    assert notes[0].startswith(f"{scene.id}: gone at the source, so the files in the store are used: B01, B02")
    assert desk.folder(scene.id).classified.read_bytes() == before
    (desk.folder(scene.id).raw_bands / "B05.tif").unlink()
    with progress_callbacks(None, notes.append):
        assert "asset B01: the file" in str(desk.run(scene.id).error), "the store's own folder is not complete"
    assert notes[-1].startswith("the files in the store are not used, because") and "B05.tif is missing" in notes[-1]


def test_damage_inside_a_band_is_told_when_it_is_met(demo_item: Path, desk: Desk, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path)
    path = item.parent / "B08.tif"
    content = bytearray(path.read_bytes())
    with rasterio.open(path) as dataset:
        start = int(dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    content[start : start + 400] = bytes(400)
    path.write_bytes(bytes(content))
    scene = desk.add(item)
    outcome = desk.run(scene.id)
    assert outcome.error is not None
    assert scene.id in outcome.error and "B08" in outcome.error
    assert not desk.folder(scene.id).classified.exists()


def test_a_key_that_was_never_registered_is_told(desk: Desk) -> None:
    error = "item S2A_NEVER_REGISTERED: it is not registered, or was removed meanwhile -> name it again"
    assert desk.run("S2A_NEVER_REGISTERED").error == error
    assert not desk.instance.get_run_records()


def test_a_key_without_an_item_says_where_it_was_looked_for(desk: Desk) -> None:
    desk.instance.add_dynamic_partitions("scenes", ["S2A_UNKNOWN"])
    # A catalog that cannot be reached may answer later: the step is run twice.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lc_assets.defs.failures.RETRY_SECONDS", 0)
        outcome = desk.run("S2A_UNKNOWN")
    assert outcome.error is not None
    assert "S2A_UNKNOWN" in outcome.error and "cannot be reached" in outcome.error


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_corrupt_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    folder = shutil.copytree(SHIPPED.parent, tmp_path / "model", copy_function=shutil.copyfile)
    weights = folder / "model.keras"
    weights.write_bytes(weights.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(BadModel, match="not the file that its contract was written for"):
        open_model(folder / "model.json")
    # Even with a contract written for the broken file.
    item = json.loads((folder / "model.json").read_text())
    item["assets"]["model"]["file:checksum"] = "1220" + hashlib.sha256(weights.read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(item))
    with pytest.raises(BadModel, match="cannot be loaded as a Keras model"):
        open_model(folder / "model.json")


def test_a_model_with_another_class_count_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"output shape is \(None, 7\).*10 classes"):
        open_model(own_model(tmp_path / "m", ("B02", "B03", "B04"), 7))


def test_a_model_with_other_bands_than_promised_is_refused_by_name(tmp_path: Path) -> None:
    path = own_model(tmp_path / "m", ("B02", "B03", "B04"), 10)
    document = json.loads(path.read_text())
    [model_input] = document["properties"]["mlm:input"]
    model_input["bands"] = ["B02", "B03"]
    model_input["value_scaling"] = model_input["value_scaling"][:2]
    model_input["input"]["shape"][-1] = 2
    path.write_text(json.dumps(document))
    with pytest.raises(BadModel, match="2 bands"):
        open_model(path)
    model_input["bands"] = ["B02", "B10"]
    path.write_text(json.dumps(document))
    with pytest.raises(BadModel, match="B10"):
        read_contract(path)


def test_a_model_of_other_architecture_and_fewer_bands_works(classified: Desk, tmp_path: Path) -> None:
    model = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    other = Desk(replace(classified.settings, model=model), classified.instance)
    assert other.materialize("class_raster", "overview", "report", "catalog", stride=64).success
    assert (read(other.folder(DEMO_ITEM_ID).classified) < 10).any()


def test_a_scene_of_a_level_that_the_model_was_not_made_for_is_refused(demo_item: Path, tmp_path: Path) -> None:
    model = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10, product_levels=("L1C",))
    with dg.DagsterInstance.ephemeral() as instance:
        desk = Desk(Settings(store=tmp_path / "store", model=model), instance)
        scene = desk.add(demo_item)
        outcome = desk.run(scene.id)
    assert outcome.error is not None
    assert "the scene is L2A, model own was made for L1C" in outcome.error


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "scene"
    with (
        pytest.raises(StoreError, match=r"cannot be written.*->") as caught,
        limited_file_size(4096),
        atomic_output(target, item="x", asset="class_raster") as stage,
    ):
        (stage / "big").write_bytes(b"x" * 100_000)
    assert "free some space" in caught.value.remedy
    assert files_below(tmp_path) == []


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """No file may grow beyond some bytes: what a full disk does, without filling one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("limit", [500, 3_000])
def test_a_disk_that_fills_up_under_gdal_is_told_and_leaves_no_map(demo_item: Path, tmp_path: Path, limit: int) -> None:
    from lc_assets.inference.class_map import write_class_map
    from lc_assets.inference.windows.classify import Classification
    from lc_assets_tests.sentinel2.stacks import stack_of

    stack = stack_of(demo_item, tmp_path / "store")
    classification = Classification(stack, open_model(), 64)
    target = tmp_path / "target"
    with (
        pytest.raises(StoreError),
        limited_file_size(limit),
        atomic_output(target, item="x", asset="class_raster") as stage,
    ):
        write_class_map(classification, stage)
    assert files_below(target) == []


COMMAND = [sys.executable, "-m", "lc_assets.cli.main"]


@pytest.mark.parametrize(
    ("after", "stride"),
    [
        pytest.param("raw_bands/manifest.json", "64", marks=pytest.mark.slow),
        pytest.param("resampled_stack/stack.vrt", "8", marks=pytest.mark.slow),
        pytest.param("_classified.tif", "8", marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_anywhere_is_simply_run_again(
    demo_item: Path, shell: Shell, tmp_path: Path, after: str, stride: str
) -> None:
    arguments = [*COMMAND, "classify", str(demo_item), "--stride", stride]
    process = subprocess.Popen(arguments, cwd=tmp_path, env=shell.child_environment(), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + WAIT_SECONDS
    scenes = tmp_path / "store" / "scenes"
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(FileNotFoundError):  # folders come and go while they are listed
            if any(str(path).endswith(after) for path in scenes.rglob("*")):
                break
        time.sleep(0.005)
    process.kill()
    process.wait()
    shell(*arguments[len(COMMAND) :])
    folder = next(scenes.iterdir())
    assert (folder / "catalog.json").exists()
    assert [name for name in files_below(scenes) if ".part" in name] == []
    with dg.DagsterInstance.from_config(str(shell.home)) as instance:
        statuses = {run.status for run in instance.get_runs()}
    assert statuses <= {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


@pytest.mark.slow
def test_two_processes_may_classify_the_same_item_at_once(demo_item: Path, shell: Shell, tmp_path: Path) -> None:
    arguments = [*COMMAND, "classify", str(demo_item), "--stride", "64"]
    both = [
        subprocess.Popen(
            arguments, cwd=tmp_path, env=shell.child_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    for process in both:
        output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0, output.decode()
    folder = next((tmp_path / "store" / "scenes").iterdir())
    item = json.loads(next(folder.glob("*_classified.json")).read_text())
    for asset in item["assets"].values():
        content = (folder / asset["href"]).read_bytes()
        if not asset["href"].endswith(".aux.xml"):  # to which GDAL adds statistics
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_leftovers_of_dead_processes_are_swept_and_live_ones_spared(tmp_path: Path) -> None:
    dead = tmp_path / f".scene.{socket.gethostname()}-999999999-abcdef01.part"
    alive = tmp_path / f".scene.{socket.gethostname()}-{os.getppid()}-abcdef02.part"
    elsewhere = tmp_path / ".scene.another-host-1-abcdef03.part"
    for folder in (dead, alive, elsewhere):
        folder.mkdir()
    with atomic_output(tmp_path / "scene", item="x", asset="y") as stage:
        (stage / "file").write_text("x")
    assert not dead.exists()
    assert alive.exists()
    assert elsewhere.exists()


def test_a_model_swapped_after_the_map_was_made_is_noticed(classified: Desk, tmp_path: Path) -> None:
    other = replace(classified.settings, model=own_model(tmp_path / "m", ("B02",), 10))
    result = Desk(other, classified.instance).materialize("catalog")
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "materialise class_raster again" in failure.user_failure_data.description


def test_an_item_named_twice_with_different_contents_is_told(demo_item: Path, shell: Shell, tmp_path: Path) -> None:
    other = copy_scene(demo_item, tmp_path)
    edit_item(other, lambda d: d["properties"].update({"eo:cloud_cover": 1.0}))
    assert "named twice" in shell("register", demo_item, other, code=1).stderr
