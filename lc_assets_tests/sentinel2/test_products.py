"""The name of an ESA product finds the item that a catalog made of it, or the message says what to use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.sentinel2.product import product_named, product_of
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.references import resolve
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.store.layout import Store
from lc_assets_tests.sentinel2.copernicus_items import PRODUCT, copernicus_item
from lc_assets_tests.sentinel2.earth_search_items import COLLECTION_1, HARMONISED, earth_search_item
from loopback.relay import Relay
from loopback.wire import Answer, Request

QUICK = RetryPolicy(connect=1.0, read=0.5, backoff=0.01)
SHORT = PRODUCT.replace("_N0511", "")
HOSTS = {
    "planetary": "https://planetarycomputer.microsoft.com/api/stac/v1",
    "earth": "https://earth-search.aws.element84.com/v1",
    "copernicus": "https://stac.dataspace.copernicus.eu/v1",
    "own": "https://stac.example.org/v1",
}
EARTH_PRODUCT = "S2A_MSIL2A_20240820T101611_N0511_R065_T33UUB_20240820T155103"


def play(relay: Relay, api: str, *items: dict[str, Any], collection: str = "sentinel-2-l2a") -> StacCatalogClient:
    """A STAC API with some items, and its client."""
    url = HOSTS[api]

    def handler(request: Request) -> Answer:
        if request.path.endswith("/search"):
            page = {"type": "FeatureCollection", "features": list(items), "links": [], "numberMatched": len(items)}
            return Answer.of_json(page)
        name = request.path.rpartition("/")[2]
        return next((Answer.of_json(item) for item in items if item["id"] == name), Answer.of_json({}, 404))

    relay.add_host(url.split("/")[2], handler)
    return StacCatalogClient(url, collection, QUICK)


def found(client: StacCatalogClient, name: str) -> Scene:
    [result] = resolve(name, client.scene, QUICK)
    assert result.scene is not None, result.error
    return result.scene


def refused(client: StacCatalogClient, name: str) -> str:
    [result] = resolve(name, client.scene, QUICK)
    assert result.error is not None
    message = str(result.error)
    assert "\n" not in message and "->" in message
    return message


def asked(relay: Relay) -> list[str]:
    return [exchange.path.rpartition("/")[2] for exchange in relay.exchanges]


def planetary_item() -> dict[str, Any]:
    """As the Planetary Computer writes it: the id without the baseline."""
    item = copernicus_item()
    item["assets"] = {key.split("_")[0]: asset for key, asset in item["assets"].items() if asset.get("gsd")}
    for key, asset in item["assets"].items():
        asset["href"] = f"https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/{key}.tif"
    properties = {"s2:product_uri": f"{PRODUCT}.SAFE", "s2:processing_baseline": "05.11", "s2:mgrs_tile": "13TDE"}
    return {**item, "id": SHORT, "properties": item["properties"] | properties}


@pytest.mark.parametrize(
    "name",
    [PRODUCT, f"{PRODUCT}.SAFE", f"{PRODUCT}.SAFE/", f"{PRODUCT}.zip", f"{PRODUCT}.SAFE.zip", f"{SHORT}.SAFE", SHORT],
)
def test_a_product_is_found_by_the_id_that_lacks_its_baseline_with_one_request(name: str, relay: Relay) -> None:
    assert found(play(relay, "planetary", planetary_item()), name).id == SHORT
    assert asked(relay) == [SHORT]


def test_the_products_of_the_planetary_computers_items_are_their_ids(shared: Path) -> None:
    paths = sorted(shared.glob("pc_items/items/*.json"))
    assert paths
    for path in paths:
        item = json.loads(path.read_text())
        product = product_named(item["properties"]["s2:product_uri"])
        assert product and product.short_name == item["id"] and product.baseline
        assert product_of(item) == product


@pytest.mark.parametrize("folder", [HARMONISED, COLLECTION_1])
def test_a_product_is_found_in_a_catalog_with_ids_of_its_own(folder: str, relay: Relay) -> None:
    other = earth_search_item(folder)
    other["id"] += "_other"
    other["properties"]["s2:product_uri"] = other["properties"]["s2:product_uri"].replace("T155103", "T180000")
    item = earth_search_item(folder)
    client = play(relay, "earth", other, item, collection=item["collection"])
    assert found(client, f"{EARTH_PRODUCT}.SAFE").id == item["id"]
    assert found(client, EARTH_PRODUCT.replace("_N0511", "")).id == item["id"]
    assert set(asked(relay)) == {"search"}


@pytest.mark.parametrize("name", [PRODUCT, f"{PRODUCT}.SAFE", SHORT])
def test_a_product_is_found_in_the_copernicus_data_space_with_and_without_its_baseline(name: str, relay: Relay) -> None:
    assert found(play(relay, "copernicus", copernicus_item()), name).id == PRODUCT


@pytest.mark.parametrize("written", [PRODUCT, f"{PRODUCT}.SAFE", SHORT])
def test_a_catalog_of_ones_own_is_asked_for_the_id_as_it_is_written_too(written: str, relay: Relay) -> None:
    item = {**copernicus_item(), "id": written}
    assert found(play(relay, "own", item), written).id == written


def test_a_product_of_level_1c_is_found_where_there_is_one(relay: Relay) -> None:
    name = PRODUCT.replace("L2A", "L1C")
    item = copernicus_item(name, level="L1C")
    assert found(play(relay, "copernicus", item, collection="sentinel-2-l1c"), f"{name}.SAFE").product_level == "L1C"


@pytest.mark.parametrize(
    "name",
    [PRODUCT.replace("L2A", "L1C"), PRODUCT.replace("20240822T001513", "20250101T000000"), f"{PRODUCT}.SAFE"],
)
def test_without_the_product_the_message_names_other_items_of_its_acquisition(name: str, relay: Relay) -> None:
    item = {**planetary_item(), "id": SHORT.replace("20240822T001513", "20240901T101010")}
    item["properties"]["s2:product_uri"] = item["id"]
    message = refused(play(relay, "planetary", item), name)
    assert f"of its acquisition there is {item['id']} -> use that" in message
    assert "LC_ASSETS_COLLECTION" in message and name.removesuffix(".SAFE") in message


def test_without_any_item_of_the_acquisition_the_message_says_how_to_search(relay: Relay) -> None:
    message = refused(play(relay, "earth"), PRODUCT)
    assert message.endswith("lc-assets search --tile 13TDE --datetime 2024-08")


@pytest.mark.parametrize("part", [("20240821T", "20241321T"), ("T13TDE", "T99TDE"), ("T13TDE", "T13IOI")])
def test_an_impossible_date_or_tile_is_not_searched(part: tuple[str, str], relay: Relay) -> None:
    assert "there is no item of the product" in refused(play(relay, "earth"), PRODUCT.replace(*part))
    assert asked(relay) == []


def test_an_id_of_the_catalogs_own_form_is_looked_up_once(relay: Relay) -> None:
    message = refused(play(relay, "planetary"), SHORT)
    assert "there is no such item" in message and asked(relay) == [SHORT]


@pytest.mark.parametrize("name", [f"{PRODUCT}.SAFE", f"{PRODUCT}.SAFE.zip"])
def test_a_downloaded_product_is_refused_with_the_name_to_use(name: str, relay: Relay, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir() if name.endswith("SAFE") else path.write_bytes(b"PK")
    message = refused(play(relay, "planetary"), str(path))
    assert "is a downloaded product" in message and message.endswith(PRODUCT)
    assert asked(relay) == []


def test_a_registered_item_is_found_by_its_products_name_without_a_request(relay: Relay, tmp_path: Path) -> None:
    client = play(relay, "planetary", planetary_item())
    registry = RegisteredItems(Store.at(tmp_path), client)
    registry.register(client.scene(PRODUCT))
    relay.forget()
    assert registry.find(f"{PRODUCT}.SAFE").id == SHORT
    assert registry.scene(SHORT).id == SHORT
    assert asked(relay) == []


def test_a_partition_named_by_a_product_is_refused_with_the_id_to_use(relay: Relay, tmp_path: Path) -> None:
    registry = RegisteredItems(Store.at(tmp_path), play(relay, "planetary", planetary_item()))
    with pytest.raises(BadReference, match=re.escape(f"in the catalog is {SHORT} -> use that id")):
        registry.scene(PRODUCT)
    assert not registry.store.registered(PRODUCT).exists()


@pytest.mark.parametrize(
    "text", ["", "S2A", f"{PRODUCT}x", f"x{PRODUCT}", f"{PRODUCT}.json", "S2A_33UUB_20240820_0_L2A"]
)
def test_other_texts_are_no_product_names(text: str) -> None:
    assert product_named(text) is None


def test_a_product_name_in_small_letters_is_the_same() -> None:
    assert product_named(f"{PRODUCT}.safe".lower()) == product_named(PRODUCT)
