"""While one scene is computed, the next one is fetched: in time, once, and only for its own run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lc_assets.core.errors import BadBand
from lc_assets.core.progress import progress_callbacks
from lc_assets.defs.build import build_definitions
from lc_assets.defs.io_managers.raw_bands import RawBandsIOManager
from lc_assets.operations.keys import PARTITION_TAG
from lc_assets.sentinel2.bands.fetch_ahead import fetching_ahead
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.item.scene import Scene, parse_scene
from lc_assets_tests.conftest import Desk
from lc_assets_tests.rig.command import Shell
from lc_assets_tests.rig.marks import further
from loopback.faults import Fault
from loopback.file_host import files_of
from loopback.programs import WAIT_SECONDS
from loopback.relay import Relay

FILES = 13


@pytest.fixture
def items(demo_item: Path, relay: Relay, tmp_path: Path) -> list[Path]:
    """Three scenes of the same pixels, each on a host of its own: a.example.com, b... and c..."""
    paths = []
    for name in "abc":
        document = json.loads(demo_item.read_text())
        document["id"] = document["id"].replace("T32", f"T{'abc'.index(name) + 30}")
        for asset in document["assets"].values():
            asset["href"] = f"https://{name}.example.com/{Path(asset['href']).name}"
        relay.add_host(f"{name}.example.com", files_of(demo_item.parent))
        paths.append(tmp_path / f"{document['id']}.json")
        paths[-1].write_text(json.dumps(document))
    return paths


@pytest.fixture
def scenes(items: list[Path]) -> list[Scene]:
    return [parse_scene(json.loads(path.read_text())) for path in items]


@pytest.fixture
def write(desk: Desk) -> Callable[[Scene], dict[str, Any]]:
    """What a run does in its first step; the metadata of it."""
    manager = build_definitions(desk.settings).resources["raw_bands_io"]
    assert isinstance(manager, RawBandsIOManager)
    return lambda scene: manager.write(desk.folder(scene.id), scene).metadata


def fetched(relay: Relay, host: str) -> int:
    """Files that have left a host whole."""
    return len({e.path for e in relay.exchanges if e.host == f"{host}.example.com" and e.body_bytes_sent})


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_next_scene_is_fetched_before_its_run_and_only_once(
    relay: Relay, scenes: list[Scene], write: Callable[[Scene], dict[str, Any]], desk: Desk
) -> None:
    shown: list[str] = []
    with fetching_ahead(scenes, desk.store.root.parent), progress_callbacks(lambda _, text: shown.append(text)):
        for scene, host, following in zip(scenes, "abc", ("b", "c", None), strict=True):
            shown.clear()
            found = write(scene)
            assert found["received_MB"] > 0
            assert shown
            assert RawBands.open(desk.folder(scene.id).raw_bands, scene.id)
            if following:
                until(lambda host=following: fetched(relay, host) == FILES)
                assert not desk.folder(scenes["abc".index(following)].id).raw_bands.exists()
            assert fetched(relay, host) == FILES
    assert len(relay.exchanges) == 3 * FILES


def test_a_scene_whose_run_never_begins_gets_nothing_in_the_store_and_is_not_fetched_again(
    relay: Relay, scenes: list[Scene], write: Callable[[Scene], dict[str, Any]], desk: Desk
) -> None:
    folder = desk.folder(scenes[1].id)
    with fetching_ahead(scenes, desk.store.root.parent):
        write(scenes[0])
        until(lambda: len(list(folder.incoming.glob("*.tif"))) == FILES)
    assert not folder.raw_bands.exists()
    assert [path.name for path in folder.folder.glob(".*.part")] == []
    assert write(scenes[1])["received_MB"] == 0
    assert fetched(relay, "b") == FILES
    assert fetched(relay, "c") == 0


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("its_run_waits", [True, *further(False)])
def test_an_interrupt_ends_a_fetch_ahead_that_hangs(
    relay: Relay, scenes: list[Scene], write: Callable[[Scene], dict[str, Any]], desk: Desk, its_run_waits: bool
) -> None:
    relay.inject(Fault("b.example.com/B04", "stall", times=-1))
    folder = desk.folder(scenes[1].id)
    with pytest.raises(KeyboardInterrupt), fetching_ahead(scenes, desk.store.root.parent):
        write(scenes[0])
        until(lambda: fetched(relay, "b") == FILES - 1)
        started = time.monotonic()
        if its_run_waits:
            with progress_callbacks(interrupt):
                write(scenes[1])
        interrupt()
    assert time.monotonic() - started < WAIT_SECONDS / 4
    assert not folder.raw_bands.exists()
    assert [path.name for path in folder.folder.glob(".*.part")] == []


def test_a_disk_without_space_for_two_scenes_is_left_alone(
    relay: Relay,
    scenes: list[Scene],
    write: Callable[[Scene], dict[str, Any]],
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    usage = shutil.disk_usage(desk.store.root.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with fetching_ahead(scenes, desk.store.root.parent), progress_callbacks(None, told.append):
        write(scenes[0])
    assert ["is not fetched ahead: 0.0 GB are free" in line for line in told] == [True]
    assert fetched(relay, "b") == 0
    assert write(scenes[1])["received_MB"] > 0


def test_an_error_of_the_fetch_ahead_is_raised_in_its_own_run_only(
    relay: Relay, scenes: list[Scene], write: Callable[[Scene], dict[str, Any]], desk: Desk
) -> None:
    relay.inject(Fault("b.example.com/B04", "status", status=404, times=-1))
    with fetching_ahead(scenes, desk.store.root.parent):
        write(scenes[0])
        with pytest.raises(BadBand, match=f"404.*{scenes[1].id}|{scenes[1].id}.*404"):
            write(scenes[1])
        assert write(scenes[2])["received_MB"] > 0
    assert [e.status for e in relay.exchanges if (e.host, e.path) == ("b.example.com", "/B04.tif")] == [404]


@pytest.mark.slow
def test_an_item_that_has_changed_meanwhile_is_fetched_as_it_is_now(
    scenes: list[Scene], write: Callable[[Scene], dict[str, Any]], desk: Desk
) -> None:
    changed = parse_scene({**scenes[1].document, "properties": {**scenes[1].properties, "eo:cloud_cover": 1.0}})
    with fetching_ahead(scenes, desk.store.root.parent):
        write(scenes[0])
        write(changed)
    stored = RawBands.open(desk.folder(changed.id).raw_bands, changed.id)
    assert stored.scene.properties["eo:cloud_cover"] == 1.0


def test_two_processes_that_want_the_same_scenes_in_opposite_order_both_end(
    scenes: list[Scene], write: Callable[[Scene], dict[str, Any]], desk: Desk
) -> None:
    a, b, _ = scenes
    both = threading.Barrier(2, timeout=WAIT_SECONDS)
    ended = []

    def classify(first: Scene, second: Scene) -> None:
        with fetching_ahead([first, second], desk.store.root.parent):
            write(first)
            both.wait()  # each holds, or waits for, the other's first scene
            write(second)
        ended.append(first.id)

    threads = [threading.Thread(target=partial(classify, *order)) for order in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert sorted(ended) == sorted([a.id, b.id])


@pytest.mark.slow
def test_a_scene_that_cannot_be_fetched_fails_in_its_own_run_and_harms_no_other(
    relay: Relay, items: list[Path], shell: Shell
) -> None:
    relay.inject(Fault("b.example.com/B04", "status", status=404, times=-1))
    done = shell("classify", *items, code=1)
    assert "1 of 3 failed" in done.stderr
    failed = next(line for line in done.stderr.splitlines() if line.startswith("      failed: "))
    assert f"item {items[1].stem}" in failed
    assert "404" in failed
    # Its run has the error of the fetch ahead, and does not fetch again.
    assert [e.status for e in relay.exchanges if (e.host, e.path) == ("b.example.com", "/B04.tif")] == [404]
    with dg.DagsterInstance.from_config(str(shell.home)) as instance:
        runs = {run.tags[PARTITION_TAG]: run for run in instance.get_runs()}
        failures = instance.all_logs(runs[items[1].stem].run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert [failure.step_key for failure in failures] == ["raw_bands"]
    assert [runs[item.stem].is_success for item in items] == [True, False, True]
    assert list((shell.store / "scenes" / items[1].stem).glob("*.tif")) == []


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_run_and_the_fetch_ahead(
    relay: Relay, items: list[Path], shell: Shell, tmp_path: Path, signum: signal.Signals
) -> None:
    relay.inject(Fault("b.example.com/B04", "stall", times=-1))
    process = subprocess.Popen(
        [sys.executable, "-m", "lc_assets.cli.main", "classify", *map(str, items)],
        cwd=tmp_path,
        env=shell.child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell starts background jobs with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until(lambda: process.poll() is not None or fetched(relay, "b") == FILES - 1)
    process.send_signal(signum)
    told, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, told
    assert told.count("it was interrupted -> run it again") == 1
    assert "Traceback" not in told
    scenes = shell.store / "scenes"
    assert [path for path in scenes.rglob("*.part") if path.is_dir()] == []
    assert not (scenes / items[1].stem / "raw_bands").exists()
    with dg.DagsterInstance.from_config(str(shell.home)) as instance:
        assert {run.is_finished for run in instance.get_runs()} == {True}
