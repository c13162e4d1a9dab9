"""Reading a reference map by range requests: signed, in parts, and with faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rasterio.windows import Window

from lc_assets.core.errors import BadBand
from lc_assets.products.agreement.reference_tiles import open_tiles
from lc_assets.products.agreement.references import Tile
from lc_assets.remote import range_reader, signing
from lc_assets.remote.range_reader import RemoteFile
from lc_assets_tests.products.agreement.reference_maps import ANY_BLOB, QUICK, World, cog
from lc_assets_tests.rig.references import KNOWN, agreed, blocks
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer


def test_only_parts_of_a_raster_are_read_and_every_request_is_signed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_reader, "PIECE", 1 << 13)
    outcome, _ = agreed(world.desk, references=["esa-worldcover"])
    assert outcome.error is None, outcome.error
    asked = world.requests()
    assert len(asked) > 4
    assert all(exchange.signed and exchange.range and exchange.status == 206 for exchange in asked)
    for name in ("N51E003", "N51E006"):
        href = f"/esa-worldcover/ESA_WorldCover_10m_2021_v200_{name}.tif"
        came = [exchange for exchange in asked if exchange.path == href]
        assert len({exchange.range for exchange in came}) == len(came), "a piece was asked for twice"
    assert not any("2020" in exchange.path for exchange in asked)


def test_a_large_raster_is_never_downloaded_completely(pc: PlanetaryComputer, tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(1, 200, (6000, 6000)).astype(np.uint8)
    path = cog(tmp_path, codes, "EPSG:32632", (3e5, 6e6), 10)
    href = pc.blobs.put("references/large.tif", path.read_bytes())
    with open_tiles([Tile(href)], QUICK) as tiles:
        part = tiles[0].read(Window(3000, 3000, 300, 200))
        received = tiles[0].file.received if tiles[0].file else 0
    assert (part == codes[3000:3200, 3000:3300]).all()
    assert 0 < received < path.stat().st_size / 8


def test_no_token_is_stored_logged_or_shown(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    assert agreed(world.desk)[0].error is None
    world.pc.relay.inject(Fault(r"32U-2023", "status", times=-1, status=404))
    outcome, _ = agreed(world.desk)
    assert "io-lulc-annual-v02/32U-2023.tif is not to be had: the server answered 404" in str(outcome.error)
    assert "?" not in str(outcome.error)
    assert world.pc.tokens_issued
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        for secret in (b"sig=", b"sig%3D", *(token.encode() for token in world.pc.tokens_issued)):
            assert secret not in content, path
    assert "sig=" not in "\n".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("fault", "message", "transient"),
    [
        (Fault(ANY_BLOB, "status", times=-1, status=503), "the server answered 503", True),
        (Fault(ANY_BLOB, "status", times=-1, status=403), "the server answered 403", True),
        (Fault(ANY_BLOB, "refuse", times=-1), "no connection", True),
        (Fault(ANY_BLOB, "stall", times=-1), "the server sent nothing for too long", True),
        (Fault(ANY_BLOB, "truncate", times=-1, after=100), "cannot be read", True),
        (Fault(r"/api/sas/v1/token/", "status", times=-1, status=503), "the token service answered 503", True),
        (Fault(r"/api/sas/v1/token/", "status", times=-1, status=401), "PC_SDK_SUBSCRIPTION_KEY", False),
        (Fault(ANY_BLOB, "status", times=-1, status=404), "the server answered 404", False),
        (
            Fault(ANY_BLOB, "status", times=-1, status=302, headers={"Location": "http://169.254.169.254/latest/"}),
            "which is refused: 169.254.169.254",
            False,
        ),
        (Fault(ANY_BLOB, "html", times=-1), "whole files only", False),
    ],
    ids=lambda value: value.kind + str(value.status or "") if isinstance(value, Fault) else "",
)
def test_a_permanent_fault_is_one_clear_error(
    fault: Fault, message: str, transient: bool, pc: PlanetaryComputer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "SECONDS", 0.8)
    path = cog(tmp_path, blocks((300, 300), 5, KNOWN), "EPSG:32632", (3e5, 6e6), 10)
    href = pc.blobs.put("references/faulty.tif", path.read_bytes())
    pc.relay.inject(fault)
    with pytest.raises(BadBand) as caught, open_tiles([Tile(href)], QUICK) as tiles:
        tiles[0].read(Window(0, 0, 300, 300))
    assert message in str(caught.value)
    assert caught.value.transient == transient
    assert href in str(caught.value)
    assert "sig=" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(ANY_BLOB, "status", times=2, status=503),
        Fault(ANY_BLOB, "status", times=1, status=403),
        Fault(ANY_BLOB, "reset", times=1, after=500),
        Fault(ANY_BLOB, "stall", times=1, after=500),
        Fault(r"/api/sas/v1/token/", "status", times=1, status=503),
    ],
    ids=lambda fault: fault.kind + str(fault.status or ""),
)
def test_a_temporary_fault_is_retried_also_during_a_read(
    fault: Fault, pc: PlanetaryComputer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "SECONDS", 0.8)
    monkeypatch.setattr(range_reader, "PIECE", 1 << 12)
    codes = np.random.default_rng(1).integers(1, 200, (300, 300)).astype(np.uint8)
    path = cog(tmp_path, codes, "EPSG:32632", (3e5, 6e6), 10)
    href = pc.blobs.put("references/passing.tif", path.read_bytes())
    if "token" in fault.where:
        pc.relay.inject(fault)
    with open_tiles([Tile(href)], QUICK) as tiles:
        if "token" not in fault.where:
            pc.relay.inject(fault)
        assert (tiles[0].read(Window(0, 0, 300, 300)) == codes).all()
    assert fault.hits == fault.times, "the fault was not met"


def test_a_raster_that_changes_while_it_is_read_is_an_error(pc: PlanetaryComputer, tmp_path: Path) -> None:
    first, other = (bytes([n]) * 5000 for n in (1, 2))
    href = pc.blobs.put("references/changing.tif", first)
    file = RemoteFile(href, QUICK)
    assert file.read(0, 10) == first[:10]
    pc.blobs.put(href, other)
    file._pieces.clear()
    assert file.read(4000, 10) == b""
    with pytest.raises(BadBand, match="has changed at its source while it was read"):
        file.check()


def test_reads_at_any_offset_return_the_bytes_of_the_file(
    pc: PlanetaryComputer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_reader, "PIECE", 1000)
    monkeypatch.setattr(range_reader, "KEPT", 3)
    content = np.random.default_rng(3).bytes(7777)
    file = RemoteFile(pc.blobs.put("references/bytes.tif", content), QUICK)
    view = file.opened("x.tif")
    for begin, size in ((0, 10), (995, 10), (0, 9000), (7770, 100), (7777, 1), (9000, 5), (3500, 2500)):
        view.seek(begin)
        assert view.read(size) == content[begin : begin + size]
    assert view.seek(-7, 2) == 7770
    assert view.read(100) == content[-7:]
    assert file.size == 7777
    with pytest.raises(FileNotFoundError):
        file.opened("x.wld")
