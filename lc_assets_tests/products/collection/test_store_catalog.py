"""The store's catalog: pystac walks from its root to each scene and each season map."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pystac

from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.collection.update import update
from lc_assets.products.collection.verify import check_collection
from lc_assets.products.season_map.write import make_season_map
from lc_assets.products.stac.store_catalog import publish_catalog
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.polygons import box_polygon
from lc_assets.store.layout import Store
from lc_assets_tests.products.collection.store_items import Document, add, everything, needs_extra, only, scene_id


def hrefs(store: Store) -> list[str]:
    document = json.loads(store.catalog.read_text(encoding="utf-8"))
    assert validate_offline(document) == []
    return [link["href"] for link in document["links"] if link["rel"] == "child"]


@needs_extra
def test_pystac_walks_from_the_root_to_each_scene_and_season_map_also_in_a_copy(whole: Store, tmp_path: Path) -> None:
    update(whole, everything)
    west, south, east, north = json.loads(whole.registered(DEMO_ITEM_ID).read_text(encoding="utf-8"))["bbox"]
    make_season_map(whole, "town", box_polygon(west, south, east, north), [DEMO_ITEM_ID])
    assert check_collection(whole).invalid == []
    shutil.copytree(str(whole.root), tmp_path / "copy")
    root = pystac.Catalog.from_file(str(tmp_path / "copy" / "catalog.json"))
    found = {item.id: item for item in root.get_items(recursive=True)}
    assert set(found) == {f"{DEMO_ITEM_ID}_classified", "town_classified"}
    for item in found.values():
        for asset in item.assets.values():
            assert str(asset.get_absolute_href()).startswith(str(tmp_path / "copy"))
            assert Path(str(asset.get_absolute_href())).exists()
    titles = [link.title for link in root.get_child_links()]
    assert titles[0] == "Collection of all scenes"
    assert str(titles[1]).startswith("32ULC 2024-06-21")
    assert titles[2] == "Season map town"


@needs_extra
def test_scenes_come_and_go_with_the_index_and_an_older_index_changes_nothing(store: Store, template: Document) -> None:
    for number in range(3):
        add(store, template, number)
    update(store, everything)
    assert [href.split("/")[2] for href in hrefs(store)[1:]] == [scene_id(n) for n in range(3)]
    shutil.rmtree(str(store.scene(scene_id(1)).folder))
    update(store, only(scene_id(1)))
    assert [href.split("/")[2] for href in hrefs(store)[1:]] == [scene_id(0), scene_id(2)]
    publish_catalog(store, [scene_id(n) for n in range(3)], 1)
    assert len(hrefs(store)) == 3


@needs_extra
def test_a_writer_that_died_before_the_catalog_is_made_up_for(store: Store, template: Document) -> None:
    add(store, template, 0)
    update(store, everything)
    store.catalog.unlink()
    update(store, only())
    assert len(hrefs(store)) == 2
