"""search and backfill as a user has them: the command line, a STAC API, a daemon of Dagster's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from lc_assets.defs.build import build_definitions
from lc_assets.inference.loading import read_contract
from lc_assets.operations.backfills import launch_backfill, newest_backfill
from lc_assets.operations.run_retention import InUse
from lc_assets.operations.status import SceneStatus, scene_statuses
from lc_assets.store.layout import Store
from lc_assets_tests.conftest import Desk
from lc_assets_tests.operations.daemons import end_daemon
from lc_assets_tests.rig.command import Shell
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.programs import WAIT_SECONDS
from loopback.scenes import PcScene, pc_scene

HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[PcScene]:
    """Two scenes of one tile; the second is cloudier."""
    folder = tmp_path_factory.mktemp("pair")
    clear = {"eo:cloud_cover": 3.0, "s2:nodata_pixel_percentage": 1.0}
    return [pc_scene(80, folder, **clear), pc_scene(81, folder, **{**clear, "eo:cloud_cover": 70.0})]


@pytest.fixture
def shell(shell: Shell, pc: PlanetaryComputer) -> Shell:
    """`lc-assets` on its way through the rig, whose catalogue is empty."""
    pc.api.clear()
    shell.environment |= {"LC_ASSETS_STAC_URL": None, "LC_ASSETS_TIMEOUT": "2"}
    return shell


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    """Dagster's daemon on the instance of `shell`."""
    environment = {**os.environ, "DAGSTER_HOME": str(folder / "home"), "LC_ASSETS_STORE": str(folder / "store")}
    environment |= {"LC_ASSETS_TIMEOUT": "2", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "loopback.quick_daemon", "run", "-m", "lc_assets.definitions"]
    with (folder / "daemon.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            end_daemon(process)


def worked_off(instance: dg.DagsterInstance, folder: Path) -> dg.DagsterInstance:
    """Wait until every backfill has ended."""
    end = time.monotonic() + WAIT_SECONDS
    while any(backfill.status == BulkActionStatus.REQUESTED for backfill in instance.get_backfills()):
        assert time.monotonic() < end, (folder / "daemon.log").read_text()[-3000:]
        time.sleep(0.5)
    return instance


def test_search_tells_what_is_there_what_is_done_and_what_is_new(
    pc: PlanetaryComputer, pair: list[PcScene], shell: Shell
) -> None:
    for scene in pair:
        pc.publish(scene.item, scene.files)
    tiles = [scene.item["properties"]["s2:mgrs_tile"] for scene in pair]
    west, south, east, north = pair[0].item["bbox"]
    place = ["--tile", tiles[0], "--tile", tiles[1], "--datetime", "2024"]

    table = shell("search", *place)
    rows = [line.split() for line in table.stdout.splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [("new", scene.id) for scene in pair]
    assert "2 scenes: 2 new" in table.stderr
    assert shell("search", *place, "--max-cloud", 20, "--ids").stdout == f"{pair[0].id}\n"
    box = f"{west},{south},{east},{north}"
    assert pair[0].id in shell("search", "--bbox", box, "--ids").stdout.splitlines()

    shell("search", *place, "--max-cloud", 20, "--register")
    shell("classify", pair[0].id, "--stride", 64)
    rows = [line.split() for line in shell("search", *place).stdout.splitlines()]
    assert [row[0] for row in rows] == ["done", "new"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--tile", "99ZZZ"], "is no MGRS tile"),
        (["--bbox", "1,2,3"], "is no box"),
        (["--bbox", "13,56,14,55"], "is not a box on the Earth"),
        (["--tile", "33UUB", "--datetime", "yesterday"], "yesterday"),
        (["--tile", "33UUB", "--max-cloud", "120"], "give percent, 0 to 100"),
        (["--max-cloud", "20"], "has no place"),
        (["--bbox", ""], "is no box"),
    ],
)
def test_a_malformed_search_is_told_in_one_line(shell: Shell, arguments: list[str], told: str) -> None:
    done = shell("search", *arguments, code=1)
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_empty_variable_does_not_mean_all_scenes(shell: Shell) -> None:
    assert "is no box" in shell("backfill", "--bbox", "", code=1).stderr
    assert "no date" in shell("backfill", "--tile", "33UUB", "--datetime", "", code=1).stderr


@pytest.mark.slow
def test_a_backfill_is_one_of_assets_and_goes_on_with_what_is_left(
    pc: PlanetaryComputer, pair: list[PcScene], shell: Shell, tmp_path: Path
) -> None:
    """A real daemon works it off. One scene lacks a band: it fails, alone, and the same command takes it up again."""
    for scene in pair:
        pc.publish(scene.item, scene.files)
    pc.relay.inject(Fault(f"{pair[1].item['properties']['s2:mgrs_tile']}_.*B04_10m", "status", times=-1, status=404))
    ids = [scene.id for scene in pair]
    assert shell("backfill", *ids, "--dry-run").stdout == "".join(f"{item}\tnew\n" for item in ids)
    assert not (tmp_path / "store" / "items").exists()
    assert "2 scenes to run: 2 new" in shell("backfill", *ids, "--stride", 64).stdout
    assert shell("backfill").stdout == "nothing to run\n2 were queued or running already\n"

    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        with daemon(tmp_path):
            worked_off(instance, tmp_path)
            [first] = instance.get_backfills()
            assert first.is_asset_backfill
            assert first.status == BulkActionStatus.COMPLETED_FAILED
            runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": first.backfill_id}))
            assert sorted(run.tags["dagster/partition"] for run in runs) == sorted(ids)
            assert {run.tags["lc_assets/model"] for run in runs} == {read_contract()[0].fingerprint}
            assert shell("backfill", "--dry-run").stdout == f"{ids[1]}\tfailed\n"
            said = f"{first.backfill_id} has ended: 1 of 2 scenes done, 1 failed: http://127.0.0.1:3000/runs/b/"
            assert said + first.backfill_id in shell("status").stderr

            pc.relay.clear()
            pc.relay.forget()
            shell("backfill", "--stride", 64)
            worked_off(instance, tmp_path)
            assert instance.get_backfills(limit=1)[0].status == BulkActionStatus.COMPLETED_SUCCESS
        done = shell("backfill")
        assert done.stdout == "nothing to run\n"
        assert not any(pair[0].item["properties"]["s2:mgrs_tile"] in e.path for e in pc.relay.exchanges if e.signed)


def test_a_scene_stands_as_its_runs_left_it(demo_item: Path, desk: Desk) -> None:
    definitions = build_definitions(desk.settings)

    def stands() -> SceneStatus:
        return scene_statuses(desk.instance, definitions, desk.store, [scene.id])[scene.id]

    scene = desk.add(demo_item)
    unheard = "S2A_unheard_of"
    assert scene_statuses(desk.instance, definitions, desk.store, [unheard]) == {unheard: SceneStatus.NEW}
    assert stands() == SceneStatus.MISSING
    assert desk.run(scene.id, stride=7).error
    assert stands() == SceneStatus.FAILED
    assert desk.run(scene.id, stride=64).error is None
    assert stands() == SceneStatus.DONE
    shutil.rmtree(desk.folder(scene.id).folder)
    assert stands() == SceneStatus.MISSING
    elsewhere = Store.at(demo_item.parent / "not mounted")
    assert scene_statuses(desk.instance, definitions, elsewhere, [scene.id]) == {scene.id: SceneStatus.DONE}
    tags = {"dagster/partition": scene.id}
    compare = definitions.resolve_job_def("compare_scenes")
    run = desk.instance.create_run_for_job(compare, status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert stands() == SceneStatus.MISSING, "that run makes no map"
    assert InUse(desk.instance, definitions)(scene.id)
    desk.instance.report_run_canceled(run)
    launch_backfill(desk.instance, definitions, [scene.id], fingerprint="", config={}, title="again")
    assert stands() == SceneStatus.WAITING


def test_how_far_a_backfill_is_is_counted_by_scene_and_not_by_run(desk: Desk) -> None:
    definitions, instance = build_definitions(desk.settings), desk.instance
    assert newest_backfill(instance, definitions) is None
    items = [f"S2A_33UUB_2024082{day}_0_L2A" for day in range(5)]
    instance.add_dynamic_partitions("scenes", items)
    backfill = launch_backfill(instance, definitions, items, fingerprint="", config={}, title="all")
    job = definitions.resolve_job_def("classify_scenes")
    ends = [(0, "FAILURE"), (0, "SUCCESS"), (1, "FAILURE"), (2, "CANCELED"), (3, "STARTED")]  # 0: by a retry
    for day, status in ends:
        tags = {"dagster/partition": items[day], "dagster/backfill": backfill}
        instance.create_run_for_job(job, status=dg.DagsterRunStatus(status), tags=tags)
    found = newest_backfill(instance, definitions)
    counts = "1 of 5 scenes done, 1 failed, 1 cancelled, 1 queued or running, 1 to be queued"
    assert str(found) == f"backfill {backfill} is under way: {counts}"
    [record] = instance.get_backfills()
    instance.update_backfill(record.with_status(BulkActionStatus.COMPLETED_FAILED))
    assert str(newest_backfill(instance, definitions)).endswith(counts.replace("to be queued", "without a run"))
    assert "has ended: 1 of 5" in str(newest_backfill(instance, definitions))


@pytest.mark.slow
def test_the_sensor_runs_what_is_new_under_a_real_daemon(
    pc: PlanetaryComputer, pair: list[PcScene], shell: Shell, tmp_path: Path
) -> None:
    """From the catalogue to the map without a command but the switch; a daemon that is started again runs nothing
    anew."""
    pc.publish(pair[0].item, pair[0].files)
    tile = pair[0].item["properties"]["s2:mgrs_tile"]
    (tmp_path / "watch.yaml").write_text(f"tiles: [{tile}]\nfrom: 2024-01-01\nto: 2024-12-31\nmax_cloud: 50\n")
    shell("stale")  # sets DAGSTER_HOME up
    switch = [sys.executable, "-m", "dagster", "sensor", "start", "new_sentinel2_items", "-m", "lc_assets.definitions"]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "home"), "LC_ASSETS_STORE": str(tmp_path / "store")}
    subprocess.run(switch, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=WAIT_SECONDS)
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        for ticks in (1, 2):
            with daemon(tmp_path):
                end = time.monotonic() + WAIT_SECONDS
                while (
                    not (runs := instance.get_runs())
                    or not all(run.is_finished for run in runs)
                    or ticked(instance) < ticks
                ):
                    assert time.monotonic() < end, (tmp_path / "daemon.log").read_text()[-3000:]
                    time.sleep(0.5)
        [run] = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert run.tags["dagster/partition"] == pair[0].id
    assert run.tags["dagster/run_key"] == pair[0].id
    assert (tmp_path / "store" / "scenes" / pair[0].id / f"{pair[0].id}_classified.tif").exists()


def all_have_ended(runs: Sequence[dg.DagsterRun]) -> bool:
    return bool(runs) and all(run.is_finished for run in runs)


def ticked(instance: dg.DagsterInstance) -> int:
    """How many ticks of sensors have ended."""
    return sum(
        tick.timestamp > 0 and tick.is_completed
        for state in instance.all_instigator_state()
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)
    )
