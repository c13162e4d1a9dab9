"""Which offset is still in an item's pixels."""

from __future__ import annotations

from typing import Any

import pytest

from lc_assets.core.errors import BadItem
from lc_assets_tests.sentinel2.earth_search_items import COLLECTION_1, earth_search_item, parsed


@pytest.mark.parametrize(
    ("item", "offset"),
    [
        # The flag wins over what the bands still declare: this is what most items since 2022 look like.
        (earth_search_item(flag=True, offset=-0.1), 0),
        (earth_search_item(flag=True, offset=0), 0),
        # Before 04.00 there was no offset to apply, and the flag is false.
        (earth_search_item(flag=False, offset=0, baseline="02.14"), 0),
        (earth_search_item(flag=False, offset=None, baseline="02.14"), 0),
        # Collection 1 keeps ESA's pixels, with and without the flag, in v1 and in v2.
        (earth_search_item(COLLECTION_1, flag=None), -1000),
        (earth_search_item(COLLECTION_1, flag=False), -1000),
        (earth_search_item(COLLECTION_1, flag=None, stac="1.1.0"), -1000),
        (earth_search_item(COLLECTION_1, flag=None, offset=None), -1000),
        # A catalogue whose own pixels are harmonised, and says so in the bands.
        (earth_search_item(COLLECTION_1, flag=None, offset=0), 0),
        # What rio-stac writes for a file without scale: it says nothing.
        (earth_search_item(COLLECTION_1, flag=None, offset=0.0, scale=1.0), -1000),
    ],
)
def test_the_offset_is_what_is_still_in_the_pixels(item: dict[str, Any], offset: int) -> None:
    assert parsed(item).offset == offset


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (earth_search_item(flag=False), "cannot be known"),
        (earth_search_item(flag=False, offset=0), "cannot be known"),
        (earth_search_item(COLLECTION_1, flag=False, offset=0), "contradicts its earthsearch:boa_offset_applied"),
        (earth_search_item(COLLECTION_1, flag=None, baseline="03.01"), "contradicts its processing baseline 03.01"),
        (earth_search_item(COLLECTION_1, flag=None, offset=-0.2), "scale 0.0001 and offset -0.2"),
        (earth_search_item(COLLECTION_1, flag=None, scale=0.001), "scale 0.001 and offset -0.1"),
        (earth_search_item(COLLECTION_1, flag=None, offset="-0.1"), "offset -0.1"),
        (earth_search_item(COLLECTION_1, flag=None, offset=True), "offset True"),
        (earth_search_item(flag="true"), "neither true nor false"),  # type: ignore[arg-type]
    ],
)
def test_an_item_whose_offset_cannot_be_known_is_refused_by_name(item: dict[str, Any], told: str) -> None:
    with pytest.raises(BadItem, match=f"item {item['id']}.*{told}.*->"):
        parsed(item)


@pytest.mark.parametrize("change", [{"offset": 0}, {"offset": None}])
def test_bands_that_declare_different_offsets_are_refused_by_name(change: dict[str, Any]) -> None:
    document = earth_search_item(COLLECTION_1, flag=None)
    document["assets"]["nir08"]["raster:bands"][0].update(change)
    with pytest.raises(BadItem, match=r"asset B8A: its declared offset"):
        parsed(document)


def test_an_offset_on_the_asset_itself_is_read_too() -> None:
    document = earth_search_item(COLLECTION_1, flag=None, offset=None)
    for asset in document["assets"].values():
        asset |= {"raster:scale": 0.0001, "raster:offset": 0}
    assert parsed(document).offset == 0


def test_a_baseline_without_its_leading_zero_is_understood() -> None:
    document = earth_search_item(COLLECTION_1, flag=None)
    document["properties"]["s2:processing_baseline"] = "5.11"
    assert parsed(document).baseline == "05.11"
