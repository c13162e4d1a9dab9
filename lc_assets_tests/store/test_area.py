"""A store of an area in an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from lc_assets.defs.io_managers.raw_bands import RawBandsIOManager
from lc_assets.defs.resources import ItemsResource, StoreResource
from lc_assets.store.layout import Store
from lc_assets.store.object_path import ObjectPath
from lc_assets_tests.sentinel2.large_scene import area_file, large_scene, served
from lc_assets_tests.store.object_stores import only_s3
from loopback.file_host import HOST, files_of
from loopback.gate import Gate
from loopback.relay import Relay

pytestmark = pytest.mark.xdist_group("object stores")


def manager_of(store: StoreResource) -> RawBandsIOManager:
    return RawBandsIOManager(store=store, items=ItemsResource(store=store))


@pytest.mark.slow
@only_s3
def test_a_part_in_an_object_store_is_fetched_once(
    remote: tuple[ObjectPath, Gate], relay: Relay, demo_item: Path, tmp_path: Path
) -> None:
    item = large_scene(demo_item, tmp_path)
    relay.add_host(HOST, files_of(item.parent))
    store, scene = Store(remote[0]), served(item)
    area = area_file(item, tmp_path / "district.geojson", (800, 820, 800, 820))
    layout = store.scene(scene.id)
    first = manager_of(StoreResource(root=str(store.root), area=str(area))).write(layout, scene)
    assert store.area.exists()
    relay.forget()
    manager = manager_of(StoreResource(root=str(store.root)))
    again = manager.write(layout, scene)
    assert again.version == first.version
    assert len(relay.exchanges) == len(scene.hrefs), "more than the header of each file was asked for"
    raw = manager.read(layout)
    assert raw.part is not None
    assert (raw.part.column, raw.part.row) == (384, 384)
