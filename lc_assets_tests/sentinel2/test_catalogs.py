from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from lc_assets.core.errors import BadItem
from lc_assets.sentinel2.acquisition import acquisition_of, acquisition_prefix, is_newer_version
from lc_assets.sentinel2.band_table import BAND_NAMES, BANDS
from lc_assets.sentinel2.item.declared import DeclaredAsset
from lc_assets.sentinel2.item.providers import (
    CATALOGS,
    EARTH_SEARCH,
    PLANETARY_COMPUTER,
    Provider,
    catalog_for_api,
    catalog_of,
)
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document

HARMONISED = (
    "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs/33/U/UB/2024/8/S2A_33UUB_20240820_0_L2A"
)
COLLECTION_1 = (
    "https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/sentinel-2-c1-l2a/33/U/UB/2024/8/"
    "S2A_T33UUB_20240820T102106_L2A"
)
API = "https://earth-search.aws.element84.com/v1/collections"
RING = [[[12.0, 52.2], [13.6, 52.3], [13.7, 53.3], [12.0, 53.2], [12.0, 52.2]]]


def earth_search_item(
    folder: str = HARMONISED,
    *,
    baseline: str = "05.11",
    flag: bool | None = True,
    offset: Any = -0.1,
    scale: Any = 0.0001,
    stac: str = "1.0.0",
) -> dict[str, Any]:
    """An item in the shape of Earth Search's, invented: v1's two collections, or (STAC 1.1) v2's."""
    first = folder == COLLECTION_1
    item_id = folder.rsplit("/", 1)[1]
    collection = "sentinel-2-c1-l2a" if first else "sentinel-2-l2a"
    properties = {
        "datetime": "2024-08-20T10:27:53.031000Z",
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": 12.5,
        "grid:code": "MGRS-33UUB",
        "mgrs:utm_zone": 33,
        "s2:nodata_pixel_percentage": 3.5,
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": baseline,
        "s2:product_uri": f"S2A_MSIL2A_20240820T101611_N{baseline.replace('.', '')}_R065_T33UUB_20240820T155103.SAFE",
        "s2:generation_time": "2024-08-20T15:51:03.000000Z",
        "s2:datatake_id": f"GS2A_20240820T101611_047852_N{baseline}",
        "s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_2APS_20240820T155103_S20240820T102106_N{baseline}",
        **({"proj:code": "EPSG:32633"} if stac == "1.1.0" else {"proj:epsg": 32633}),
        **({} if flag is None else {"earthsearch:boa_offset_applied": flag}),
    }
    gsd = {band.name: band.gsd for band in BANDS}
    assets: dict[str, Any] = {}
    for number, (key, band) in enumerate(EARTH_SEARCH.assets.items()):
        pixel = gsd.get(band, 20)
        side = 109_800 // pixel
        asset = {
            "href": f"{folder}/{band}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "proj:shape": [side, side],
            "proj:transform": [pixel, 0, 300000, 0, -pixel, 5900040],
        }
        declared = {} if offset is None or band == "SCL" else {"scale": scale, "offset": offset}
        if stac == "1.1.0":
            asset["bands"] = [{"name": band, "data_type": "uint16", **{f"raster:{k}": v for k, v in declared.items()}}]
        else:
            asset["raster:bands"] = [{"nodata": 0, "data_type": "uint16", **declared}]
        if first:
            asset |= {"file:size": 1000 + number, "file:checksum": "1220" + f"{number:02x}" * 32}
        assets[key] = asset
        if not first:
            assets[f"{key}-jp2"] = {"href": f"s3://sentinel-s2-l2a/tiles/33/U/UB/2024/8/20/0/{band}.jp2"}
    assets["thumbnail"] = {"href": f"{folder}/thumbnail.jpg"}
    return {
        "type": "Feature",
        "stac_version": stac,
        "id": item_id,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": RING},
        "bbox": [12.0, 52.2, 13.7, 53.3],
        "properties": properties,
        "links": [
            {"rel": "self", "href": f"{API}/{collection}/items/{item_id}"},
            {"rel": "canonical", "href": "s3://sentinel-cogs/item.json"},
        ],
        "assets": assets,
    }


def parsed(item: dict[str, Any]) -> Scene:
    return parse_scene(item, base=item["links"][0]["href"])


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
    url: str, kind: Provider
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


def test_a_third_catalogue_is_a_table_entry() -> None:
    third = Provider(
        name="third",
        title="Third",
        hosts=("stac.example.org",),
        assets=MappingProxyType({f"{band}_native": band for band in BAND_NAMES}),
        tile_property="tile",
        tile_format="T{tile}",
    )
    catalogs = (*CATALOGS, third)
    assert catalog_for_api("https://stac.example.org/", catalogs) is third
    assert catalog_of({"assets": {f"{band}_native": {} for band in BAND_NAMES}}, catalogs) is third


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


def test_what_an_item_promises_of_its_files_is_kept() -> None:
    for stac in ("1.0.0", "1.1.0"):
        declared = parsed(earth_search_item(COLLECTION_1, flag=None, stac=stac)).declared
        assert set(declared) == {*BAND_NAMES, "SCL"}
        red = declared["B04"]
        assert red == DeclaredAsset(
            32633, (10980, 10980), (10.0, 0.0, 300000.0, 0.0, -10.0, 5900040.0), 1003, "1220" + "03" * 32
        )
        assert red.sha256 == "03" * 32
        assert red.md5 is None
        assert declared["B01"].shape == (1830, 1830)


def test_a_real_item_declares_crs_shape_and_transform_and_no_checksum(shared: Path) -> None:
    for path in sorted(shared.glob("pc_items/items/*.json")):
        for declared in parse_scene(read_document(path), base=path).declared.values():
            assert declared.epsg is not None and declared.shape is not None and declared.transform is not None
            assert declared.size is None and declared.checksum is None


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
    found = parsed(document).declared["B04"]
    assert {name: getattr(found, name) for name in kept} == kept


@pytest.mark.parametrize(
    "declared",
    [
        {"proj:epsg": "32633"},
        {"proj:epsg": -1},
        {"proj:epsg": True},
        {"proj:code": 32633},
        {"proj:code": "EPSG:x"},
        {"proj:code": "EPSG:32632", "proj:epsg": 32633},
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
def test_a_malformed_promise_is_refused_by_name(declared: dict[str, Any]) -> None:
    document = earth_search_item(COLLECTION_1, flag=None)
    document["assets"]["red"] |= declared
    with pytest.raises(BadItem, match=r"asset B04: its (proj|file):"):
        parsed(document)


# --- versions ---------------------------------------------------------------------------------------------------------


def reprocessed(document: dict[str, Any], baseline: str, generated: str, sensing: str | None = None) -> dict[str, Any]:
    """A document of the same acquisition, processed again."""
    new = copy.deepcopy(document)
    properties = new["properties"]
    head, sensed, _ = properties["s2:datastrip_id"].rsplit("_", 2)
    properties["s2:processing_baseline"] = baseline
    properties["s2:generation_time"] = generated
    properties["s2:datastrip_id"] = f"{head}_{f'S{sensing}' if sensing else sensed}_N{baseline}"
    for key in ("s2:datatake_id", "s2:granule_id"):
        if key in properties:
            properties[key] = f"{properties[key].rsplit('_', 1)[0]}_N{baseline}"
    properties.pop("s2:product_uri", None)
    new["id"] = new["id"].rsplit("_", 1)[0] + "_20260101T000000" if "MSIL2A" in new["id"] else new["id"]
    return new


@pytest.fixture(scope="session")
def real_items(shared: Path) -> Iterator[list[dict[str, Any]]]:
    paths = sorted(shared.glob("pc_items/items/*.json"))
    if not paths:
        pytest.skip("needs ../shared/data/pc_items, which is not part of the project")
    yield [read_document(path) for path in paths]


def test_every_real_item_tells_its_acquisition(real_items: list[dict[str, Any]]) -> None:
    for document in real_items:
        found = acquisition_of(document)
        assert found.is_certain and found.datatake is not None
        assert found.satellite == document["id"][:3]
        assert f"_T{found.tile}_" in document["id"]
        assert f"{found.datatake:%Y%m%dT%H%M%S}" in document["id"]
        assert found.is_same(found)


def test_no_two_of_the_real_items_are_versions_of_one_another(real_items: list[dict[str, Any]]) -> None:
    assert not [(a["id"], b["id"]) for a, b in itertools.permutations(real_items, 2) if is_newer_version(a, b)]


def test_two_halves_of_one_acquisition_share_their_family_and_are_no_versions(real_items: list[dict[str, Any]]) -> None:
    halves = [d for d in real_items if acquisition_prefix(d["id"]) == "S2A_MSIL2A_20240820T173901_R098_T13TDE"]
    assert len(halves) == 2
    first, second = (acquisition_of(d) for d in halves)
    assert (first.satellite, first.tile, first.datatake) == (second.satellite, second.tile, second.datatake)
    assert first.sensing and second.sensing and abs(first.sensing - second.sensing) > timedelta(minutes=5)
    assert not first.is_same(second)
    assert not is_newer_version(*halves) and not is_newer_version(*reversed(halves))
    # Not even when one of them is processed again.
    new = reprocessed(halves[0], "05.12", "2026-01-01T00:00:00Z")
    assert is_newer_version(new, halves[0])
    assert not is_newer_version(new, halves[1])


def test_a_real_item_processed_again_is_a_newer_version_and_the_old_one_is_none(
    real_items: list[dict[str, Any]],
) -> None:
    for old in real_items:
        for new in (
            reprocessed(old, "05.20", "2019-01-01T00:00:00Z"),  # the baseline comes first
            reprocessed(old, old["properties"]["s2:processing_baseline"], "2026-01-01T00:00:00.5Z"),
        ):
            assert is_newer_version(new, old)
            assert not is_newer_version(old, new)
            assert not is_newer_version(new, new)
            assert acquisition_prefix(new["id"]) == acquisition_prefix(old["id"]) is not None


@pytest.mark.parametrize(("sensing", "same"), [("20240820T102136", True), ("20240820T102137", False)])
def test_sensing_starts_may_differ_by_half_a_minute(sensing: str, same: bool) -> None:
    old = earth_search_item()
    assert is_newer_version(reprocessed(old, "05.12", "2025-01-01T00:00:00Z", sensing), old) is same


def test_the_same_product_of_two_catalogues_is_one_acquisition_and_neither_is_newer() -> None:
    a, b = earth_search_item(), earth_search_item(COLLECTION_1)
    assert acquisition_of(a) == acquisition_of(b)
    assert not is_newer_version(a, b) and not is_newer_version(b, a)


def test_a_collection_1_item_without_datastrip_is_known_by_its_id() -> None:
    full = earth_search_item(COLLECTION_1)
    bare = copy.deepcopy(full)
    for key in ("s2:datastrip_id", "s2:datatake_id", "s2:product_uri", "grid:code", "platform"):
        del bare["properties"][key]
    assert acquisition_of(bare).is_same(acquisition_of(full))
    assert is_newer_version(reprocessed(full, "05.12", "2025-01-01T00:00:00Z"), bare)


def test_items_that_do_not_tell_their_datastrip_are_never_versions() -> None:
    old = earth_search_item()
    new = reprocessed(old, "05.12", "2025-01-01T00:00:00Z")
    for document in (old, new):
        document["properties"].pop("s2:datastrip_id")
    assert not acquisition_of(new).is_certain
    assert not is_newer_version(new, old)
    assert not is_newer_version({}, {}) and not is_newer_version({"id": None, "properties": []}, old)


def test_levels_and_tiles_and_satellites_are_never_versions_of_one_another() -> None:
    old = earth_search_item()
    for change in ({"s2:product_type": "S2MSI1C"}, {"grid:code": "MGRS-33UVB"}, {"platform": "sentinel-2b"}):
        new = reprocessed(old, "05.12", "2025-01-01T00:00:00Z")
        new["properties"].update(change)
        assert not is_newer_version(new, old)


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [
        ("S2A_MSIL2A_20240820T173901_R098_T13TDE_20240821T000250", "S2A_MSIL2A_20240820T173901_R098_T13TDE"),
        ("S2A_MSIL2A_20240820T173901_N0511_R098_T13TDE_20240821T000250", "S2A_MSIL2A_20240820T173901_R098_T13TDE"),
        ("S2A_33UUB_20240820_0_L2A", "S2A_33UUB_20240820"),
        ("S2A_7HFE_20190212_1_L2A", "S2A_7HFE_20190212"),
        ("S2C_T30UVC_20250712T112136_L2A", "S2C_T30UVC_20250712"),
        ("my_scene", None),
        ("", None),
    ],
)
def test_a_family_is_what_the_ids_of_versions_share(item_id: str, expected: str | None) -> None:
    assert acquisition_prefix(item_id) == expected
    assert expected is None or expected.startswith(item_id[:10])
