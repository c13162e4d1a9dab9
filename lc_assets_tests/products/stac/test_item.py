"""The STAC documents of a scene: their content and their validity."""

from __future__ import annotations

import json
from pathlib import Path

import pystac
import pytest

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.inference.mlm import contract_to_item
from lc_assets.products.stac.catalog import catalog_files
from lc_assets.products.stac.item import build_item
from lc_assets.products.stac.validate import validate_offline
from lc_assets.sentinel2.item.scene import parse_scene
from lc_assets.store.product_layout import CATALOG_FILE
from lc_assets_tests.inference.contracts import CONTRACT
from lc_assets_tests.products.stac.items import CREATED, ITEM_URL, described, hrefs, item_of, pc_item

PC_ITEMS = sorted((Path(__file__).parents[4] / "shared/data/pc_items/items").glob("*.json"))


@pytest.mark.parametrize(
    ("stated", "carried"), [("05.11", "05.11"), ("5.11", "05.11"), (5.1, "05.10"), ("99.99", None), (0, None)]
)
def test_a_baseline_is_copied_as_interpreted_unless_it_is_invalid(stated, carried):
    written = item_of(pc_item(**{"s2:processing_baseline": stated, "earthsearch:boa_offset_applied": True}))
    assert written["properties"].get("s2:processing_baseline") == carried
    assert validate_offline(written) == []


@pytest.mark.skipif(not PC_ITEMS, reason="../shared does not exist")
@pytest.mark.parametrize("path", PC_ITEMS, ids=lambda path: path.stem[-22:])
def test_an_item_made_from_a_real_planetary_computer_item_is_valid(path):
    source = json.loads(path.read_text())
    written = item_of(source)
    assert validate_offline(written) == []
    assert written["geometry"] == source["geometry"]
    assert written["bbox"] == source["bbox"]
    own = next(link["href"] for link in source["links"] if link["rel"] == "self")
    assert [link["href"] for link in written["links"] if link["rel"] == "derived_from"] == [own]


def test_the_written_item_catalog_and_model_are_valid(document):
    files = catalog_files(build_item(described(parse_scene(pc_item()).document)))
    assert [validate_offline(json.loads(content)) for content in files.values()] == [[], []]
    assert validate_offline(contract_to_item(CONTRACT, model_bytes=1)) == []


def test_the_item_is_stac_1_1_named_after_its_source_and_dated_by_acquisition(document):
    properties = document["properties"]
    assert document["stac_version"] == "1.1.0"
    assert document["id"] == f"{pc_item()['id']}_classified"
    assert properties["datetime"] == "2024-08-25T17:39:09.024000Z"
    assert {properties[key] for key in ("created", "updated", "processing:datetime")} == {CREATED}


def test_all_eleven_classes_have_their_colour_and_only_no_data_is_nodata(document):
    classes = document["assets"]["classified"]["bands"][0]["classification:classes"]
    assert [(c["value"], c["color_hint"]) for c in classes] == [(c.code, c.hex) for c in ALL_CLASSES]
    assert [c["value"] for c in classes if c.get("nodata")] == [10]


def test_readers_of_stac_1_0_find_the_grid_and_the_band_too(document):
    assert document["properties"]["proj:epsg"] == 32613
    for asset in document["assets"].values():
        if "bands" in asset and len(asset["bands"]) == 1:
            old = asset["raster:bands"][0]
            assert {key: old[key] for key in ("data_type", "nodata")} == {
                "data_type": "uint8",
                "nodata": asset["bands"][0]["nodata"],
            }


def test_a_source_without_licence_and_providers_gets_those_of_sentinel_2():
    source = pc_item()
    source["links"] = []
    written = item_of(source)
    assert written["properties"]["license"] == "other"
    assert written["properties"]["providers"][0]["name"] == "European Space Agency"
    assert [link["rel"] for link in written["links"]][-1] == "license"
    own = item_of(pc_item(license="proprietary", providers=[{"name": "Somebody"}]))
    assert own["properties"]["license"] == "proprietary"
    assert own["properties"]["providers"] == [{"name": "Somebody"}]
    assert [link["href"] for link in own["links"] if link["rel"] == "license"] == ["https://example.com/licence"]


def test_checksums_are_sha256_multihashes(document):
    for asset in document["assets"].values():
        assert asset["file:checksum"] == "1220" + "ab" * 32
        assert asset["file:size"] == 1234


def test_no_href_has_a_query_even_if_the_source_is_signed():
    # Without the parser, which would remove the queries.
    item = build_item(described(pc_item())).to_dict(include_self_link=False)
    assert "SECRET" not in json.dumps(item)
    assert not [href for href in hrefs(item) if "?" in href]
    assert ITEM_URL in hrefs(item)


def test_a_source_without_a_url_is_linked_by_its_copy():
    source = pc_item()
    source["links"] = []
    links = item_of(source)["links"]
    assert [link["href"] for link in links if link["rel"] == "derived_from"] == ["./raw_bands/item.json"]


@pytest.mark.parametrize(
    ("field", "extension"),
    [("eo:cloud_cover", "/eo/"), ("sat:relative_orbit", "/sat/"), ("s2:mgrs_tile", "/sentinel-2/")],
)
def test_an_extension_is_declared_exactly_if_one_of_its_fields_is_copied(field, extension):
    source = pc_item()
    prefix = field.partition(":")[0]
    assert any(extension in uri for uri in item_of(source)["stac_extensions"])
    source["properties"] = {
        k: v for k, v in source["properties"].items() if not k.startswith(f"{prefix}:") or "baseline" in k
    }
    left = item_of(source)
    carried = any(key.startswith(f"{prefix}:") for key in left["properties"])
    assert any(extension in uri for uri in left["stac_extensions"]) == carried


def test_an_interval_is_copied_completely_or_not_at_all():
    start, end = "2024-08-25T17:39:09Z", "2024-08-25T17:39:30Z"
    whole = item_of(pc_item(start_datetime=start, end_datetime=end))
    half = item_of(pc_item(start_datetime=start))
    assert whole["properties"]["end_datetime"] == end
    assert "start_datetime" not in half["properties"]
    assert validate_offline(whole) == validate_offline(half) == []


def test_a_geometry_across_the_antimeridian_at_high_latitude_is_unchanged():
    source = pc_item()
    west = [[[179.0, 81.0], [180.0, 81.0], [180.0, 82.0], [179.0, 82.0], [179.0, 81.0]]]
    east = [[[-180.0, 81.0], [-179.0, 81.0], [-179.0, 82.0], [-180.0, 82.0], [-180.0, 81.0]]]
    source["geometry"] = {"type": "MultiPolygon", "coordinates": [west, east]}
    source["bbox"] = [179.0, 81.0, -179.0, 82.0]
    written = item_of(source)
    assert (written["geometry"], written["bbox"]) == (source["geometry"], source["bbox"])
    assert validate_offline(written) == []


def test_pystac_reads_the_catalog_back_and_every_relative_href_resolves(tmp_path):
    scene = described(parse_scene(pc_item()).document)
    item = build_item(scene)
    folder = tmp_path / "store" / "scenes" / scene.source["id"]
    folder.mkdir(parents=True)
    model = tmp_path / "store" / "models" / "eurosat12-gap" / "model.json"
    model.parent.mkdir(parents=True)
    model.write_text(json.dumps(contract_to_item(CONTRACT)))
    for made in scene.files.values():
        (folder / made.name).write_bytes(b"")
    for name, content in catalog_files(item).items():
        (folder / name).write_bytes(content)
    (read,) = pystac.Catalog.from_file(str(folder / CATALOG_FILE)).get_items()
    assert read.id == item.id
    assert set(read.assets) == {"classified", "confidence", "overview", "thumbnail", "report"}
    assert all(Path(asset.get_absolute_href()).is_file() for asset in read.assets.values())
    assert Path(read.get_single_link("mlm:model").get_absolute_href()).resolve() == model.resolve()
    assert all(href.startswith(("./", "../", "https://")) for href in hrefs(read.to_dict(include_self_link=False)))


def test_writing_twice_gives_the_same_bytes():
    first, second = (catalog_files(build_item(described(parse_scene(pc_item()).document))) for _ in range(2))
    assert first == second
