"""The store as a URL: S3 (moto's server) and Azure (azurite), really spoken to."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import rasterio
from rasterio.errors import RasterioIOError

from lc_assets.core.errors import StoreError
from lc_assets.core.settings import Settings
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets.products.agreement.scene import agreement_folder, read_document
from lc_assets.store.atomic import atomic_output
from lc_assets.store.lease import lease
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.object_store import gdal_settings
from lc_assets.store.paths import (
    StorePath,
    compare_and_swap,
    etag,
    gdal_path,
    list_files,
    parse_path,
    remove_tree,
    walk_files,
)
from lc_assets.store.scratch import scratch_dir
from lc_assets_tests.conftest import Desk
from lc_assets_tests.rig.command import NOBODY, QUICK
from lc_assets_tests.rig.gate import Gate
from lc_assets_tests.rig.object_stores import S3, Azure, reached
from lc_assets_tests.rig.programs import Missing
from lc_assets_tests.rig.references import agreed
from lc_assets_tests.rig.scenes import pc_scene
from lc_assets_tests.rig.service import PlanetaryComputer

only_s3 = pytest.mark.parametrize("server", ["s3"], indirect=True, scope="module")
"""For what does not depend on the protocol."""
pytestmark = pytest.mark.xdist_group("object stores")
SMALL = {"stride": 64}
"""Of maps whose pixels are not the claim."""


@pytest.fixture(scope="module", params=["s3", "azure"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[S3 | Azure, Gate]]:
    """Each kind of store, and the gate in front of it."""
    try:
        store = {"s3": S3, "azure": Azure}[request.param]()
    except Missing as missing:
        pytest.skip(str(missing))
    # Clients are kept per bucket for as long as the process lives: they see the gate from the beginning.
    gate = Gate(store.port)
    yield store, gate
    gate.stop()
    store.stop()


@pytest.fixture
def remote(server: tuple[S3 | Azure, Gate], tmp_path: Path) -> Iterator[tuple[ObjectPath, Gate]]:
    """A fresh root in the store."""
    store, gate = server
    through = {name: value.replace(f":{store.port}", f":{gate.port}") for name, value in store.environment.items()}
    gate.clear()
    with reached(through, tmp_path / "scratch"):
        root = parse_path(f"{store.url}/{tmp_path.name}")
        assert isinstance(root, ObjectPath)
        yield root, gate
    gate.refuse()


@pytest.fixture
def away(remote: tuple[ObjectPath, Gate]) -> Iterator[Desk]:
    """A desk whose store is remote."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(Settings(store=str(remote[0]), stac_url=NOBODY, precision="float32", retry_policy=QUICK), instance)


def _products(desk: Desk, item: str = DEMO_ITEM_ID) -> dict[str, bytes]:
    folder = desk.folder(item)
    return {
        path.name: path.read_bytes()
        for path in (folder.classified, folder.confidence, folder.overview, folder.thumbnail)
    }


def _names(place: StorePath) -> set[str]:
    return {str(path).removeprefix(f"{place}/") for path, _ in walk_files(place)}


@pytest.mark.parametrize(
    ("server", "stack"),
    [("azure", "virtual"), *(pytest.param("s3", stack, marks=pytest.mark.slow) for stack in ("virtual", "cog"))],
    indirect=["server"],
    scope="module",
)
def test_a_scene_in_an_object_store_is_the_same_to_the_byte_and_leaves_nothing_else(
    desk: Desk, away: Desk, remote: tuple[ObjectPath, Gate], demo_item: Path, tmp_path: Path, stack: str
) -> None:
    """And no band is fetched whole: pixels are read by ranges."""
    desk.settings = replace(desk.settings, precision="float32", stack=stack)
    away.settings = replace(away.settings, stack=stack)
    here, there = desk.classify(demo_item, **SMALL), away.classify(demo_item, **SMALL)
    assert _products(desk) == _products(away)
    assert _names(there.folder) == _names(here.folder)
    documents = [json.loads((f.folder / f"{DEMO_ITEM_ID}_classified.json").read_text()) for f in (here, there)]
    for document in documents:
        document["assets"].pop("report")  # it tells seconds
    assert documents[0]["assets"] == documents[1]["assets"]
    assert [path for path, _ in walk_files(tmp_path / "scratch") if path.suffix != ".lock"] == []
    reads = [
        (path, asked)
        for method, path, asked, _ in remote[1].requests
        if method == "GET" and "/raw_bands/" in path and path.endswith(".tif")
    ]
    assert reads and all(asked.startswith("bytes=") for _, asked in reads)


def test_gdal_sees_what_has_been_put_since_it_looked_last(
    remote: tuple[ObjectPath, Gate], classified_demo: object
) -> None:
    place = remote[0] / "raster.tif"
    with pytest.raises(RasterioIOError):
        rasterio.open(gdal_path(place))
    desk, _ = classified_demo
    folder = desk.folder(DEMO_ITEM_ID)
    for source in (folder.classified, folder.overview, folder.confidence):
        place.write_bytes(source.read_bytes())
        with rasterio.open(gdal_path(place)) as found, rasterio.open(source) as expected:
            assert found.shape == expected.shape and (found.read() == expected.read()).all()


@pytest.mark.slow
def test_a_store_that_refuses_writes_for_a_while_is_waited_for(
    away: Desk, remote: tuple[ObjectPath, Gate], demo_item: Path, desk: Desk
) -> None:
    away.add(demo_item)
    remote[1].refuse("PUT", 503)
    threading.Timer(4, remote[1].refuse).start()
    outcome = away.run(DEMO_ITEM_ID, **SMALL)
    desk.settings = replace(desk.settings, precision="float32")
    desk.classify(demo_item, **SMALL)
    assert outcome.error is None
    assert [status for *_, status in remote[1].requests if status == 503]
    assert _products(away) == _products(desk)


@only_s3
def test_a_store_that_forbids_writing_is_one_error_and_nothing_half_written(
    away: Desk, remote: tuple[ObjectPath, Gate], demo_item: Path
) -> None:
    away.add(demo_item)
    remote[1].refuse("PUT", 403)
    outcome: RunResult = away.run(DEMO_ITEM_ID, **SMALL)
    assert outcome.error and "Traceback" not in outcome.error and "sig=" not in outcome.error
    assert DEMO_ITEM_ID in outcome.error and "->" in outcome.error
    remote[1].refuse()
    assert not away.folder(DEMO_ITEM_ID).folder.is_dir()
    assert away.materialize("raw_bands").success


@pytest.mark.slow
def test_a_band_that_has_been_changed_in_the_store_is_refused(away: Desk, demo_item: Path) -> None:
    folder = away.classify(demo_item, **SMALL)
    band = folder.raw_bands / "B08.tif"
    content = bytearray(band.read_bytes())
    content[-1] ^= 1
    time.sleep(1.1)  # object stores tell the time in whole seconds
    band.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="changed in place"):
        from lc_assets.sentinel2.bands.raw_bands import RawBands

        RawBands.open(folder.raw_bands, DEMO_ITEM_ID)


@pytest.mark.slow
@only_s3
def test_bands_that_the_server_calls_newest_are_not_put_again(
    away: Desk, remote: tuple[ObjectPath, Gate], pc: PlanetaryComputer, tmp_path: Path
) -> None:
    made = pc_scene(60, tmp_path)
    pc.publish(made.item, made.files)
    from lc_assets.operations.runs import register
    from lc_assets.sentinel2.item.scene import parse_scene
    from lc_assets.sentinel2.search.catalog import StacCatalogClient
    from lc_assets.sentinel2.search.registry import RegisteredItems

    scene = parse_scene(made.item)
    RegisteredItems(away.store, StacCatalogClient(away.settings.stac_url)).register(scene)
    register(away.instance, [scene.id])
    first = away.run(scene.id)
    assert first.error is None
    before = _products(away, scene.id)
    remote[1].clear()
    assert away.run(scene.id).error is None
    assert _products(away, scene.id) == before
    put = [path for method, path, *_ in remote[1].requests if method == "PUT" and "/raw_bands/" in path]
    assert put and not [path for path in put if path.endswith(".tif")]


def _count(place: StorePath) -> None:
    while True:
        seen = etag(place)
        value = int(place.read_bytes()) if seen else 0
        if compare_and_swap(place, str(value + 1).encode(), seen):
            return


@pytest.mark.parametrize("where", ["disk", "store"])
def test_of_writers_that_replace_what_they_have_read_none_is_lost(
    remote: tuple[ObjectPath, Gate], tmp_path: Path, where: str
) -> None:
    place = tmp_path / "count" if where == "disk" else remote[0] / "count"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_count, [place] * 24))
    assert place.read_bytes() == b"24"
    assert not compare_and_swap(place, b"0", None) and not compare_and_swap(place, b"0", "other")


def test_a_tree_is_listed_and_removed(remote: tuple[ObjectPath, Gate]) -> None:
    root = remote[0] / "tree"
    for name in ("a.txt", "b/c.txt", "b/d/e.txt", ".hidden"):
        (root / name).write_bytes(name.encode())
    (remote[0] / "tree2").write_bytes(b"a neighbour")
    assert {path.name for path in root.iterdir()} == {"a.txt", "b", ".hidden"}
    assert set(list_files(root)) == {"a.txt", ".hidden"}
    assert sum(size for _, size in walk_files(root)) == sum(map(len, ("a.txt", "b/c.txt", "b/d/e.txt", ".hidden")))
    with (root / "b" / "c.txt").open() as file:
        file.seek(2)
        assert file.read() == b"c.txt"
    remove_tree(root)
    assert not root.is_dir() and (remote[0] / "tree2").exists()
    with pytest.raises(FileNotFoundError):
        (root / "a.txt").read_bytes()


def _hold(url: str, held: str) -> None:
    place = parse_path(url)
    assert isinstance(place, ObjectPath)
    with lease(place, wait=5, seconds=3):
        Path(held).touch()
        time.sleep(60)


@pytest.mark.slow
@only_s3
def test_a_lease_is_one_process_s_and_free_again_when_that_is_killed(
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
def test_a_lease_that_cannot_be_renewed_is_told(remote: tuple[ObjectPath, Gate]) -> None:
    place = remote[0] / ".lease"
    with pytest.raises(StoreError, match="lost"), lease(place, wait=5, seconds=1):
        place.write_bytes(b"taken by another")
        time.sleep(1)
    assert place.read_bytes() == b"taken by another"


def test_who_was_stopped_for_longer_than_its_lease_puts_nothing_more(remote: tuple[ObjectPath, Gate]) -> None:
    """The process is stopped between two files; meanwhile another one has taken the lease and put its own."""
    place, folder = remote[0] / ".lease", remote[0] / "bands"

    def slow_put() -> None:
        with (
            lease(place, wait=5, seconds=1) as held,
            atomic_output(folder, item="x", asset="raw_bands", last="z", check=held.ensure_held) as stage,
        ):
            for name in ("a", "z"):
                (stage / name).write_bytes(b"of the first")
            held.release()  # as if its thread had been stopped with it
            held._lost.clear()
            time.sleep(1.2)
            with lease(place, wait=5, seconds=30):
                for name in ("a", "z"):
                    (folder / name).write_bytes(b"of the second")

    with pytest.raises(StoreError, match="lost"):
        slow_put()
    assert {(folder / name).read_bytes() for name in ("a", "z")} == {b"of the second"}


@pytest.mark.parametrize(
    ("scheme", "name", "value"),
    [
        ("s3", "AWS_ACCESS_KEY_ID", "rig\nX"),
        ("s3", "AWS_ENDPOINT_URL", "127.0.0.1:9"),
        ("s3", "AWS_ENDPOINT_URL", "http://[::1"),
        ("az", "AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=secret"),
    ],
)
def test_variables_that_cannot_be_right_are_told_and_not_shown(
    scheme: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.setenv(name, value)
    place = parse_path(f"{scheme}://somewhere/maps")
    with pytest.raises(StoreError, match=name) as told:
        gdal_path(place)
    assert value not in str(told.value) and "secret" not in str(told.value)


@pytest.mark.slow
def test_an_outage_is_not_taken_for_missing_bands(away: Desk, remote: tuple[ObjectPath, Gate], demo_item: Path) -> None:
    from lc_assets.sentinel2.bands.raw_bands import RawBands

    folder = away.classify(demo_item, **SMALL)
    remote[1].refuse("GET", 403)
    with pytest.raises(StoreError, match="cannot be read"):
        RawBands.open(folder.raw_bands, DEMO_ITEM_ID)
    with pytest.raises(StoreError, match="not in the store"):
        RawBands.open(remote[0] / "nothing", DEMO_ITEM_ID) if remote[1].refuse() is None else None


@pytest.mark.slow
@only_s3
def test_the_command_line_takes_a_url_as_the_store(
    remote: tuple[ObjectPath, Gate], demo_item: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "home")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lc_assets.cli.main", *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )

    done = run("classify", str(demo_item), "--store", str(remote[0]))
    assert done.returncode == 0, done.stderr
    assert f"{remote[0]}/scenes/{DEMO_ITEM_ID}/{DEMO_ITEM_ID}_classified.tif" in done.stdout
    assert (remote[0] / "scenes" / DEMO_ITEM_ID / "catalog.json").exists()
    for wrong in (
        "ftp://somewhere/else",
        "s3://",
        "s3://user:pw@bucket/x",
        "az://container/a/../b",
        "s3:/b/x",
        "s3://A b/x",
    ):
        refused = run("classify", str(demo_item), "--store", wrong)
        assert refused.returncode == 1 and "Traceback" not in refused.stderr
        assert refused.stderr.startswith("error: ") and "->" in refused.stderr and "pw" not in refused.stderr


@pytest.mark.slow
@only_s3
def test_two_fetches_of_one_scene_at_once_leave_one_whole_scene(
    away: Desk, pc: PlanetaryComputer, remote: tuple[ObjectPath, Gate], tmp_path: Path
) -> None:
    from lc_assets.defs.io_managers import RawBandsIOManager
    from lc_assets.defs.resources import StoreResource
    from lc_assets.sentinel2.item.scene import parse_scene

    made = pc_scene(61, tmp_path)
    pc.publish(made.item, made.files)
    scene = parse_scene(made.item)
    manager = RawBandsIOManager(store=StoreResource(root=str(remote[0])))
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


def test_credentials_go_by_gdal_s_names_too() -> None:
    assert gdal_settings("s3", {"AWS_ENDPOINT_URL": "https://minio.example:9000", "AWS_DEFAULT_REGION": "eu"}) == {
        "AWS_S3_ENDPOINT": "minio.example:9000",
        "AWS_HTTPS": "YES",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_REGION": "eu",
    }
    assert gdal_settings("s3", {}) == {}
    key = {"AZURE_STORAGE_ACCOUNT_NAME": "maps", "AZURE_STORAGE_KEY": "k"}
    assert gdal_settings("az", key) == {"AZURE_STORAGE_ACCOUNT": "maps", "AZURE_STORAGE_ACCESS_KEY": "k"}
    assert gdal_settings("gs", {}) == {}


def test_work_for_a_disk_is_done_beside_it_and_for_an_object_store_in_the_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ASSETS_SCRATCH", str(tmp_path))
    assert scratch_dir(tmp_path / "store" / "x") == tmp_path / "store" / "x"
    assert scratch_dir(parse_path("gs://bucket/maps") / "x") == tmp_path / "gs" / "bucket" / "maps" / "x"


@only_s3
def test_agreement_with_a_reference_is_written_there_as_on_a_disk(
    away: Desk, classified_demo: tuple[Desk, RunResult]
) -> None:
    here, _ = classified_demo
    for folder in ("items", f"scenes/{DEMO_ITEM_ID}"):
        for path in (here.store.root / folder).iterdir():
            if path.is_file():
                (away.store.root / folder / path.name).write_bytes(path.read_bytes())
    away.instance.add_dynamic_partitions("scenes", [DEMO_ITEM_ID])
    outcome, _ = agreed(away, references=["truth"])
    assert outcome.error is None, outcome.error
    found = list_files(agreement_folder(away.folder(DEMO_ITEM_ID), "truth"))
    assert set(found) == {"agreement.json", "confusion.png", "disagreement.png", "disagreement.tif", "sample.csv"}
    document = read_document(away.folder(DEMO_ITEM_ID), "truth")
    assert document["full_count"]["overall"] * 100 == pytest.approx(
        outcome.metadata["reference_agreement"]["truth_agreement_percent"], abs=0.006
    )
