"""The STAC documents: what they say, that they pass their schemas offline, and that faults are seen."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pystac
import pytest
from affine import Affine

from lc_assets.core.errors import BadModel
from lc_assets.core.landcover import ALL_CLASSES, CLASS_NAMES
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.mlm import contract_from_item, contract_to_item, model_href
from lc_assets.products.stac.catalog import CATALOG, catalog_files
from lc_assets.products.stac.item import ClassifiedScene, ProductFile, build_item
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.item.scene import parse_scene

PC_ITEMS = sorted((Path(__file__).parents[3] / "shared/data/pc_items/items").glob("*.json"))
CREATED = "2026-11-23T21:00:00Z"
TOKEN = "sv=2024&sig=SECRET"
ITEM_URL = "https://example.com/collections/sentinel-2-l2a/items/S2B_MSIL2A_20240825T173909_R098_T13TDE"

CONTRACT = ModelContract(
    name="eurosat12-gap",
    version="1",
    bands=BAND_NAMES,
    product_levels=("L1C", "L2A"),
    mean=tuple(1000.5 + i for i in range(12)),
    std=tuple(300.25 + i for i in range(12)),
    chip_size=64,
    resampling="bilinear",
    class_names=CLASS_NAMES,
    sha256="0f" * 32,
    framework_version="3.12.0",
    total_parameters=63_000,
    description="A small network.",
    highest=tuple(9000.0 + i for i in range(12)),
    hyperparameters={"learning_rate": 0.001},
    metrics={"validation": {"accuracy": 0.95}},
    training_data=(
        {"title": "EuroSAT", "href": "https://doi.org/x", "license": "MIT", "attribution": "(c) Patrick Helber"},
    ),
)


def pc_item(**properties):
    """A minimal item shaped like the Planetary Computer's, its hrefs signed as a careless caller leaves them."""
    west, south, east, north = bbox = [-106.2, 41.4, -104.8, 42.4]
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2B_MSIL2A_20240825T173909_R098_T13TDE_20240825T215747",
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "bbox": bbox,
        "properties": {
            "datetime": "2024-08-25T17:39:09.024000Z",
            "platform": "Sentinel-2B",
            "constellation": "Sentinel 2",
            "instruments": ["msi"],
            "eo:cloud_cover": 48.7,
            "sat:relative_orbit": 98,
            "s2:mgrs_tile": "13TDE",
            "s2:processing_baseline": "05.11",
            "s2:product_type": "S2MSI2A",
            **properties,
        },
        "links": [
            {"rel": "self", "href": f"{ITEM_URL}?{TOKEN}"},
            {"rel": "license", "href": f"https://example.com/licence?{TOKEN}"},
        ],
        "assets": {band: {"href": f"https://blob.example.com/{band}.tif?{TOKEN}"} for band in BAND_NAMES},
    }


def product(name):
    return ProductFile(name, 1234, "ab" * 32)


def described(source):
    grid = Grid("EPSG:32613", Affine(10, 0, 399960, 0, -10, 4700040), 600, 500)
    return ClassifiedScene(
        source=source,
        source_href="./raw_bands/item.json",
        classified=product(f"{source['id']}_classified.tif"),
        confidence=product(f"{source['id']}_confidence.tif"),
        overview=product(f"overview_{source['id']}_classified.tif"),
        thumbnail=product(f"{source['id']}_thumbnail.png"),
        report=product("report.html"),
        grid=grid,
        overview_grid=grid.coarsened(8),
        pixels=np.array([20_000] * 10 + [100_000]),
        contract=CONTRACT,
        model_href="../../models/eurosat12-gap/model.json",
        created=CREATED,
        parameters={"stride": "16", "resampling": "bilinear"},
        software={"lc_assets": "0.1.0", "gdal": "3.9.3"},
    )


def item_of(source):
    """The classified item's JSON as it is written."""
    item = build_item(described(parse_scene(source).document))
    return json.loads(catalog_files(item)[f"{item.id}.json"])


@pytest.fixture
def document():
    return item_of(pc_item())


def hrefs(value):
    """Every `href` in a document, at any depth."""
    if isinstance(value, dict):
        yield from (v for k, v in value.items() if k == "href")
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from hrefs(part)


@pytest.mark.parametrize(
    ("stated", "carried"), [("05.11", "05.11"), ("5.11", "05.11"), (5.1, "05.10"), ("99.99", None), (0, None)]
)
def test_a_baseline_is_carried_as_it_was_understood_and_one_that_is_none_is_not(stated, carried):
    written = item_of(pc_item(**{"s2:processing_baseline": stated, "earthsearch:boa_offset_applied": True}))
    assert written["properties"].get("s2:processing_baseline") == carried
    assert validate_offline(written) == []


@pytest.mark.skipif(not PC_ITEMS, reason="../shared is not at hand")
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


def test_checksums_are_sha256_multihashes(document):
    for asset in document["assets"].values():
        assert asset["file:checksum"] == "1220" + "ab" * 32
        assert asset["file:size"] == 1234


def test_no_href_carries_a_query_even_when_the_source_is_signed():
    # Straight into the builder, without the parser that strips them first.
    item = build_item(described(pc_item())).to_dict(include_self_link=False)
    assert "SECRET" not in json.dumps(item)
    assert not [href for href in hrefs(item) if "?" in href]
    assert ITEM_URL in hrefs(item)


def test_a_source_without_an_address_is_linked_by_its_copy():
    source = pc_item()
    source["links"] = []
    links = item_of(source)["links"]
    assert [link["href"] for link in links if link["rel"] == "derived_from"] == ["./raw_bands/item.json"]


@pytest.mark.parametrize(
    ("field", "extension"),
    [("eo:cloud_cover", "/eo/"), ("sat:relative_orbit", "/sat/"), ("s2:mgrs_tile", "/sentinel-2/")],
)
def test_an_extension_is_declared_exactly_when_a_field_of_it_is_carried(field, extension):
    source = pc_item()
    prefix = field.partition(":")[0]
    assert any(extension in uri for uri in item_of(source)["stac_extensions"])
    source["properties"] = {
        k: v for k, v in source["properties"].items() if not k.startswith(f"{prefix}:") or "baseline" in k
    }
    left = item_of(source)
    carried = any(key.startswith(f"{prefix}:") for key in left["properties"])
    assert any(extension in uri for uri in left["stac_extensions"]) == carried


def test_an_interval_is_carried_whole_or_not_at_all():
    start, end = "2024-08-25T17:39:09Z", "2024-08-25T17:39:30Z"
    whole = item_of(pc_item(start_datetime=start, end_datetime=end))
    half = item_of(pc_item(start_datetime=start))
    assert whole["properties"]["end_datetime"] == end
    assert "start_datetime" not in half["properties"]
    assert validate_offline(whole) == validate_offline(half) == []


def test_a_geometry_across_the_antimeridian_at_high_latitude_passes_unchanged():
    source = pc_item()
    west = [[[179.0, 81.0], [180.0, 81.0], [180.0, 82.0], [179.0, 82.0], [179.0, 81.0]]]
    east = [[[-180.0, 81.0], [-179.0, 81.0], [-179.0, 82.0], [-180.0, 82.0], [-180.0, 81.0]]]
    source["geometry"] = {"type": "MultiPolygon", "coordinates": [west, east]}
    source["bbox"] = [179.0, 81.0, -179.0, 82.0]
    written = item_of(source)
    assert (written["geometry"], written["bbox"]) == (source["geometry"], source["bbox"])
    assert validate_offline(written) == []


def band(document):
    return document["assets"]["classified"]["bands"][0]


@pytest.mark.parametrize(
    ("extension", "break_it"),
    [
        ("classification", lambda d: band(d)["classification:classes"][0].update(color_hint="#E8C458")),
        ("classification", lambda d: band(d)["classification:classes"][0].pop("name")),
        ("file", lambda d: d["assets"]["classified"].update({"file:size": "1234"})),
        ("file", lambda d: d["assets"]["classified"].update({"file:unheard_of": 1})),
        ("projection", lambda d: d["properties"].update({"proj:code": 32613})),
        ("projection", lambda d: d["properties"].update({"proj:epsg": 32613})),
        ("processing", lambda d: d["properties"].update({"processing:datetime": "2026-11-23 21:00"})),
        ("raster", lambda d: band(d)["raster:histogram"].pop("buckets")),
        ("eo", lambda d: d["properties"].update({"eo:cloud_cover": 101})),
        ("STAC 1.1.0", lambda d: d["properties"].pop("datetime")),
        ("STAC 1.1.0", lambda d: band(d).update(data_type="byte")),
    ],
)
def test_a_broken_field_is_caught_and_told_by_its_extension(document, extension, break_it):
    break_it(document)
    faults = validate_offline(document)
    assert any(extension in fault.split(": ")[0] for fault in faults), faults


def test_a_declared_extension_without_a_schema_at_hand_is_a_fault(document):
    document["stac_extensions"].append("https://stac-extensions.github.io/file/v1.0.0/schema.json")
    assert ["no schema is at hand" in fault for fault in validate_offline(document)] == [True]


def test_originals_in_a_folder_take_the_place_of_ours(document, tmp_path, monkeypatch):
    uri = next(uri for uri in document["stac_extensions"] if "/file/" in uri)
    (tmp_path / "file.json").write_text(json.dumps({"$id": f"{uri}#", "required": ["only in the original"]}))
    assert validate_offline(document) == []
    assert len(validate_offline(document, tmp_path)) == 1
    monkeypatch.setenv("LC_ASSETS_STAC_SCHEMAS", str(tmp_path))
    assert len(validate_offline(document)) == 1


def test_an_original_that_refers_to_a_schema_not_at_hand_is_a_fault_not_a_crash(document, tmp_path):
    uri = next(uri for uri in document["stac_extensions"] if "/file/" in uri)
    (tmp_path / "file.json").write_text(json.dumps({"$id": uri, "$ref": "https://example.com/elsewhere.json"}))
    assert ["elsewhere.json" in fault for fault in validate_offline(document, tmp_path)] == [True]


def test_pystac_reads_the_catalog_back_and_every_relative_href_resolves(tmp_path):
    scene = described(parse_scene(pc_item()).document)
    item = build_item(scene)
    folder = tmp_path / "store" / "scenes" / scene.source["id"]
    folder.mkdir(parents=True)
    model = tmp_path / "store" / "models" / "eurosat12-gap" / "model.json"
    model.parent.mkdir(parents=True)
    model.write_text(json.dumps(contract_to_item(CONTRACT)))
    for made in (scene.classified, scene.confidence, scene.overview, scene.thumbnail, scene.report):
        (folder / made.name).write_bytes(b"")
    for name, content in catalog_files(item).items():
        (folder / name).write_bytes(content)
    (read,) = pystac.Catalog.from_file(str(folder / CATALOG)).get_items()
    assert read.id == item.id
    assert set(read.assets) == {"classified", "confidence", "overview", "thumbnail", "report"}
    assert all(Path(asset.get_absolute_href()).is_file() for asset in read.assets.values())
    assert Path(read.get_single_link("mlm:model").get_absolute_href()).resolve() == model.resolve()
    assert all(href.startswith(("./", "../", "https://")) for href in hrefs(read.to_dict(include_self_link=False)))


def test_writing_twice_gives_the_same_bytes():
    first, second = (catalog_files(build_item(described(parse_scene(pc_item()).document))) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "contract",
    [
        CONTRACT,
        replace(CONTRACT, bands=BAND_NAMES[:4], mean=CONTRACT.mean[:4], std=CONTRACT.std[:4], highest=(), chip_size=32),
        replace(CONTRACT, description="", training_data=(), hyperparameters={}, metrics={}, framework_version=""),
        replace(CONTRACT, framework="PyTorch"),
        replace(CONTRACT, training_data=({"title": "Chips", "href": "https://x.org", "license": "none given"},)),
    ],
    ids=["full", "four bands", "bare", "another framework", "unlicensed data"],
)
def test_a_contract_survives_the_round_trip_through_its_item(contract):
    item = json.loads(json.dumps(contract_to_item(contract, model_href="./other.keras", model_bytes=7)))
    assert contract_from_item(item) == contract
    assert model_href(item) == "./other.keras"
    assert validate_offline(item) == []


MALFORMED = {
    "not a JSON object": lambda d: [],
    "properties is missing": lambda d: d.pop("properties") and d,
    "mlm:input is missing": lambda d: d["properties"].pop("mlm:input") and d,
    "value_scaling is missing": lambda d: d["properties"]["mlm:input"][0].pop("value_scaling") and d,
    "mean is a str": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(mean="1") or d,
    "mean is a bool": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(mean=True) or d,
    "stddev is nan": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(stddev=float("nan")) or d,
    "shape holds a str": lambda d: d["properties"]["mlm:input"][0]["input"].update(shape=[-1, "a", "a", 12]) or d,
    "[-1, 64, 64, 3]": lambda d: d["properties"]["mlm:input"][0]["input"].update(shape=[-1, 64, 64, 3]) or d,
    "'bands', 'height'": lambda d: (
        d["properties"]["mlm:input"][0]["input"].update(dim_order=["batch", "bands", "height", "width"]) or d
    ),
    "lc:product_levels holds a int": lambda d: d["properties"].update({"lc:product_levels": [1]}) or d,
    "lc:training_data is a int": lambda d: d["properties"].update({"lc:training_data": 5}) or d,
    "lc:metrics is a list": lambda d: d["properties"].update({"lc:metrics": [1]}) or d,
    "mlm:total_parameters is a str": lambda d: d["properties"].update({"mlm:total_parameters": "many"}) or d,
    "license is a list": lambda d: d["properties"].update({"lc:training_data": [{"license": ["MIT"]}]}) or d,
    "has the value 9": lambda d: d["properties"]["mlm:output"][0]["classification:classes"][0].update(value=9) or d,
    "value_scaling/0/mean is a str": lambda d: (
        d["properties"]["mlm:input"][0]["value_scaling"][0].update(mean="1") or d
    ),
    "scaled by mean 1e+30": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(mean=1e30) or d,
    "deviation 0": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(stddev=0) or d,
    "highest DN": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(maximum=900) or d,
    "resampled by 'bilinaer'": lambda d: d["properties"].update({"lc:resampling": "bilinaer"}) or d,
    'no asset with the role "mlm:model"': lambda d: d["assets"]["model"].update(roles=None) or d,
    "no SHA-256 multihash": lambda d: d["assets"]["model"].update({"file:checksum": "1220" + "zz" * 32}) or d,
}


@pytest.mark.parametrize(("said", "break_it"), MALFORMED.items(), ids=list(MALFORMED))
def test_a_malformed_model_item_is_refused_by_the_name_of_what_is_wrong(said, break_it):
    with pytest.raises(BadModel) as refusal:
        contract_from_item(break_it(copy.deepcopy(contract_to_item(CONTRACT))))
    assert said in str(refusal.value)
