"""Area files of a search, as people have them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.sentinel2.search.area import geometry_of
from lc_assets_tests.rig.command import invoke

RING = [[13.2, 55.4], [13.6, 55.4], [13.6, 55.7], [13.2, 55.7], [13.2, 55.4]]
SQUARE = {"type": "Polygon", "coordinates": [RING]}
OTHER = {"type": "MultiPolygon", "coordinates": [[[[lon + 1, lat] for lon, lat in RING]]]}


def feature(shape: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": {}, "geometry": shape}


def crs(name: str) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


def read(document: Any, *, start: bytes = b"") -> dict[str, Any]:
    return geometry_of(start + json.dumps(document).encode(), "area.geojson")


@pytest.mark.parametrize(
    "document", [SQUARE, feature(SQUARE), {"type": "FeatureCollection", "features": [feature(SQUARE)]}]
)
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_polygon_is_read_in_each_wrapping_with_and_without_a_byte_order_mark(document: Any, start: bytes) -> None:
    assert read(document, start=start) == SQUARE


def test_several_features_are_one_area() -> None:
    found = read({"type": "FeatureCollection", "features": [feature(SQUARE), feature(OTHER)]})
    assert found == {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"], *OTHER["coordinates"]]}


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"])
def test_a_crs_of_degrees_changes_nothing(name: str) -> None:
    assert read({**SQUARE, "crs": crs(name)}) == SQUARE


def test_metres_become_degrees() -> None:
    """Small ones too, that could be taken for degrees: in UTM zone 33, false easting 500 km, this is by the equator."""
    metres = {"type": "Polygon", "coordinates": [[[0, 0], [100, 0], [100, 80], [0, 80], [0, 0]]]}
    found = read(
        {"type": "FeatureCollection", "crs": crs("urn:ogc:def:crs:EPSG::32633"), "features": [feature(metres)]}
    )
    longitudes, latitudes = zip(*found["coordinates"][0], strict=True)
    assert 10.5 < min(longitudes) <= max(longitudes) < 10.52
    assert max(latitudes) < 0.001


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"SQLite format 3\x00" + bytes(range(256)), "is a GeoPackage"),
        (bytes(range(256)), "is no GeoJSON of polygons"),
        (b"", "is no GeoJSON of polygons"),
        (b"[" * 100_000, "is no GeoJSON of polygons"),
        (b'{"type": "FeatureCollection", "features": []}', "is no GeoJSON of polygons"),
        (b'{"type": "Point", "coordinates": [13, 55]}', "is no GeoJSON of polygons"),
        (json.dumps({**SQUARE, "crs": crs("EPSG:999999")}).encode(), "has a crs that is not known"),
        (json.dumps({**SQUARE, "crs": crs("nonsense")}).encode(), "has a crs that is not known"),
        (json.dumps({**SQUARE, "crs": "EPSG:32633"}).encode(), "is no GeoJSON of polygons"),
        (
            json.dumps({**SQUARE, "coordinates": [[[x * 1e5, y] for x, y in RING]]}).encode(),
            "is no GeoJSON of polygons",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_no_area_is_one_line(content: bytes, told: str) -> None:
    with pytest.raises(BadReference, match=f"area.geojson {told}") as raised:
        geometry_of(content, "area.geojson")
    assert "\n" not in str(raised.value)


def test_a_geopackage_on_the_command_line_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "area.gpkg"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE gpkg_contents (table_name TEXT)")
    database.close()
    done = invoke("search", "--geometry", path)
    assert done.exit_code == 1
    assert "area.gpkg is a GeoPackage" in done.output
