"""The Collection and its items: valid, complete, and with correct sums."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import datetime
from pathlib import Path

import pytest

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.products.collection.update import update
from lc_assets.products.stac.collection import COLLECTION_ID, PARQUET
from lc_assets.products.stac.validate import validate_offline
from lc_assets.store.layout import COLLECTION_FILE, INDEX_FILE, Store
from lc_assets_tests.products.collection.store_items import (
    Document,
    add,
    counts_of,
    everything,
    needs_extra,
    only,
    rows,
)


@needs_extra
def test_the_collection_and_its_items_are_valid_and_all_hrefs_resolve(whole: Store, tmp_path: Path) -> None:
    update(whole, everything)
    folder = Path(str(whole.collection))
    document = json.loads((folder / COLLECTION_FILE).read_text())
    assert validate_offline(document) == []
    [item] = rows(whole, tmp_path / "work")
    assert validate_offline(item) == []
    assert item["collection"] == document["id"] == COLLECTION_ID
    hrefs = [part["href"] for part in (*item["assets"].values(), *item["links"], *document["links"])]
    local = [href for href in hrefs if "://" not in href]
    assert len(local) >= 9
    for href in [*local, item["properties"]["processing:expression"]["expression"]]:
        assert (folder / href).exists(), href


@needs_extra
def test_an_item_in_the_index_equals_its_document(whole: Store, template: Document, tmp_path: Path) -> None:
    update(whole, everything)
    [item] = rows(whole, tmp_path / "work")
    from shapely.geometry import shape

    assert shape(item["geometry"]).equals(shape(template["geometry"]))  # rustac 0.6 writes a multipolygon
    item["geometry"] = template["geometry"]

    def bare(document: Document) -> Document:
        copy = deepcopy(document)
        for part in (*copy["assets"].values(), copy["properties"]["processing:expression"]):
            part.pop("href", None)
            part.pop("expression", None)
        flat = [name for name in copy["properties"] if name.startswith("lc:hectares_")]
        for name in flat:
            copy["properties"].pop(name)
        for name in ("datetime", "created", "updated"):  # times, which can be written in several ways
            copy["properties"][name] = datetime.fromisoformat(copy["properties"][name].replace("Z", "+00:00"))
        return {key: value for key, value in copy.items() if key not in ("links", "collection")}

    assert bare(item) == bare(template)


@needs_extra
def test_the_collection_has_the_sums_of_its_items(store: Store, template: Document) -> None:
    for number in range(3):
        add(store, template, number, **{"eo:cloud_cover": 10.0 * number})
    update(store, everything)
    document = json.loads((Path(str(store.collection)) / COLLECTION_FILE).read_text())
    assert document["lc:items"] == 3
    assert document["extent"]["spatial"]["bbox"] == [[-150.0, 10.0, -147.5, 10.5]]
    assert document["extent"]["temporal"]["interval"] == [
        ["2024-01-21T10:36:29.024000Z", "2024-03-21T10:36:29.024000Z"]
    ]
    assert document["summaries"]["eo:cloud_cover"] == {"minimum": 0.0, "maximum": 20.0}
    one = template["properties"]["lc:hectares"]
    assert document["lc:hectares"] == pytest.approx({name: 3 * area for name, area in one.items()}, abs=0.1)
    assert document["lc:items_by_model"] == {template["properties"]["lc:model"]: 3}
    assert [c["value"] for c in document["summaries"]["classification:classes"]] == [c.code for c in ALL_CLASSES]
    asset = document["assets"]["items"]
    assert (asset["href"], asset["type"], asset["roles"]) == (f"./{INDEX_FILE}", PARQUET, ["collection-mirror"])


@needs_extra
def test_maps_of_positions_and_of_windows_share_an_index(store: Store, template: Document, tmp_path: Path) -> None:
    add(store, template, 0)
    of_windows = {name: asset for name, asset in template["assets"].items() if name != "probabilities"}
    add(store, {**template, "assets": of_windows}, 1)
    update(store, everything)
    found = rows(store, tmp_path / "work")
    assert [validate_offline(item) for item in found] == [[], []]
    assert sorted("probabilities" in item["assets"] for item in found) == [False, True]


@needs_extra
def test_items_that_differ_in_their_fields_share_an_index(store: Store, template: Document, tmp_path: Path) -> None:
    add(store, template, 0)
    update(store, everything)
    odd = deepcopy(template)
    odd["properties"]["processing:software"]["jax"] = "2.13"
    odd["properties"]["providers"] = [{"name": "somebody", "roles": ["producer"]}]
    odd["properties"].pop("eo:cloud_cover", None)
    odd["assets"]["classified"]["bands"][0]["description"] = "one more word"
    scene = add(store, odd, 1, gsd=10.5)
    assert counts_of(update(store, only(scene))) == (2, 1, 0, 0)
    first, second = rows(store, tmp_path / "work")
    assert "jax" not in first["properties"]["processing:software"]
    assert [p["name"] for p in first["properties"]["providers"]] == ["European Space Agency"]
    assert [p["name"] for p in second["properties"]["providers"]] == ["somebody"]
    assert second["properties"]["processing:software"]["jax"] == "2.13"
    assert second["properties"]["gsd"] == 10.5
    assert second["assets"]["classified"]["bands"][0]["description"] == "one more word"
    assert validate_offline(first) == validate_offline(second) == []
