"""How an API and an item tell which provider they are of, and what that changes."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from lc_assets.core.errors import BadItem
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.item import catalog_conventions
from lc_assets.sentinel2.item.catalog_conventions import (
    CATALOGS,
    EARTH_SEARCH,
    PLANETARY_COMPUTER,
    CatalogConventions,
    catalog_for_api,
    catalog_of,
)
from lc_assets.sentinel2.item.scene import read_document
from lc_assets_tests.sentinel2.earth_search_items import HARMONISED, earth_search_item, parsed


def test_the_table_names_all_bands_of_every_catalogue_once() -> None:
    for kind in CATALOGS:
        assert sorted(kind.assets.values()) == sorted((*BAND_NAMES, "SCL"))
        assert "{" not in kind.tile_value("33UUB")
    assert len({kind.name for kind in CATALOGS}) == len(CATALOGS)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://planetarycomputer.microsoft.com/api/stac/v1", PLANETARY_COMPUTER),
        ("https://earth-search.aws.element84.com/v1", EARTH_SEARCH),
        ("https://EARTH-SEARCH.aws.element84.com./v2/", EARTH_SEARCH),
        ("https://earth-search.aws.element84.com.example.org/v1", PLANETARY_COMPUTER),
        ("http://127.0.0.1:8080/stac", PLANETARY_COMPUTER),
        ("http://[", PLANETARY_COMPUTER),
    ],
)
def test_an_api_is_known_by_its_host_and_an_unknown_one_is_taken_for_the_planetary_computers(
    url: str, kind: CatalogConventions
) -> None:
    assert catalog_for_api(url) is kind


def test_a_tile_is_asked_for_as_each_catalogue_writes_it() -> None:
    assert PLANETARY_COMPUTER.tile_value("33UUB") == "33UUB"
    assert PLANETARY_COMPUTER.tile_value("T7HFE") == "07HFE"
    assert EARTH_SEARCH.tile_value("33UUB") == "MGRS-33UUB"
    assert EARTH_SEARCH.tile_value("07HFE") == "MGRS-7HFE"


def test_an_item_is_recognised_by_its_assets_whichever_catalogue_gave_it(demo_item: Path) -> None:
    assert catalog_of(read_document(demo_item)) is PLANETARY_COMPUTER
    assert catalog_of(earth_search_item()) is EARTH_SEARCH
    assert catalog_of({"assets": None}) is PLANETARY_COMPUTER


def test_a_third_catalogue_is_a_table_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    third = CatalogConventions(
        name="third",
        title="Third",
        hosts=("stac.example.org",),
        assets=MappingProxyType({f"{band}_native": band for band in BAND_NAMES}),
        tile_property="tile",
        tile_format="T{tile}",
    )
    monkeypatch.setattr(catalog_conventions, "CATALOGS", (*CATALOGS, third))
    assert catalog_for_api("https://stac.example.org/") is third
    assert catalog_of({"assets": {f"{band}_native": {} for band in BAND_NAMES}}) is third


def test_earth_searchs_bands_are_its_cogs_and_never_their_jpeg_2000_twins() -> None:
    scene = parsed(earth_search_item())
    assert scene.hrefs == {band: f"{HARMONISED}/{band}.tif" for band in (*BAND_NAMES, "SCL")}
    assert scene.product_level == "L2A"
    document = earth_search_item()
    document["assets"] = dict(reversed(document["assets"].items()))
    assert parsed(document).hrefs == scene.hrefs


def test_an_s3_href_is_refused_with_the_reason() -> None:
    document = earth_search_item()
    document["assets"]["red"]["href"] = "s3://sentinel-s2-l2a/tiles/33/U/UB/2024/8/20/0/R10m/B04.jp2"
    with pytest.raises(BadItem, match=r"asset B04.*s3:// is of a kind that is not read here.*credentials"):
        parsed(document)
