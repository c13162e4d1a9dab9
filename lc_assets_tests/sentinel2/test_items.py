from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import BadItem, BadReference, LandCoverError
from lc_assets.sentinel2.band_table import BAND_NAMES, SCL
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.references import resolve
from lc_assets.store.ids import checked_id
from lc_assets_tests.conftest import copy_scene, edit_item
from lc_assets_tests.rig.command import NOBODY, QUICK


def nobody(item_id: str) -> Any:
    raise BadReference(f"{item_id} is unknown", remedy="none")


def test_every_real_planetary_computer_item_is_understood(shared: Path) -> None:
    paths = sorted(shared.glob("pc_items/items/*.json"))
    assert len(paths) == 12
    for path in paths:
        document = read_document(path)
        scene = parse_scene(document, base=path)
        assert scene.baseline == document["properties"]["s2:processing_baseline"]
        assert scene.product_level == "L2A"
        assert set(BAND_NAMES) <= set(scene.hrefs)
        assert SCL in scene.hrefs
        assert scene.offset == (-1000 if scene.baseline >= "04.00" else 0)
        assert all(href.startswith("https://") and "?" not in href for href in scene.hrefs.values())


def test_signed_hrefs_are_kept_unsigned(demo_item: Path) -> None:
    document = json.loads(demo_item.read_text())
    token = "?sv=2021&sig=SECRET"
    document["assets"]["B02"]["href"] = f"https://account.blob.core.windows.net/c/B02.tif{token}"
    document["links"].append({"rel": "self", "href": f"https://host/item{token}"})
    scene = parse_scene(document, base=demo_item)
    assert "SECRET" not in json.dumps(scene.document)
    assert scene.hrefs["B02"].endswith("B02.tif")


def test_relative_hrefs_become_absolute(demo_item: Path) -> None:
    scene = parse_scene(read_document(demo_item), base=demo_item)
    assert all(Path(href).is_absolute() and Path(href).exists() for href in scene.hrefs.values())


@pytest.mark.parametrize("bad", ["../up", "a/b", "", ".hidden", "a..b", "x" * 201, "a b", "a\n", "ü", None, 7, "-rf"])
def test_an_id_that_cannot_name_a_folder_is_refused(bad: Any) -> None:
    with pytest.raises(BadReference, match="not a valid item id"):
        checked_id(bad)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d.update(type="FeatureCollection"), "no STAC item but a FeatureCollection"),
        (lambda d: d.pop("stac_version"), "no STAC item"),
        (lambda d: d.update(id="../../etc"), "not a valid item id"),
        (lambda d: d.update(assets=[]), "has no assets"),
        (lambda d: d.update(geometry=None, bbox=None), "has neither a bbox nor a geometry in degrees"),
        (lambda d: d["properties"].pop("datetime"), "no datetime"),
        (lambda d: d["properties"].update(platform="landsat-8", constellation="landsat"), "no Sentinel-2 item"),
        (lambda d: d["assets"].pop("B8A"), "no asset for band B8A"),
        (lambda d: d["assets"]["B03"].pop("href"), "has no href"),
        (
            lambda d: [d["properties"].pop(k) for k in ("s2:processing_baseline", "s2:product_uri")],
            "baseline is not given",
        ),
    ],
)
def test_a_malformed_item_is_told_in_one_message(demo_item: Path, tmp_path: Path, change: Any, told: str) -> None:
    path = copy_scene(demo_item, tmp_path)
    edit_item(path, change)
    [found] = resolve(str(path), nobody)
    assert found.scene is None
    assert isinstance(found.error, LandCoverError)
    assert told in str(found.error)
    assert "->" in str(found.error)


def test_a_file_that_is_no_json_is_told(tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    path.write_text("{")
    [found] = resolve(str(path), nobody)
    assert isinstance(found.error, BadItem)
    assert "is no JSON" in str(found.error)


def test_a_folder_without_a_catalog_is_named_in_the_error(tmp_path: Path) -> None:
    [found] = resolve(str(tmp_path), nobody)
    assert f"the folder {tmp_path} has no catalog.json -> name the JSON of an item" in str(found.error)


def test_one_bad_item_of_a_catalog_leaves_the_others_unharmed(demo_item: Path, tmp_path: Path) -> None:
    path = copy_scene(demo_item, tmp_path)
    links = [{"rel": "item", "href": f"./{path.parent.name}/{path.name}"}, {"rel": "item", "href": "./gone.json"}]
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "c", "links": links}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    good, bad = resolve(str(tmp_path), nobody)
    assert good.scene is not None
    assert bad.scene is None
    assert "no file" in str(bad.error)


def test_a_catalog_that_contains_itself_ends(tmp_path: Path) -> None:
    links = [{"rel": "child", "href": "./catalog.json"}]
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "c", "links": links}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    [found] = resolve(str(tmp_path), nobody)
    assert "contains itself" in str(found.error)


def test_an_unreachable_catalog_is_not_an_unknown_item() -> None:
    [found] = resolve("S2A_SOME_ID", StacCatalogClient(f"{NOBODY}/stac", retry_policy=QUICK).scene)
    assert found.error is not None
    assert found.error.transient
    assert "cannot be reached" in str(found.error)


def test_error_texts_never_hold_a_query_string() -> None:
    error = LandCoverError("GET https://a.b/c.tif?sig=SECRET failed", remedy="see https://a.b/d?sig=SECRET")
    assert "SECRET" not in str(error)
