"""Faults of a STAC document are found offline."""

from __future__ import annotations

import json

import pytest

from lc_assets.products.stac.validate import validate_offline
from lc_assets_tests.products.stac.items import band


@pytest.mark.parametrize(
    ("extension", "break_it"),
    [
        ("classification", lambda d: band(d)["classification:classes"][0].update(color_hint="#E8C458")),
        ("classification", lambda d: band(d)["classification:classes"][0].pop("name")),
        ("file", lambda d: d["assets"]["classified"].update({"file:size": "1234"})),
        ("file", lambda d: d["assets"]["classified"].update({"file:unheard_of": 1})),
        ("projection", lambda d: d["properties"].update({"proj:code": 32613})),
        ("projection", lambda d: d["properties"].update({"proj:epsg": "32613"})),
        ("processing", lambda d: d["properties"].update({"processing:datetime": "2026-11-23 21:00"})),
        ("raster", lambda d: d["assets"]["classified"]["raster:bands"][0]["histogram"].pop("buckets")),
        ("render", lambda d: d["properties"]["renders"]["classes"].pop("assets")),
        ("eo", lambda d: d["properties"].update({"eo:cloud_cover": 101})),
        ("STAC 1.1.0", lambda d: d["properties"].pop("datetime")),
        ("STAC 1.1.0", lambda d: band(d).update(data_type="byte")),
    ],
)
def test_a_fault_names_the_extension_of_the_field(document, extension, break_it):
    break_it(document)
    faults = validate_offline(document)
    assert any(extension in fault.split(": ")[0] for fault in faults), faults


def test_a_declared_extension_without_an_available_schema_is_a_fault(document):
    document["stac_extensions"].append("https://stac-extensions.github.io/file/v1.0.0/schema.json")
    assert ["its schema is not available" in fault for fault in validate_offline(document)] == [True]


def test_original_schemas_in_a_folder_replace_ours(document, tmp_path, monkeypatch):
    uri = next(uri for uri in document["stac_extensions"] if "/file/" in uri)
    (tmp_path / "file.json").write_text(json.dumps({"$id": f"{uri}#", "required": ["only in the original"]}))
    assert validate_offline(document) == []
    assert len(validate_offline(document, tmp_path)) == 1
    monkeypatch.setenv("LC_ASSETS_STAC_SCHEMAS", str(tmp_path))
    assert len(validate_offline(document)) == 1


def test_an_original_schema_that_refers_to_an_unavailable_schema_is_a_fault(document, tmp_path):
    uri = next(uri for uri in document["stac_extensions"] if "/file/" in uri)
    (tmp_path / "file.json").write_text(json.dumps({"$id": uri, "$ref": "https://example.com/elsewhere.json"}))
    assert ["elsewhere.json" in fault for fault in validate_offline(document, tmp_path)] == [True]
