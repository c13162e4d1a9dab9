"""What an item declares of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import BadItem
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.item.declared import DeclaredAsset
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets_tests.sentinel2.earth_search_items import COLLECTION_1, earth_search_item, parsed


def test_what_an_item_promises_of_its_files_is_kept() -> None:
    for stac in ("1.0.0", "1.1.0"):
        promised = parsed(earth_search_item(COLLECTION_1, flag=None, stac=stac)).declared
        assert set(promised) == {*BAND_NAMES, "SCL"}
        red = promised["B04"]
        assert red == DeclaredAsset(
            32633, (10980, 10980), (10.0, 0.0, 300000.0, 0.0, -10.0, 5900040.0), 1003, "1220" + "03" * 32
        )
        assert red.sha256 == "03" * 32
        assert red.md5 is None
        assert promised["B01"].shape == (1830, 1830)


def test_a_real_item_declares_crs_shape_and_transform_and_no_checksum(shared: Path) -> None:
    for path in sorted(shared.glob("pc_items/items/*.json")):
        for promise in parse_scene(read_document(path), base=path).declared.values():
            assert promise.epsg is not None and promise.shape is not None and promise.transform is not None
            assert promise.size is None and promise.checksum is None


@pytest.mark.parametrize(
    ("declared", "kept"),
    [
        ({"proj:epsg": None}, {"epsg": 32633}),
        ({"proj:code": "EPSG:32632"}, {"epsg": 32632}),  # the asset's own word wins
        ({"proj:code": "IAU_2015:30100"}, {"epsg": 32633}),
        ({"proj:shape": None, "proj:transform": None}, {"shape": None, "transform": None}),
        ({"proj:transform": [10, 0, 5, 0, -10, 7, 0, 0, 1]}, {"transform": (10.0, 0.0, 5.0, 0.0, -10.0, 7.0)}),
        ({"file:checksum": "D50110" + "AB" * 16}, {"checksum": "d50110" + "ab" * 16, "md5": "ab" * 16}),
        ({"file:checksum": "ab" * 16}, {"checksum": None, "md5": None}),  # a bare digest does not say what it is
        ({"file:size": 12.0}, {"size": 12}),
    ],
)
def test_a_declaration_that_cannot_be_compared_counts_as_none(declared: dict[str, Any], kept: dict[str, Any]) -> None:
    document = earth_search_item(COLLECTION_1, flag=None)
    document["assets"]["red"] |= declared
    promise = parsed(document).declared["B04"]
    assert {name: getattr(promise, name) for name in kept} == kept


@pytest.mark.parametrize(
    "declared",
    [
        {"proj:epsg": "32633"},
        {"proj:epsg": -1},
        {"proj:epsg": True},
        {"proj:code": 32633},
        {"proj:code": "EPSG:x"},
        {"proj:code": "EPSG:None"},
        {"proj:code": ""},
        {"proj:shape": [10980]},
        {"proj:shape": [0, 5]},
        {"proj:shape": ["a", "b"]},
        {"proj:shape": [10980.5, 1]},
        {"proj:transform": [10, 0, 5]},
        {"proj:transform": "10,0,5,0,-10,7"},
        {"proj:transform": [10, 0, 5, 0, -10, 7, 1, 0, 1]},
        {"file:size": -1},
        {"file:size": "12"},
        {"file:checksum": 7},
        {"file:checksum": "<b>"},
        {"file:checksum": "abc"},
    ],
)
def test_a_malformed_promise_counts_as_none_and_is_noted(declared: dict[str, Any]) -> None:
    """The file is fetched all the same: it is compared with what else is declared."""
    document = earth_search_item(COLLECTION_1, flag=None)
    document["assets"]["red"] |= declared
    scene = parsed(document)
    [(name, value)] = declared.items()
    [note] = scene.notes
    assert note.startswith(f"asset B04: its {name} {value!r}" if isinstance(value, str) else f"asset B04: its {name} ")
    assert note.endswith("and is not used")
    kept = {"proj:epsg": "epsg", "proj:code": "epsg"}.get(name, name.partition(":")[2])
    assert getattr(scene.declared["B04"], kept) == (32633 if kept == "epsg" else None)  # the item's own EPSG code


@pytest.mark.parametrize("declared", [{"proj:code": "EPSG:32632", "proj:epsg": 32633}, {"proj:shape": [200_000, 1]}])
def test_a_contradiction_or_a_size_that_no_band_has_is_refused_by_name(declared: dict[str, Any]) -> None:
    document = earth_search_item(COLLECTION_1, flag=None)
    document["assets"]["red"] |= declared
    with pytest.raises(BadItem, match="asset B04: its proj:"):
        parsed(document)
