"""A cluster whose store is an object store: the workers share no disk, and the store fails for half a minute."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lc_assets.operations.keys import ASSET_NAMES
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath, parse_path, walk_files
from lc_assets_tests.rig.cluster.field import HELD
from lc_assets_tests.rig.object_stores import reached
from loopback.cluster.scenes import write_twins
from loopback.cluster.service import Cluster, until
from loopback.gate import Gate
from loopback.object_stores import S3
from loopback.programs import Missing

pytestmark = [pytest.mark.slow, pytest.mark.restarts_programs]

REFUSED_SECONDS = 30.0


@pytest.fixture(scope="module")
def remote() -> Iterator[tuple[S3, Gate]]:
    try:
        server = S3()
    except Missing as missing:
        pytest.skip(str(missing))
    gate = Gate(server.port)
    yield server, gate
    gate.stop()
    server.stop()


@pytest.fixture(scope="module")
def cluster(remote: tuple[S3, Gate]) -> Iterator[tuple[Cluster, dict[str, Path]]]:
    server, gate = remote
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        folder = Path(name)
        (folder / "hold").mkdir()
        items = write_twins(folder / "items", 6)
        environment = {**server.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{gate.port}"}
        environment |= {"LC_ASSETS_HOLD": str(folder / "hold"), "LC_ASSETS_SCRATCH": str(folder / "scratch")}
        environment |= {"LC_ASSETS_PRECISION": "float32"}
        try:
            whole = Cluster(folder, location=HELD, store=server.url, environment=environment)
        except Missing as missing:
            pytest.skip(str(missing))
        with whole:
            yield whole, items


@pytest.fixture(scope="module")
def expected(cluster: tuple[Cluster, dict[str, Path]]) -> dict[str, bytes]:
    """Pixels of the rasters of a run without faults, on a disk, by the ends of their names."""
    whole, items = cluster
    item, path = next(iter(items.items()))
    alone = {"DAGSTER_HOME": str(whole.folder / "alone"), "LC_ASSETS_STORE": str(whole.folder / "faultless")}
    command = [sys.executable, "-m", "lc_assets.cli.main", "classify", str(path)]
    subprocess.run(command, cwd=whole.folder, env={**whole.environment, **alone}, check=True, capture_output=True)
    return _rasters(whole.folder / "faultless" / "scenes" / item, item)


def _rasters(folder: StorePath, item: str) -> dict[str, bytes]:
    names = (f"{item}_classified.tif", f"{item}_confidence.tif", f"overview_{item}_classified.tif")
    return {name.replace(item, ""): _pixels(folder / name) for name in names}


def _pixels(path: StorePath) -> bytes:
    import rasterio

    with rasterio.MemoryFile(path.read_bytes()) as file, file.open() as dataset:
        return dataset.read().tobytes()


def _ended(instance: dg.DagsterInstance, items: list[str]) -> bool:
    runs = [instance.get_runs(dg.RunsFilter(tags={"dagster/partition": item}), limit=1) for item in items]
    return all(run and run[0].status is dg.DagsterRunStatus.SUCCESS for run in runs)


def _check(
    whole: Cluster, instance: dg.DagsterInstance, items: list[str], server: S3, expected: dict[str, bytes]
) -> None:
    """Check that every scene is stored once, completely and correctly, without other files."""
    root = parse_path(server.url)
    assert isinstance(root, ObjectPath)
    for item in items:
        folder = root / "scenes" / item
        assert _rasters(folder, item) == expected
        hidden = [str(path) for path, _ in walk_files(folder) if path.name.startswith(".") or "part" in path.suffix]
        assert hidden == []
        for name in ASSET_NAMES:
            records = dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[item])
            assert len(instance.fetch_materializations(records, limit=9).records) == 1
    assert server.uploads() == 0
    left = [path for path in (whole.folder / "scratch").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


@pytest.fixture
def seen_from_here(remote: tuple[S3, Gate], tmp_path: Path) -> Iterator[None]:
    with reached(remote[0].environment, tmp_path / "scratch"):
        yield


def test_runs_wait_while_the_store_refuses_writes(
    cluster: tuple[Cluster, dict[str, Path]], remote: tuple[S3, Gate], expected: dict[str, bytes], seen_from_here: None
) -> None:
    (whole, items), (server, gate) = cluster, remote
    chosen = list(items)[1:4]
    with whole.instance() as instance:
        whole.command("register", *(items[item] for item in chosen))
        gate.refuse("PUT", 503)
        threading.Timer(REFUSED_SECONDS, gate.refuse).start()
        began = time.monotonic()
        whole.command("backfill", *chosen)
        programs = [whole.daemon, *whole.workers]
        until(lambda: _ended(instance, chosen), "all scenes are done", programs)
        assert time.monotonic() - began > REFUSED_SECONDS
        assert [status for *_, status in gate.requests if status == 503]
        _check(whole, instance, chosen, server, expected)


def test_a_worker_killed_between_two_uploads_leaves_no_partial_scene(
    cluster: tuple[Cluster, dict[str, Path]], remote: tuple[S3, Gate], expected: dict[str, bytes], seen_from_here: None
) -> None:
    """The store accepts the first bands and then refuses all writes. The worker that waits for it is killed."""
    (whole, items), (server, gate) = cluster, remote
    item = list(items)[4]
    with whole.instance() as instance:
        whole.command("register", items[item])
        gate.clear()
        whole.command("backfill", item)
        until(lambda: [p for m, p, *_ in gate.requests if m == "PUT" and "/raw_bands/" in p], "a band is put")
        gate.refuse("PUT", 503)
        until(lambda: [s for *_, s in gate.requests if s == 503], "a band is refused", whole.workers)
        run = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": item}))[0]
        name = run.tags["lc_assets/worker"].split("@")[0]
        worker = next(worker for worker in whole.workers if worker.name == name)
        worker.kill()
        gate.refuse()
        until(lambda: _ended(instance, [item]), "the scene is done", [whole.daemon, *whole.workers])
        worker.start()
        _check(whole, instance, [item], server, expected)
