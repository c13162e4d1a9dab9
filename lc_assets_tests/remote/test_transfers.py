"""raw_bands on the worst day: real clients, a real blob store that checks real tokens, and faults between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
import rasterio

from lc_assets.core.errors import BadBand, LandCoverError
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.operations.runs import register as add
from lc_assets.remote import signing
from lc_assets.remote.threads import run_parallel
from lc_assets.sentinel2.bands.raw_bands import RawBands, fetch_scene
from lc_assets.sentinel2.bands.verify import verify_download
from lc_assets.sentinel2.item.scene import Scene, parse_scene
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import MANIFEST_FILE
from lc_assets_tests.conftest import Desk, OnDisk
from lc_assets_tests.rig.cases import B04, Case, recovered, told
from lc_assets_tests.rig.command import NOBODY
from lc_assets_tests.rig.marks import further
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import PcScene, pc_scene
from loopback.wire import Answer, Backend, Request

QUICK = RetryPolicy(connect=2.0, read=0.8, backoff=0.05)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> PcScene:
    return pc_scene(7, tmp_path_factory.mktemp("pc"))


@pytest.fixture
def stored(pc: PlanetaryComputer, scene: PcScene, monkeypatch: pytest.MonkeyPatch) -> PcScene:
    """The scene, its files in the blob store; the catalogue is not needed here."""
    for key, path in scene.files.items():
        pc.blobs.put(scene.item["assets"][key]["href"], path.read_bytes())
    monkeypatch.setattr(signing, "SECONDS", 0.8)
    return scene


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(Settings(store=tmp_path / "store", stac_url=NOBODY, retry_policy=QUICK), instance)


def fetched(desk: Desk, scene: Scene, retry_policy: RetryPolicy = QUICK) -> RawBands:
    """What raw_bands does, without the rest of the run."""
    folder = desk.folder(scene.id)
    with atomic_output(folder.raw_bands, item=scene.id, asset="raw_bands", last=MANIFEST_FILE) as stage:
        fetch_scene(scene, stage, folder.incoming, retry_policy=retry_policy)
    return RawBands.open(folder.raw_bands, scene.id)


def same_bytes(raw: RawBands, scene: PcScene) -> bool:
    return all(raw.paths[key].read_bytes() == path.read_bytes() for key, path in scene.files.items())


def received(pc: PlanetaryComputer) -> int:
    return sum(e.body_bytes_sent for e in pc.relay.exchanges if e.host == pc.blobs.host and e.status in (200, 206))


@pytest.mark.parametrize("case", recovered(), ids=lambda case: case.name)
def test_a_fault_that_passes_is_survived_and_each_byte_fetched_once(
    case: Case, pc: PlanetaryComputer, stored: PcScene, quick: Desk
) -> None:
    pc.real_token_seconds = case.real_token_seconds
    for fault in case.faults:
        pc.relay.inject(fault)
    raw = fetched(quick, parse_scene(stored.item))
    assert all(fault.hits for fault in case.faults), "the fault was not met"
    assert same_bytes(raw, stored)
    size = sum(path.stat().st_size for path in stored.files.values())
    b04 = stored.files["B04"].stat().st_size
    assert received(pc) <= size + (b04 if case.refetched else 1000)
    assert not quick.folder(stored.id).incoming.exists()
    assert case.real_token_seconds is None or len(pc.tokens_issued) > 1, "no token has died"


WAITING = ("blob: stalls for ever", "token: no answer for ever")


@pytest.mark.parametrize(
    "case",
    [*(case for case in told() if case.name not in WAITING), *further(*(c for c in told() if c.name in WAITING))],
    ids=lambda case: case.name,
)
def test_a_fault_that_lasts_ends_in_one_clear_error_and_nothing_half_written(
    case: Case, pc: PlanetaryComputer, stored: PcScene, quick: Desk
) -> None:
    for fault in case.faults:
        pc.relay.inject(fault)
    with pytest.raises(BadBand, match="->") as caught:
        fetched(quick, parse_scene(stored.item))
    error = caught.value
    assert case.told in str(error)
    assert error.transient == case.transient
    assert error.item == stored.id
    assert error.asset
    assert f"{stored.item['assets'][error.asset]['href']} " in f"{error} ".replace(",", " ")
    assert "?" not in str(error)
    assert not quick.folder(stored.id).raw_bands.exists()


def test_a_later_run_goes_on_where_the_failed_one_stopped(pc: PlanetaryComputer, stored: PcScene, quick: Desk) -> None:
    pc.relay.inject(Fault(B04, "truncate", times=-1, after=10_000))
    with pytest.raises(BadBand):
        fetched(quick, parse_scene(stored.item), RetryPolicy(read=0.8, backoff=0.3, tries=2))
    pc.relay.clear()
    before = received(pc)
    assert same_bytes(fetched(quick, parse_scene(stored.item)), stored)
    size = sum(path.stat().st_size for path in stored.files.values())
    assert before > 20_000
    assert received(pc) <= size + 1000


def test_what_is_complete_is_not_fetched_again_when_it_is_materialised_again(
    pc: PlanetaryComputer, stored: PcScene, quick: Desk
) -> None:
    item = register(quick, stored)
    assets = ("raw_bands", "resampled_stack", "class_raster")
    assert quick.materialize(*assets, item=item).success
    first = quick.folder(item).classified.read_bytes()
    pc.relay.forget()
    again = quick.materialize(*assets, item=item)
    assert again.success
    assert received(pc) == 0
    [made] = again.asset_materializations_for_node("raw_bands")
    assert made.metadata["received_MB"].value == 0
    assert quick.folder(item).classified.read_bytes() == first


def test_a_file_that_has_rotted_in_the_store_is_fetched_again(
    pc: PlanetaryComputer, stored: PcScene, quick: Desk
) -> None:
    item = register(quick, stored)
    assert quick.materialize("raw_bands", item=item).success
    rotten = quick.folder(item).raw_bands / "B05.tif"
    content = bytearray(rotten.read_bytes())
    content[len(content) // 2] ^= 1
    modified = rotten.stat().st_mtime_ns
    rotten.write_bytes(content)
    os.utime(rotten, ns=(modified, modified))  # as a disk's fault would
    assert quick.materialize("raw_bands", item=item).success
    assert rotten.read_bytes() == stored.files["B05"].read_bytes()


def test_a_file_that_changes_at_its_source_in_mid_transfer_is_never_mixed(
    pc: PlanetaryComputer, stored: PcScene, quick: Desk, tmp_path: Path
) -> None:
    other = pc_scene(stored.id, tmp_path, stored.item, seed=9).files["B04"].read_bytes()
    href = stored.item["assets"]["B04"]["href"]
    pc.relay.inject(Fault(B04, "stall", after=20_000))
    changing = threading.Timer(0.4, lambda: pc.blobs.put(href, other))
    changing.start()
    raw = fetched(quick, parse_scene(stored.item))
    changing.join()
    assert raw.paths["B04"].read_bytes() == other


def test_a_checksum_that_the_server_gives_is_held_to(pc: PlanetaryComputer, stored: PcScene, quick: Desk) -> None:
    """Even where a flipped bit would decode: the last byte of a TIFF may be anything."""
    path = stored.files["B04"]
    pc.blobs.put(stored.item["assets"]["B04"]["href"], path.read_bytes(), md5=True)
    fault = pc.relay.inject(Fault(B04, "flip", after=path.stat().st_size - 1))
    raw = fetched(quick, parse_scene(stored.item))
    assert fault.hits == 1
    assert same_bytes(raw, stored)


def test_an_item_that_promises_another_raster_is_refused(pc: PlanetaryComputer, stored: PcScene, quick: Desk) -> None:
    item = json.loads(json.dumps(stored.item))
    item["assets"]["B8A"]["proj:transform"][2] += 20
    with pytest.raises(BadBand, match=r"its transform is .* the item promises"):
        fetched(quick, parse_scene(item))


def test_a_rest_of_another_version_is_never_appended(
    pc: PlanetaryComputer, stored: PcScene, quick: Desk, tmp_path: Path
) -> None:
    """A cache that knows nothing of If-Match answers the rest of a newer file of the same length."""
    content = stored.files["B04"].read_bytes()
    other = content[:-1] + bytes([content[-1] ^ 1])

    def cache(request: Request) -> Answer | Backend:
        if "_B04_10m" not in request.path:
            return pc._blob(request)
        begin = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        if begin:
            extent = f"bytes {begin}-{len(other) - 1}/{len(other)}"
            return Answer(206, {"ETag": '"new"', "Content-Range": extent}, other[begin:])
        first = sum("_B04_10m" in exchange.path for exchange in pc.relay.exchanges) == 1
        return Answer(200, {"ETag": '"old"' if first else '"new"'}, content if first else other)

    pc.relay.add_host(pc.blobs.host, cache)
    pc.relay.inject(Fault(B04, "truncate", after=20_000))
    assert fetched(quick, parse_scene(stored.item)).paths["B04"].read_bytes() == other


def test_a_file_of_another_size_than_the_item_promises_is_refused(
    pc: PlanetaryComputer, stored: PcScene, quick: Desk
) -> None:
    item = json.loads(json.dumps(stored.item))
    item["assets"]["B04"]["file:size"] = stored.files["B04"].stat().st_size - 5
    with pytest.raises(BadBand, match="the item promises"):
        fetched(quick, parse_scene(item))


@pytest.mark.parametrize("head", [b"<GDAL_WMS>", b"<VRTDataset", b"<"])
def test_no_driver_but_those_of_bands_ever_sees_what_arrived(
    pc: PlanetaryComputer, stored: PcScene, quick: Desk, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    """However few of its bytes come at first."""
    opened: list[object] = []
    original = rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda *a, **k: opened.append(k.get("driver")) or original(*a, **k))
    pc.blobs.put(stored.item["assets"]["B04"]["href"], head + b" " * 100)
    pc.relay.inject(Fault(B04, "truncate", after=len(head) // 2))
    with pytest.raises(BadBand, match="is no raster"):
        fetched(quick, parse_scene(stored.item))
    assert None not in opened


def test_two_who_want_one_scene_fetch_it_once(pc: PlanetaryComputer, stored: PcScene, quick: Desk) -> None:
    scene = parse_scene(stored.item)
    pc.relay.inject(Fault(B04, "stall", after=20_000))  # so that the second comes while the first fetches
    manager = build_definitions(quick.settings).resources["raw_bands_io"]
    works = [lambda: manager.write(quick.folder(scene.id), scene).metadata] * 2
    reports = run_parallel(works, threading.Event())
    assert sorted(report["received_MB"] > 0 for report in reports) == [False, True]
    size = sum(path.stat().st_size for path in stored.files.values())
    assert received(pc) <= size + 1000


def test_one_run_asks_for_one_token(pc: PlanetaryComputer, stored: PcScene, quick: Desk) -> None:
    fetched(quick, parse_scene(stored.item))
    assert len(pc.tokens_issued) == 1


def test_all_assets_are_fetched_at_once(pc: PlanetaryComputer, stored: PcScene, quick: Desk) -> None:
    """Every answer waits until it is given up on: one after the other that would take thirteen time-outs."""
    pc.relay.inject(Fault(r"blob\.core\.windows\.net/", "stall", times=13, after=5_000))
    fetched(quick, parse_scene(stored.item))
    times = sorted(e.time for e in pc.relay.exchanges if e.host == pc.blobs.host)
    assert times[12] - times[0] < QUICK.read


def test_a_redirect_into_the_machine_is_refused(pc: PlanetaryComputer, stored: PcScene, quick: Desk) -> None:
    there = {"Location": "http://169.254.169.254/latest/meta-data/"}
    pc.relay.inject(Fault(B04, "status", status=302, headers=there))
    with pytest.raises(LandCoverError, match=r"which is refused: 169\.254\.169\.254 is where clouds keep"):
        fetched(quick, parse_scene(stored.item))


@pytest.mark.slow
def test_nothing_signed_is_kept_logged_or_shown(
    pc: PlanetaryComputer, stored: PcScene, on_disk: OnDisk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole chain with a fault in it, on an instance with databases on the disk; then every byte is searched."""
    caplog.set_level("DEBUG")
    pc.relay.inject(Fault(B04, "truncate", after=20_000))
    with on_disk(tmp_path / "home") as instance:
        desk = Desk(Settings(store=tmp_path / "store", stac_url=NOBODY, retry_policy=QUICK), instance)
        item = register(desk, stored)
        assert desk.run(item).error is None
        pc.relay.inject(Fault(B04, "status", times=-1, status=400))
        pc.blobs.put(stored.item["assets"]["B03"]["href"], stored.files["B03"].read_bytes())
        assert "400" in str(desk.run(item).error)
    assert any(exchange.signed for exchange in pc.relay.exchanges)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        for secret in (b"sig=", b"sig%3D", *(token.encode() for token in pc.tokens_issued)):
            assert secret not in content, path
    shown = "\n".join(record.getMessage() for record in caplog.records)
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    assert "sig=" not in shown


def test_a_flipped_bit_in_any_block_is_noticed(scene: PcScene, tmp_path: Path) -> None:
    """GDAL alone reads nearly all of these without a word, and gives other pixels."""
    content = scene.files["B04"].read_bytes()
    with rasterio.open(scene.files["B04"]) as dataset:
        begin, size = (int(dataset.get_tag_item(f"BLOCK_{what}_0_0", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
        pixels = dataset.read(1)
    damaged, silent = tmp_path / "B04.tif", 0
    for at in range(begin, begin + size, size // 60):
        damaged.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        with pytest.raises(BadBand, match="cannot be decoded"):
            verify_download("B04", damaged, None, decode=True)
        with suppress(rasterio.errors.RasterioIOError), rasterio.open(damaged) as dataset:
            silent += bool((dataset.read(1) != pixels).any())
    assert silent > 30


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_fetch_that_hangs_and_the_scenes_after_it(
    pc: PlanetaryComputer, stored: PcScene, tmp_path: Path, signum: signal.Signals
) -> None:
    pc.relay.inject(Fault(B04, "stall", times=-1))
    items = [tmp_path / "a.json", tmp_path / "b.json"]
    for number, path in enumerate(items):
        path.write_text(json.dumps({**stored.item, "id": f"{stored.id}_{number}"}))
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "home"), "LC_ASSETS_STORE": str(tmp_path / "store")}
    process = subprocess.Popen(
        [sys.executable, "-m", "lc_assets.cli.main", "classify", *map(str, items)],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not any("B04" in exchange.path for exchange in pc.relay.exchanges):
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signum)
    told, _ = process.communicate(timeout=20)  # the stalled socket would be waited for 30 s
    assert process.returncode == 130
    assert told.count("it was interrupted -> run it again") == 1
    assert "[2/2]" not in told
    assert "Traceback" not in told


def register(desk: Desk, scene: PcScene) -> str:
    parsed = parse_scene(scene.item)
    RegisteredItems(desk.store, StacCatalogClient.of(desk.settings)).register(parsed)
    add(desk.instance, [parsed.id])
    return parsed.id
