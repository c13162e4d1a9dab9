"""Only one process at a time holds a lease."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from lc_assets.core.errors import StoreError
from lc_assets.store.atomic import atomic_output
from lc_assets.store.lease import lease
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import parse_path, walk_files
from lc_assets_tests.conftest import Desk
from lc_assets_tests.store.object_stores import only_s3
from loopback.gate import Gate
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import pc_scene

pytestmark = pytest.mark.xdist_group("object stores")


def _hold(url: str, held: str) -> None:
    place = parse_path(url)
    assert isinstance(place, ObjectPath)
    with lease(place, wait=5, seconds=3):
        Path(held).touch()
        time.sleep(60)


@pytest.mark.slow
@only_s3
def test_one_process_holds_a_lease_and_a_killed_holder_frees_it(
    remote: tuple[ObjectPath, Gate], tmp_path: Path
) -> None:
    place = remote[0] / ".lease"
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(str(place), str(tmp_path / "held")))
    other.start()
    while not (tmp_path / "held").exists():
        assert other.is_alive()
        time.sleep(0.05)
    with pytest.raises(TimeoutError), lease(place, wait=5, seconds=3):
        pass
    os.kill(other.pid or 0, signal.SIGKILL)
    other.join()
    with lease(place, wait=10, seconds=3):
        assert place.exists()
    assert not place.exists()


@only_s3
def test_the_loss_of_a_lease_is_an_error(remote: tuple[ObjectPath, Gate]) -> None:
    place = remote[0] / ".lease"
    with pytest.raises(StoreError, match="lost"), lease(place, wait=5, seconds=1):
        place.write_bytes(b"taken by another")
        time.sleep(1)
    assert place.read_bytes() == b"taken by another"


def test_a_lease_stays_held_while_its_object_can_be_written_but_not_read(remote: tuple[ObjectPath, Gate]) -> None:
    place, gate = remote[0] / ".lease", remote[1]
    with lease(place, wait=5, seconds=1) as held:
        gate.refuse("HEAD", 403)
        time.sleep(1.5)
        gate.refuse()
        held.ensure_held()
    assert not place.exists()


def test_a_process_that_was_suspended_longer_than_its_lease_writes_nothing_more(
    remote: tuple[ObjectPath, Gate],
) -> None:
    """The process is suspended between two files. Meanwhile another process takes the lease and writes its files."""
    place, folder = remote[0] / ".lease", remote[0] / "bands"

    def slow_put() -> None:
        with (
            lease(place, wait=5, seconds=1) as held,
            atomic_output(folder, item="x", asset="raw_bands", last="z", check=held.ensure_held) as stage,
        ):
            for name in ("a", "z"):
                (stage / name).write_bytes(b"of the first")
            held.release()  # the renewing thread is suspended too
            held._lost.clear()
            time.sleep(1.2)
            with lease(place, wait=5, seconds=30):
                for name in ("a", "z"):
                    (folder / name).write_bytes(b"of the second")

    with pytest.raises(StoreError, match="lost"):
        slow_put()
    assert {(folder / name).read_bytes() for name in ("a", "z")} == {b"of the second"}


@pytest.mark.slow
@only_s3
def test_two_concurrent_fetches_of_a_scene_leave_one_complete_scene(
    away: Desk, pc: PlanetaryComputer, remote: tuple[ObjectPath, Gate], tmp_path: Path
) -> None:
    from lc_assets.defs.io_managers.raw_bands import RawBandsIOManager
    from lc_assets.defs.resources import ItemsResource, StoreResource
    from lc_assets.sentinel2.item.scene import parse_scene

    made = pc_scene(61, tmp_path)
    pc.publish(made.item, made.files)
    scene = parse_scene(made.item)
    store = StoreResource(root=str(remote[0]))
    manager = RawBandsIOManager(store=store, items=ItemsResource(store=store))
    failures: list[BaseException] = []

    def write() -> None:
        try:
            manager.write(away.folder(scene.id), scene)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert manager.read(away.folder(scene.id)).checked()
    assert not [path for path, _ in walk_files(remote[0]) if path.name.startswith(".")]
