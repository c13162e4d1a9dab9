"""Files of polygons, as people have them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely

from lc_assets.core.errors import BadReference
from lc_assets.raster.polygons import DEGREES, Polygons, box_polygon, read_polygons
from lc_assets_tests.rig.command import invoke

RING = [[13.2, 55.4], [13.6, 55.4], [13.6, 55.7], [13.2, 55.7], [13.2, 55.4]]
SQUARE = {"type": "Polygon", "coordinates": [RING]}
BOX = shapely.box(13.2, 55.4, 13.6, 55.7)
OTHER = {"type": "MultiPolygon", "coordinates": [[[[lon + 1, lat] for lon, lat in RING]]]}


def feature(shape: dict[str, Any] | None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": shape}


def collection(*features: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **more}


def crs(name: str) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


def read(document: Any, *, start: bytes = b"") -> Polygons:
    return read_polygons(start + json.dumps(document).encode(), "area.geojson")


@pytest.mark.parametrize("document", [SQUARE, feature(SQUARE), collection(feature(SQUARE))])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n "])
def test_a_polygon_is_read_in_each_wrapping_with_and_without_a_byte_order_mark(document: Any, start: bytes) -> None:
    found = read(document, start=start)
    assert shapely.equals(found.shapes[0], BOX)
    assert shapely.equals(shapely.geometry.shape(found.degrees()), BOX)


def test_several_features_are_one_area_with_their_names() -> None:
    found = read(
        collection(
            feature(SQUARE, Name="west"), feature(OTHER, Name="east"), feature(OTHER, Name="east"), feature(None)
        )
    )
    assert found.names == ("west", "east", "east (2)")
    assert shapely.geometry.shape(found.degrees()).area == pytest.approx(2 * BOX.area)


def test_names_are_unique_lines_of_text() -> None:
    names = ["a", "a (2)", "a", "two\nlines", "\x1b[31mred", " "]
    found = read(collection(*[feature(SQUARE, name=name) for name in names]))
    assert found.names == ("a", "a (2)", "a (3)", "two lines", "[31mred", "unnamed")


def test_features_without_a_name_are_numbered() -> None:
    assert read(collection(feature(SQUARE, size=3), feature(OTHER, size=4))).names == ("1", "2")


@pytest.mark.parametrize("driver", ["GPKG", "FlatGeobuf", "ESRI Shapefile", "GeoJSON", "zipped shapefile"])
@pytest.mark.parametrize("code", ["EPSG:4326", "EPSG:32633", "EPSG:3857", "EPSG:3035"])
def test_each_format_is_read_in_each_crs(tmp_path: Path, driver: str, code: str) -> None:
    moved = Polygons(("a",), np.array([BOX]), DEGREES).to(code).shapes
    name = {"GPKG": "a.gpkg", "FlatGeobuf": "a.fgb", "GeoJSON": "a.geojson"}.get(driver, "a.shp")
    pyogrio.raw.write(
        tmp_path / name,
        shapely.to_wkb(moved),
        [np.array(["Skåne"])],
        ["name"],
        crs=code,
        geometry_type="Polygon",
        driver="ESRI Shapefile" if "hapefile" in driver else driver,
        encoding="UTF-8",
    )
    path = tmp_path / name
    if driver == "zipped shapefile":
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for part in tmp_path.glob("a.*"):
                if part != path:
                    archive.write(part, part.name)
    for source in (path, *([path.read_bytes()] if path.suffix != ".shp" else [])):
        found = read_polygons(source, path.name)
        assert found.names == ("Skåne",)
        shape = shapely.geometry.shape(found.degrees())
        assert shapely.symmetric_difference(shape, BOX).area < 1e-3 * BOX.area


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"])
def test_a_crs_of_degrees_changes_nothing(name: str) -> None:
    assert shapely.equals(read({**SQUARE, "crs": crs(name)}).shapes[0], BOX)


def test_metres_become_degrees() -> None:
    """Small ones too, that could be taken for degrees: in UTM zone 33, false easting 500 km, this is by the equator."""
    metres = {"type": "Polygon", "coordinates": [[[0, 0], [100, 0], [100, 80], [0, 80], [0, 0]]]}
    found = read(collection(feature(metres), crs=crs("urn:ogc:def:crs:EPSG::32633")))
    west, _, east, north = shapely.bounds(shapely.geometry.shape(found.degrees()))
    assert 10.5 < west <= east < 10.52
    assert north < 0.001


def test_unclosed_and_self_crossing_polygons_are_repaired() -> None:
    unclosed = read({"type": "Polygon", "coordinates": [RING[:-1]]})
    assert shapely.equals(unclosed.shapes[0], BOX)
    crossing = read({"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]})
    assert shapely.is_valid(crossing.shapes[0])
    assert crossing.shapes[0].area == pytest.approx(2)


def test_a_box_over_the_antimeridian_has_two_parts() -> None:
    parts = {shape.bounds for shape in shapely.get_parts(box_polygon(179, -1, -179, 1).shapes)}
    assert parts == {(179, -1, 180, 1), (-180, -1, -179, 1)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"SQLite format 3\x00" + bytes(range(256)), "is not a file of polygons"),
        (bytes(range(256)), "is not a file of polygons"),
        (b"", "is not a file of polygons"),
        (b"[" * 100_000, "is not a file of polygons"),
        (b'{"a":' * 100_000, "is not a file of polygons"),
        (b'{"type": "FeatureCollection", "features": []}', "has no polygon"),
        (b'{"type": "Feature", "properties": {}, "geometry": null}', "has no polygon"),
        (b'{"type": "Point", "coordinates": [13, 55]}', "has lines or points"),
        (b'{"type": "Polygon", "coordinates": [[[13, 55], [14, 55]]]}', "has a polygon without an area"),
        (b'{"type": "Polygon", "coordinates": [[[13, 55], [1e999, 55], [14, 56], [13, 55]]]}', "has a polygon without"),
        (json.dumps({**SQUARE, "crs": crs("EPSG:999999")}).encode(), "has a CRS that is not known"),
        (json.dumps({**SQUARE, "crs": crs("nonsense")}).encode(), "has a CRS that is not known"),
        (json.dumps({**SQUARE, "crs": {"type": "link"}}).encode(), "has a CRS that is not known"),
        (json.dumps({**SQUARE, "crs": []}).encode(), "has a CRS that is not known"),
        (json.dumps({**SQUARE, "crs": [1]}).encode(), "is not a file of polygons"),
        (json.dumps({**SQUARE, "crs": crs('LOCAL_CS["x"]')}).encode(), "has a CRS that is not known"),
        (
            json.dumps({**SQUARE, "coordinates": [[[x * 1e8, y] for x, y in RING]], "crs": crs("EPSG:3857")}).encode(),
            "has coordinates that are not on the Earth",
        ),
        (json.dumps({**SQUARE, "coordinates": [[[x * 1e5, y] for x, y in RING]]}).encode(), "has coordinates that are"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_no_area_is_one_line(content: bytes, told: str) -> None:
    with pytest.raises(BadReference, match=f"area.geojson {told}") as raised:
        read_polygons(content, "area.geojson")
    assert "\n" not in str(raised.value)


def test_a_file_without_polygons_is_one_line_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "area.gpkg"
    path.write_bytes(b"SQLite format 3\x00")
    done = invoke("search", "--geometry", path)
    assert done.exit_code == 1
    assert "area.gpkg is not a file of polygons" in done.output


def test_the_same_ground_is_known_in_any_crs() -> None:
    box = box_polygon(13.2, 55.4, 13.6, 55.7)
    assert box.covers_same(read(SQUARE))
    assert box.covers_same(box.to("EPSG:32633"))
    assert not box.covers_same(box_polygon(13.2, 55.4, 13.6, 55.701))
