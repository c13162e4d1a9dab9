"""Where a reference comes from: found by search, signed, read by ranges, from the Planetary Computer on loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform, transform_bounds
from rasterio.windows import Window

from lc_assets.core.errors import BadBand, LandCoverError
from lc_assets.core.landcover import NO_DATA
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.settings import Settings
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets.products.agreement.reference_tiles import opened
from lc_assets.products.agreement.references import Tile, find_reference
from lc_assets.raster.grid import Grid
from lc_assets.remote import range_reader, signing
from lc_assets.remote.range_reader import RemoteFile
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets_tests.conftest import Desk, OnDisk, read
from lc_assets_tests.rig.faults import Fault
from lc_assets_tests.rig.references import KNOWN, agreed, blocks
from lc_assets_tests.rig.service import PlanetaryComputer
from lc_assets_tests.rig.stac_api import PUBLIC_HOST, PUBLIC_ROOT

QUICK = RetryPolicy(connect=2.0, read=0.8, backoff=0.05, tries=3)
CATALOG = StacCatalogClient(PUBLIC_ROOT, "sentinel-2-l2a", QUICK)
ANY_BLOB = r"blob\.core\.windows\.net/"
STEP = 1 / 12_000
LULC_CODES = (1, 2, 5, 7, 11)


@dataclass
class World:
    """The Planetary Computer with both annual maps around the demo scene, and the scene with its map.

    Attributes:
        worldcover: 2021's codes of the two tiles side by side, as one raster whose upper left corner is `corner`.
        border: its column in which the second tile begins.
        lulc: (year -> codes on the scene's own grid).
    """

    pc: PlanetaryComputer
    desk: Desk
    grid: Grid
    worldcover: np.ndarray
    corner: tuple[float, float]
    border: int
    lulc: dict[int, np.ndarray]

    @property
    def scene(self) -> Scene:
        return parse_scene(read_document(self.desk.store.registered(DEMO_ITEM_ID)))

    def document(self, reference: str) -> dict[str, Any]:
        folder = self.desk.folder(DEMO_ITEM_ID).folder / "agreement" / reference
        return json.loads((folder / "agreement.json").read_text())

    def requests(self) -> list[Any]:
        return [e for e in self.pc.relay.exchanges if e.host == self.pc.blobs.host]


def cog(folder: Path, codes: np.ndarray, crs: str, corner: tuple[float, float], step: float) -> Path:
    """As the Planetary Computer's references: deflate, blocks, overviews, nodata 0."""
    path = folder / "made.tif"
    profile = {"driver": "COG", "count": 1, "dtype": "uint8", "nodata": 0, "compress": "deflate", "blocksize": 512}
    at = Affine(step, 0, corner[0], 0, -step, corner[1])
    with rasterio.open(path, "w", crs=crs, transform=at, height=codes.shape[0], width=codes.shape[1], **profile) as d:
        d.write(codes, 1)
    return path


def published(
    pc: PlanetaryComputer,
    path: Path,
    collection: str,
    item_id: str,
    asset: str,
    begin: str,
    end: str,
    **properties: Any,
) -> dict[str, Any]:
    """Put a raster into storage and its item into the catalogue, as the Planetary Computer has them."""
    with rasterio.open(path) as dataset:
        west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": None, "start_datetime": begin, "end_datetime": end, **properties},
        "links": [],
        "assets": {
            asset: {"href": pc.blobs.url(f"{collection}/{item_id}.tif"), "type": "image/tiff"},
            "tilejson": {"href": f"https://{PUBLIC_HOST}/api/data/v1/item/tilejson.json", "type": "application/json"},
        },
    }
    return pc.publish(item, {asset: path})


def collection_of(name: str) -> dict[str, Any]:
    extent = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [["2017-01-01T00:00:00Z", None]]},
    }
    described = {"title": name, "description": name, "license": "CC-BY-4.0", "extent": extent, "links": []}
    return {"type": "Collection", "stac_version": "1.0.0", "id": name, **described}


@pytest.fixture
def world(
    pc: PlanetaryComputer,
    classified_demo: tuple[Desk, RunResult],
    on_disk: OnDisk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    monkeypatch.setattr(signing, "SECONDS", 0.8)
    pc.api.load(collection_of("esa-worldcover"))
    pc.api.load(collection_of("io-lulc-annual-v02"))
    shared, _ = classified_demo
    store = tmp_path / "store"
    shutil.copytree(shared.settings.store, store, copy_function=shutil.copyfile)
    with rasterio.open(shared.folder(DEMO_ITEM_ID).classified) as dataset:
        grid = Grid.of(dataset)
    corner, border = (6.45, 52.0), 1100
    worldcover = blocks((1200, 2400), 8, KNOWN, seed=4)
    for year, version, codes in ((2020, "1.0.0", np.full_like(worldcover, 90)), (2021, "2.0.0", worldcover)):
        for name, first, last in (("N51E003", 0, border), ("N51E006", border, 2400)):
            path = cog(tmp_path, codes[:, first:last], "EPSG:4326", (corner[0] + first * STEP, corner[1]), STEP)
            published(
                *(pc, path, "esa-worldcover", f"ESA_WorldCover_10m_{year}_v{version[0]}00_{name}", "map"),
                *(f"{year}-01-01T00:00:00Z", f"{year}-12-31T23:59:59Z"),
                **{"esa_worldcover:product_version": version, "esa_worldcover:product_tile": name},
            )
    lulc = {year: blocks(grid.shape, 7, LULC_CODES, seed=year) for year in (2017, 2022, 2023)}
    for year, codes in lulc.items():
        around = np.zeros((grid.height + 600, grid.width + 500), np.uint8)
        around[300:-300, 200:-300] = codes
        place = (grid.transform.c - 2000, grid.transform.f + 3000)
        path = cog(tmp_path, around, grid.crs, place, 10)
        times = f"{year}-01-01T00:00:00Z", f"{year + 1}-01-01T00:00:00Z"
        published(pc, path, "io-lulc-annual-v02", f"32U-{year}", "data", *times, **{"io:supercell_id": "32U"})
    pc.relay.forget()
    with on_disk(tmp_path / "home") as instance:
        instance.add_dynamic_partitions("scenes", [DEMO_ITEM_ID])
        settings = Settings(store=store, stac_url=PUBLIC_ROOT, retry_policy=QUICK)
        yield World(pc, Desk(settings, instance), grid, worldcover, corner, border, lulc)
    pc.api.clear()


def test_both_annual_maps_are_found_read_and_agree_as_counted_by_hand(world: World) -> None:
    outcome, _ = agreed(world.desk)
    assert outcome.error is None, outcome.error
    found = read(world.desk.folder(DEMO_ITEM_ID).classified)
    there = found != NO_DATA.code
    # The annual LULC of the scene's own zone lies on its very grid: figures are exact.
    ours = np.array([5, 2, 11, 7, 7, 11, -1, 7, 1, 1, -1])[found]
    scored = there & (ours >= 0)
    document = world.document("io-lulc-annual-v02")
    assert document["pixels"]["scored"] == scored.sum()
    assert document["full_count"]["overall"] == pytest.approx((ours == world.lulc[2023])[scored].mean(), abs=1e-6)
    # WorldCover's pixels are others; at the centre of a pixel lies what covers most of it, nearly always.
    columns, rows = np.meshgrid(np.arange(world.grid.width) + 0.5, np.arange(world.grid.height) + 0.5)
    x, y = (world.grid.transform.c + 10 * columns).ravel(), (world.grid.transform.f - 10 * rows).ravel()
    longitudes, latitudes = (np.array(v) for v in transform(world.grid.crs, "EPSG:4326", x, y))
    column = np.floor((longitudes - world.corner[0]) / STEP).astype(int)
    row = np.floor((world.corner[1] - latitudes) / STEP).astype(int)
    assert column.min() < world.border < column.max(), "the scene lies in one tile"
    theirs = world.worldcover[row, column].reshape(found.shape)
    groups = {10: 0, 20: 1, 30: 1, 40: 2, 50: 3, 80: 4}
    theirs = np.vectorize(groups.get)(theirs)
    ours = np.array([2, 0, 1, 3, 3, 1, -1, 3, 4, 4, -1])[found]
    scored = there & (ours >= 0)
    document = world.document("esa-worldcover")
    assert document["pixels"]["scored"] == scored.sum()
    assert document["full_count"]["overall"] == pytest.approx((ours == theirs)[scored].mean(), abs=0.01)
    shown = outcome.metadata["reference_agreement"]
    assert shown["esa_worldcover_agreement_percent"] == pytest.approx(100 * document["full_count"]["overall"], abs=0.01)
    assert 0 < shown["io_lulc_annual_v02_agreement_percent"] < 60


def test_the_nearest_year_is_taken_and_named_with_its_unsigned_rasters(world: World) -> None:
    outcome, checks = agreed(world.desk)
    assert outcome.error is None, outcome.error
    worldcover, lulc = (world.document(name)["reference"] for name in ("esa-worldcover", "io-lulc-annual-v02"))
    assert (worldcover["year"], worldcover["version"], lulc["year"], lulc["version"]) == (2021, "2.0.0", 2023, None)
    assert [raster["item"] for raster in worldcover["rasters"]] == [
        *("ESA_WorldCover_10m_2021_v200_N51E003", "ESA_WorldCover_10m_2021_v200_N51E006")
    ]
    assert lulc["rasters"] == [
        {"item": "32U-2023", "href": world.pc.blobs.url("io-lulc-annual-v02/32U-2023.tif")},
    ]
    shown = outcome.metadata["reference_agreement"]
    assert (shown["esa_worldcover_year"], shown["io_lulc_annual_v02_year"]) == (2021, 2023)
    assert not checks["agrees_enough"][0]  # they are noise


@pytest.mark.parametrize(
    ("acquired", "years"),
    [
        ("2016-05-01", (2020, 2017)),
        ("2020-12-30", (2020, 2022)),
        ("2021-01-02", (2021, 2022)),
        ("2022-12-30", (2021, 2022)),
        ("2023-01-02", (2021, 2023)),
        ("2026-08-01", (2021, 2023)),
    ],
)
def test_a_year_that_ends_with_the_next_ones_first_day_is_not_taken_for_that(
    acquired: str, years: tuple[int, int], world: World
) -> None:
    document = json.loads(json.dumps(world.scene.document))
    document["properties"]["datetime"] = f"{acquired}T10:00:00Z"
    scene = replace(world.scene, document=document)
    names = ("esa-worldcover", "io-lulc-annual-v02")
    assert tuple(find_reference(name, scene, CATALOG).year for name in names) == years


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


def test_a_large_raster_is_never_fetched_whole(pc: PlanetaryComputer, tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(1, 200, (6000, 6000)).astype(np.uint8)
    path = cog(tmp_path, codes, "EPSG:32632", (3e5, 6e6), 10)
    href = pc.blobs.put("references/large.tif", path.read_bytes())
    with opened([Tile(href)], QUICK) as tiles:
        part = tiles[0].read(Window(3000, 3000, 300, 200))
        received = tiles[0].file.received if tiles[0].file else 0
    assert (part == codes[3000:3200, 3000:3300]).all()
    assert 0 < received < path.stat().st_size / 8


def test_no_token_is_kept_logged_or_shown(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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


def test_a_service_that_is_away_is_one_error_and_nothing_is_written(world: World) -> None:
    world.pc.relay.inject(Fault(rf"{PUBLIC_HOST}/api/stac/v1/search", "refuse", times=-1))
    with pytest.raises(LandCoverError, match=r"esa-worldcover was searched in vain: .* cannot be reached") as caught:
        find_reference("esa-worldcover", world.scene, CATALOG)
    assert caught.value.transient
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("fault", "told", "transient"),
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
def test_a_fault_that_lasts_is_one_clear_error(
    fault: Fault, told: str, transient: bool, pc: PlanetaryComputer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "SECONDS", 0.8)
    path = cog(tmp_path, blocks((300, 300), 5, KNOWN), "EPSG:32632", (3e5, 6e6), 10)
    href = pc.blobs.put("references/faulty.tif", path.read_bytes())
    pc.relay.inject(fault)
    with pytest.raises(BadBand) as caught, opened([Tile(href)], QUICK) as tiles:
        tiles[0].read(Window(0, 0, 300, 300))
    assert told in str(caught.value)
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
def test_a_fault_that_passes_is_survived_also_in_mid_read(
    fault: Fault, pc: PlanetaryComputer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "SECONDS", 0.8)
    monkeypatch.setattr(range_reader, "PIECE", 1 << 12)
    codes = np.random.default_rng(1).integers(1, 200, (300, 300)).astype(np.uint8)
    path = cog(tmp_path, codes, "EPSG:32632", (3e5, 6e6), 10)
    href = pc.blobs.put("references/passing.tif", path.read_bytes())
    if "token" in fault.where:
        pc.relay.inject(fault)
    with opened([Tile(href)], QUICK) as tiles:
        if "token" not in fault.where:
            pc.relay.inject(fault)
        assert (tiles[0].read(Window(0, 0, 300, 300)) == codes).all()
    assert fault.hits == fault.times, "the fault was not met"


def test_a_raster_that_changes_while_it_is_read_is_never_mixed(pc: PlanetaryComputer, tmp_path: Path) -> None:
    first, other = (bytes([n]) * 5000 for n in (1, 2))
    href = pc.blobs.put("references/changing.tif", first)
    file = RemoteFile(href, QUICK)
    assert file.read(0, 10) == first[:10]
    pc.blobs.put(href, other)
    file._pieces.clear()
    assert file.read(4000, 10) == b""
    with pytest.raises(BadBand, match="has changed at its source while it was read"):
        file.check()


def test_reads_of_any_place_give_the_files_bytes(pc: PlanetaryComputer, monkeypatch: pytest.MonkeyPatch) -> None:
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


def change(**asset: Any) -> Callable[[dict[str, Any]], None]:
    return lambda item: item["assets"]["map"].update(asset)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (change(href="file:///etc/passwd"), "is a file of this machine"),
        (change(href="/vsicurl/http://a.example/b.tif"), "is a file of this machine"),
        (change(href="http://169.254.169.254/a.tif"), "where clouds keep a machine's credentials"),
        (change(href="http://10.0.0.7/a.tif"), "private address"),
        (change(href="https://a.example/a.vrt"), "a description of other files"),
        (change(href="s3://bucket/a.tif"), "s3://"),
        (lambda item: item["assets"].clear(), "it has no href"),
        (lambda item: item["properties"].update(start_datetime="soon"), "does not say its year"),
    ],
)
def test_a_hostile_items_raster_is_refused_by_name(
    spoil: Callable[[dict[str, Any]], None], told: str, world: World, tmp_path: Path
) -> None:
    path = cog(tmp_path, blocks((1200, 2400), 8, KNOWN), "EPSG:4326", world.corner, STEP)
    world.pc.api.clear()
    item = published(world.pc, path, "esa-worldcover", "evil", "map", "2021-01-01T00:00:00Z", "2021-12-31T23:59:59Z")
    spoil(item)
    if item["properties"]["start_datetime"] == "soon":  # pgstac would not take it
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(StacCatalogClient, "search", lambda self, query: iter([[item]]))
            with pytest.raises(LandCoverError, match=told):
                find_reference("esa-worldcover", world.scene, CATALOG)
        return
    world.pc.api.load(items=[item])
    with pytest.raises(LandCoverError) as caught:
        find_reference("esa-worldcover", world.scene, CATALOG)
    assert told in str(caught.value)
    assert "evil" in str(caught.value)


def test_a_scene_where_the_catalog_has_no_reference_is_told_so(world: World) -> None:
    world.pc.api.clear()
    with pytest.raises(LandCoverError, match="has no io-lulc-annual-v02 under its footprint"):
        find_reference("io-lulc-annual-v02", world.scene, CATALOG)


def test_a_truth_that_lies_elsewhere_than_the_bands_is_refused(world: World) -> None:
    scene = world.scene
    assert [tile.shown for tile in find_reference("truth", scene, CATALOG).tiles] == [
        scene.document["assets"]["truth"]["href"]
    ]
    document = json.loads(json.dumps(scene.document))
    remote = replace(scene, document=document, hrefs={"B02": "https://a.example/B02.tif"})
    with pytest.raises(LandCoverError, match="a file of this machine"):
        find_reference("truth", remote, CATALOG)
    document["assets"]["truth"]["href"] = "http://10.0.0.7/truth.tif"
    with pytest.raises(LandCoverError, match="private address"):
        find_reference("truth", remote, CATALOG)
    del document["assets"]["truth"]
    with pytest.raises(LandCoverError, match="it has no asset truth"):
        find_reference("truth", remote, CATALOG)
