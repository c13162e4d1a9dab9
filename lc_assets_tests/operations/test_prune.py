"""prune removes intermediates and left-overs, and nothing that is in use."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from lc_assets.core.errors import LandCoverError
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID as DEMO
from lc_assets.operations import cleanup
from lc_assets.operations.backfills import launch_backfill
from lc_assets.operations.cleanup import RetentionPolicy, plan_store, remove
from lc_assets.operations.keys import SCENES
from lc_assets.operations.status import SceneStatus
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.store.lease import lease
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import parse_path, walk_files
from lc_assets_tests.conftest import Desk
from lc_assets_tests.operations.pruned_stores import age, contents, names, queue, stands
from lc_assets_tests.rig.command import invoke
from lc_assets_tests.rig.object_stores import s3_store

DEAD = 4_194_304
"""No process has this id: Linux counts to one less."""


def test_without_yes_nothing_is_removed_and_without_a_policy_no_intermediate(
    done: Desk, told: Callable[..., str]
) -> None:
    before = contents(done.settings.store)
    said = told(done, RetentionPolicy.NONE, yes=False)
    assert "intermediates (keep none): 28 files in 1 scene," in said
    assert "nothing has been removed: --yes removes it" in said
    assert told(done, yes=True).splitlines()[-1] == "nothing to remove"
    assert contents(done.settings.store) == before


def test_what_it_says_first_is_what_it_frees(done: Desk, told: Callable[..., str]) -> None:
    before = contents(done.settings.store)
    first = told(done, RetentionPolicy.NONE, yes=False).splitlines()[0].removeprefix("intermediates (keep none): ")
    assert f"removed: {first}, of intermediates" in told(done, RetentionPolicy.NONE, yes=True)
    lost = before.keys() - contents(done.settings.store).keys()
    assert first.startswith(f"{len(lost)} files in 1 scene, {sum(before[path] for path in lost) / 1e3:.1f} kB")


def test_keep_raw_removes_the_stack_only(done: Desk, told: Callable[..., str]) -> None:
    folder = done.folder(DEMO)
    raw = names(folder.raw_bands)
    told(done, RetentionPolicy.RAW, yes=True)
    assert not folder.resampled_stack.exists()
    assert names(folder.raw_bands) == raw
    assert RawBands.open(folder.raw_bands, DEMO)
    assert stands(done) == SceneStatus.DONE
    assert told(done, RetentionPolicy.RAW, yes=True).splitlines()[-1] == "nothing to remove"


def test_keep_stack_leaves_raw_bands_that_a_virtual_stack_reads(done: Desk, told: Callable[..., str]) -> None:
    before = contents(done.settings.store)
    said = told(done, RetentionPolicy.STACK, yes=True)
    assert "the raw bands of 1 scene are kept: the stack is a virtual one" in said
    assert contents(done.settings.store) == before


def test_keep_stack_removes_the_raw_bands_of_a_written_one_but_not_the_item(
    desk: Desk, demo_item: Path, told: Callable[..., str]
) -> None:
    desk = Desk(Settings(store=desk.settings.store, stac_url=desk.settings.stac_url, stack="cog"), desk.instance)
    folder = desk.classify(demo_item, stride=64)
    told(desk, RetentionPolicy.STACK, yes=True)
    assert names(folder.raw_bands) == {"item.json"}
    assert "stack.tif" in names(folder.resampled_stack)
    assert stands(desk) == SceneStatus.DONE
    # The map can be made again from the stack that was kept.
    assert desk.materialize("class_raster", stride=64).success


def test_a_pruned_scene_can_be_run_again(done: Desk, told: Callable[..., str]) -> None:
    folder = done.folder(DEMO)
    classified = folder.classified.read_bytes()
    told(done, RetentionPolicy.NONE, yes=True)
    assert names(folder.raw_bands) == {"item.json"}
    assert not folder.resampled_stack.exists()
    with pytest.raises(LandCoverError, match="materialise raw_bands"):
        RawBands.open(folder.raw_bands, DEMO)
    assert done.run(DEMO).error is None
    assert folder.classified.read_bytes() == classified


def test_an_interrupt_leaves_nothing_half_and_the_next_call_goes_on(
    done: Desk, told: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = done.folder(DEMO)
    left, unlink = [3], Path.unlink

    def interrupted(path: Path, missing_ok: bool = False) -> None:
        if "raw_bands" in path.parts and path.suffix in (".tif", ".json"):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            told(done, RetentionPolicy.NONE, yes=True)
    assert len(names(folder.raw_bands)) > 5
    assert "manifest.json" not in names(folder.raw_bands)
    with pytest.raises(LandCoverError, match="its raw bands are not in the store"):
        RawBands.open(folder.raw_bands, DEMO)
    told(done, RetentionPolicy.NONE, yes=True)
    assert names(folder.raw_bands) == {"item.json"}


@pytest.mark.parametrize("standing", [SceneStatus.FAILED, SceneStatus.STALE, SceneStatus.MISSING])
def test_what_is_not_finished_keeps_its_intermediates(
    done: Desk, told: Callable[..., str], standing: SceneStatus, request: pytest.FixtureRequest
) -> None:
    if standing is SceneStatus.FAILED:
        assert done.run(DEMO, stride=7).error
    elif standing is SceneStatus.STALE:
        material = dg.AssetMaterialization("class_raster", partition=DEMO, tags={"dagster/code_version": "other"})
        done.instance.report_runless_asset_event(material)
    else:
        done = Desk(done.settings, request.getfixturevalue("desk").instance)
        done.instance.add_dynamic_partitions(SCENES, [DEMO])
    assert stands(done) == standing
    before = contents(done.settings.store)
    assert told(done, RetentionPolicy.NONE, yes=True).splitlines()[-1] == "nothing to remove"
    assert contents(done.settings.store) == before


def test_a_scene_with_a_run_or_in_a_backfill_is_left_alone(done: Desk, told: Callable[..., str]) -> None:
    before = contents(done.settings.store)
    run = queue(done)
    said = told(done, RetentionPolicy.NONE, yes=True)
    assert "left alone: 1 scene in use" in said
    done.instance.report_run_canceled(run)
    launch_backfill(done.instance, build_definitions(done.settings), [DEMO], fingerprint="", config={}, title="again")
    assert "left alone: 1 scene in use" in told(done, RetentionPolicy.NONE, yes=True)
    assert contents(done.settings.store) == before


def test_a_scene_that_comes_into_use_after_it_was_looked_at_is_left_alone(
    done: Desk, told: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(done.settings.store)

    def planned_then_queued(*arguments: object) -> object:
        plan = plan_store(*arguments)  # type: ignore[arg-type]
        queue(done)
        return plan

    monkeypatch.setattr(cleanup, "plan_store", planned_then_queued)
    assert "left alone: 1 scene in use since then" in told(done, RetentionPolicy.NONE, yes=True)
    assert contents(done.settings.store) == before


def test_a_scene_whose_lock_is_held_is_left_alone(done: Desk) -> None:
    folder = done.folder(DEMO)
    with FileLock(folder.incoming.with_name(f"{folder.incoming.name}.lock")):
        assert remove(folder, RetentionPolicy.NONE, finished=True, is_busy=lambda item: False) is None
    assert "manifest.json" in names(folder.raw_bands)


def test_left_overs_of_the_dead_go_and_those_of_the_living_stay(done: Desk, told: Callable[..., str]) -> None:
    folder, host = done.folder(DEMO), socket.gethostname()
    living = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        dead = [
            folder.folder / f".raw_bands.{host}-{DEAD}-0123abcd.part",
            folder.folder.with_name(f".{DEMO}.{host}-{DEAD}-0123abcd.part"),
            done.store.root / f".items.{host}-{DEAD}-0123abcd.part",
            folder.folder / ".raw_bands.elsewhere-1-0123abcd.part",
        ]
        alive = [
            folder.folder / f".raw_bands.{host}-{living.pid}-0123abcd.part",
            folder.folder / ".raw_bands.other-host-1-0123abcd.part",
        ]
        for stage in (*dead, *alive):
            Path(str(stage)).mkdir()
            (stage / "B02.tif").write_bytes(bytes(1000))
        age(dead[-1])
        folder.incoming.mkdir()
        (folder.incoming / "B02.tif").write_bytes(bytes(500))
        assert "files of dead processes: 5 files in 5 folders, 4.5 kB" in told(done, yes=False)
        told(done, yes=True)
        assert [stage.exists() for stage in (*dead, folder.incoming, *alive)] == [False] * 5 + [True] * 2
    finally:
        living.kill()
        living.wait()


def test_what_a_failed_fetch_has_fetched_stays_for_the_next_attempt_for_a_day(
    desk: Desk, demo_item: Path, told: Callable[..., str]
) -> None:
    scene = desk.add(demo_item)
    incoming = desk.folder(scene.id).incoming
    incoming.mkdir(parents=True)
    (incoming / "B02.tif").write_bytes(bytes(500))
    assert told(desk, yes=True).splitlines()[-1] == "nothing to remove"
    age(incoming)
    told(desk, yes=True)
    assert not incoming.exists()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectPath]:
    """A store in an object store."""
    with s3_store(tmp_path / "scratch") as server:
        root = parse_path(f"{server.url}/prune")
        assert isinstance(root, ObjectPath)
        yield root


@pytest.mark.slow
def test_a_store_in_an_object_store_is_pruned_as_one_on_a_disk(
    classified: Desk, bucket: ObjectPath, told: Callable[..., str]
) -> None:
    for path, _ in walk_files(classified.settings.store):
        (bucket / str(path.relative_to(classified.settings.store))).write_bytes(path.read_bytes())
    away = Desk(replace(classified.settings, store=str(bucket)), classified.instance)
    folder = away.folder(DEMO)
    before = contents(bucket)
    folder.incoming.mkdir(parents=True)
    (folder.incoming / "B02.tif").write_bytes(bytes(500))
    assert isinstance(folder.lease, ObjectPath)
    with lease(folder.lease, wait=0, seconds=1):  # another machine is at it
        assert "left alone: 1 scene in use since then" in told(away, RetentionPolicy.NONE, yes=True)
    assert contents(bucket) == before
    told(away, RetentionPolicy.NONE, yes=True)
    assert [path.name for path, _ in walk_files(folder.raw_bands)] == ["item.json"]
    assert not list(walk_files(folder.resampled_stack))
    assert folder.classified.exists()
    assert not folder.incoming.exists()
    assert not folder.lease.exists()
    assert told(away, RetentionPolicy.NONE, yes=True).splitlines()[-1] == "nothing to remove"


def test_a_malformed_option_is_told_in_one_line() -> None:
    for arguments, word in ((["--keep", "all"], "'all' is not one of"), (["--runs-older-than", "-3"], "not in the")):
        assert word in invoke("prune", *arguments, code=2).output
