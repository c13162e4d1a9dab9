"""Parse the area of a search as a user gives it: a box, or a GeoJSON file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform_geom

from lc_assets.core.errors import BadReference
from lc_assets.core.json_values import parse_json
from lc_assets.sentinel2.item.footprint import is_polygon


def box_of(text: str) -> tuple[float, float, float, float]:
    """Parse a box `W,S,E,N` and return (west, south, east, north) in degrees.

    Raises:
        BadReference: the text is not four numbers.
    """
    try:
        west, south, east, north = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise BadReference(
            f"{text[:60]!r} is no box", remedy="give W,S,E,N in degrees, e.g. 13.2,55.4,13.6,55.7"
        ) from None
    return west, south, east, north


def geometry_of(content: bytes, name: str) -> dict[str, Any]:
    """Return the (multi)polygon of a GeoJSON file: a geometry, a feature, or a collection of features, whose polygons
    become one multipolygon. Coordinates of another CRS, which the old member `crs` names, become degrees.

    Args:
        content: the content of the file, UTF-8 with or without a byte-order mark.
        name: the name of the file, for messages.

    Raises:
        BadReference: the content is no GeoJSON of polygons, or its `crs` is not known.
    """
    remedy = "give a GeoJSON file of polygons or multipolygons, in degrees or with a crs"
    if content.startswith(b"SQLite format 3"):
        raise BadReference(f"{name} is a GeoPackage", remedy=f"{remedy}: `ogr2ogr area.geojson {Path(name).name}`")
    try:
        document = parse_json(content.decode("utf-8-sig"))
        crs = _crs_of(document.get("crs"))
        features = document["features"] if document.get("type") == "FeatureCollection" else [document]
        shapes = [feature["geometry"] if feature.get("type") == "Feature" else feature for feature in features]
        if crs:
            shapes = [transform_geom(crs, "OGC:CRS84", shape) for shape in shapes]
            shapes = [parse_json(json.dumps(shape)) for shape in shapes]  # tuples become lists
        if not shapes or not all(is_polygon(shape) for shape in shapes):
            raise ValueError
    except (CRSError, CPLE_BaseError):
        raise BadReference(f"{name} has a crs that is not known", remedy="write its coordinates in degrees") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadReference(f"{name} is no GeoJSON of polygons", remedy=remedy) from None
    if len(shapes) == 1:
        return {key: shapes[0][key] for key in ("type", "coordinates")}
    parts = [[s["coordinates"]] if s["type"] == "Polygon" else s["coordinates"] for s in shapes]
    return {"type": "MultiPolygon", "coordinates": [polygon for part in parts for polygon in part]}


def _crs_of(member: Any) -> CRS | None:
    """Return the CRS of GeoJSON's old member `crs` (GeoJSON 2008, 3); None for degrees, east first.

    Raises:
        CRSError: it names no CRS that PROJ knows.
        KeyError, TypeError: it is malformed.
    """
    if member is None:
        return None
    name = member["properties"]["name"]
    if name.endswith("CRS84") or re.fullmatch(r"(?i)(urn:ogc:def:crs:)?epsg:[0-9.]*:?4326", name):
        return None
    return CRS.from_user_input(name)
