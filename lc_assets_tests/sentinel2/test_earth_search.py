"""Element 84's Earth Search works by configuration alone: another URL, another collection, and the same maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.settings import Settings
from lc_assets.operations.runs import register
from lc_assets.remote import stac_api
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.item.scene import Scene, parse_scene
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets.sentinel2.search.references import resolve
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets_tests.conftest import Desk, read
from lc_assets_tests.rig.command import NOBODY
from lc_assets_tests.rig.marks import further
from loopback.earth_search import API_HOST, AS_MADE, BUCKETS, HARMONISED, ROOT, EarthSearch
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import PcScene, pc_scene, pc_scenes

QUICK = RetryPolicy(connect=2.0, read=0.8, backoff=0.05)
COLLECTIONS = (HARMONISED, AS_MADE)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> PcScene:
    """One of the Planetary Computer's, baseline 05.11: its DN carry the offset."""
    return pc_scene(11, tmp_path_factory.mktemp("pc"))


@pytest.fixture(scope="module")
def expected(scene: PcScene, tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray]:
    """Class and confidence of the same pixels as an item of the Planetary Computer."""
    folder = tmp_path_factory.mktemp("expected")
    document = json.loads(json.dumps(scene.item))
    for key, path in scene.files.items():
        document["assets"][key]["href"] = str(path)
    (folder / "item.json").write_text(json.dumps(document))
    with dg.DagsterInstance.ephemeral() as instance:
        desk = Desk(Settings(store=folder / "store", stac_url=NOBODY), instance)
        item = desk.add(folder / "item.json").id
        assert desk.materialize("raw_bands", "resampled_stack", "class_raster", item=item).success
        made = desk.folder(item)
        return read(made.classified), read(made.confidence)


@pytest.fixture
def earth_search(pc: PlanetaryComputer) -> EarthSearch:
    return EarthSearch(pc.relay)


@pytest.fixture(params=COLLECTIONS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk that is configured for one of the collections, and nothing else."""
    settings = Settings(store=tmp_path / "store", stac_url=ROOT, collection=request.param, retry_policy=QUICK)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(settings, instance)


def asked_hosts(pc: PlanetaryComputer) -> set[str]:
    return {exchange.host for exchange in pc.relay.exchanges}


def by_url(desk: Desk, item_id: str) -> Scene:
    catalog = StacCatalogClient.of(desk.settings)
    [found] = resolve(catalog.item_url(item_id), catalog.scene)
    assert found.scene is not None, found.error
    RegisteredItems(desk.store, catalog).register(found.scene)
    register(desk.instance, [found.scene.id])
    return found.scene


@pytest.mark.parametrize("way", ["by its bare id", *further("by its URL")])
def test_a_scene_of_earth_search_becomes_the_map_of_the_same_pixels_at_the_planetary_computer(
    way: str,
    desk: Desk,
    earth_search: EarthSearch,
    scene: PcScene,
    expected: tuple[np.ndarray, np.ndarray],
    pc: PlanetaryComputer,
    tmp_path: Path,
) -> None:
    collection = desk.settings.collection
    item = earth_search.publish(scene, collection, tmp_path / "made")
    if way == "by its URL":
        by_url(desk, item["id"])
    else:
        register(desk.instance, [item["id"]])
    outcome = desk.run(item["id"])
    assert outcome.error is None, outcome.error
    folder = desk.folder(item["id"])
    classes, confidence = expected
    assert read(folder.classified).tobytes() == classes.tobytes()
    assert read(folder.confidence).tobytes() == confidence.tobytes()
    assert len(np.unique(classes)) > 3
    # Nobody was asked but Earth Search and its bucket, and nothing was signed.
    assert asked_hosts(pc) == {API_HOST, BUCKETS[collection]}
    assert not pc.tokens_issued
    assert not any(exchange.query for exchange in pc.relay.exchanges)


def test_the_two_collections_are_read_with_their_own_offset(
    earth_search: EarthSearch, scene: PcScene, tmp_path: Path
) -> None:
    offsets = {}
    for collection in COLLECTIONS:
        item = earth_search.publish(scene, collection, tmp_path)
        assert item["properties"]["s2:processing_baseline"] == "05.11"
        assert item["assets"]["blue"]["raster:bands"][0]["offset"] == -0.1
        offsets[collection] = parse_scene(item, base=item["links"][0]["href"]).offset
    assert offsets == {HARMONISED: 0, AS_MADE: -1000}


def test_a_transfer_from_s3_goes_on_where_it_broke_off_and_is_not_repeated_by_the_next_run(
    desk: Desk, earth_search: EarthSearch, scene: PcScene, pc: PlanetaryComputer, tmp_path: Path
) -> None:
    item = earth_search.publish(scene, desk.settings.collection, tmp_path / "made")
    by_url(desk, item["id"])
    host = BUCKETS[desk.settings.collection]
    pc.relay.inject(Fault(rf"{host}/.*B04\.tif", "truncate", after=10_000))
    assert desk.materialize("raw_bands", item=item["id"]).success
    assert "bytes=10000-" in {exchange.range for exchange in pc.relay.exchanges}
    raw = RawBands.open(desk.folder(item["id"]).raw_bands, item["id"])
    pc.relay.forget()
    assert desk.materialize("raw_bands", item=item["id"]).success
    assert {exchange.status for exchange in pc.relay.exchanges if exchange.host == host} == {304}
    assert len(raw.paths) == 13
    pc.relay.inject(Fault(rf"{host}/.*B0[48]\.tif", "status", times=-1, status=404))
    assert desk.materialize("raw_bands", item=item["id"]).success, "the store has what is gone at its source"
    assert RawBands.open(desk.folder(item["id"]).raw_bands, item["id"]).checksums == raw.checksums


def test_a_search_by_tile_finds_its_scenes_through_the_grid_code(
    desk: Desk, earth_search: EarthSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 scenes of 8 tiles, in pages of one. (Its last page is empty: it does not look whether there are more.)"""
    monkeypatch.setattr(stac_api, "PAGE", 1)
    scenes = pc_scenes(16, tmp_path, shape=(12, 12))
    for number, scene in enumerate(scenes):
        scene.item["properties"]["eo:cloud_cover"] = 5.0 * number + 10
    items = [
        earth_search.publish(scene, desk.settings.collection, tmp_path / f"made{n}") for n, scene in enumerate(scenes)
    ]
    catalog = StacCatalogClient.of(desk.settings)
    for tiles in ((2,), (2, 5)):
        names = tuple(scenes[number].item["properties"]["s2:mgrs_tile"] for number in tiles)
        found = [item for page in catalog.search(Query(tiles=names)) for item in page]
        wanted = [items[number]["id"] for number in sorted((*tiles, *(n + 8 for n in tiles)))]
        assert sorted(item["id"] for item in found) == sorted(wanted)
        assert all(catalog.parse(item).hrefs["B02"] == item["assets"]["blue"]["href"] for item in found)
    clear = [item for page in catalog.search(Query(tiles=names, max_cloud=25)) for item in page]
    assert [item["id"] for item in clear] == [items[2]["id"]]
