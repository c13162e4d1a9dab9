"""Check the datetime, bbox and geometry of an item before its bands are read: the item of the map repeats them."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from lc_assets.core.errors import BadItem
from lc_assets.core.json_values import is_number

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_REMEDY = "fetch the item again from its catalog"


def settle_place_and_time(document: dict[str, Any]) -> list[str]:
    """Check an item's datetime, bbox and geometry, in place: what is missing or malformed is taken from the others.

    Args:
        document: the item; it is changed.

    Returns:
        What was missing or malformed, and what was taken instead.

    Raises:
        BadItem: there is no RFC 3339 time with zone, west and east of the bbox are swapped, or neither the bbox nor the
            geometry is one in degrees.
    """
    notes: list[str] = []
    _settle_time(document["properties"], notes)
    box, shape = document.get("bbox"), document.get("geometry")
    usable_box = _box_of(box)
    usable_shape = shape if isinstance(shape, dict) and is_polygon(shape) else None
    if usable_box and usable_box[0] > usable_box[2] and usable_box[0] - usable_box[2] < 180:
        # West > east means a box across the antimeridian, but a tile is never half as wide as the Earth.
        raise BadItem(f"its bbox {box} has west and east swapped", remedy=_REMEDY)
    if usable_box is None and usable_shape is not None:
        usable_box = _bounds_of(usable_shape)
        notes.append(f"its bbox {str(box)[:80]} is no box in degrees: that of its geometry is taken")
    if usable_box is None:
        raise BadItem("it has neither a bbox nor a geometry in degrees", remedy=_REMEDY)
    if usable_shape is None:
        usable_shape = rectangle(*usable_box)
        kind = str(shape.get("type"))[:40] if isinstance(shape, dict) else str(shape)[:40]
        notes.append(f"its geometry ({kind}) is no polygon in degrees: its bbox is taken")
    document.update(bbox=usable_box, geometry=usable_shape)
    return notes


def _settle_time(properties: dict[str, Any], notes: list[str]) -> None:
    when = properties.get("datetime")
    if when is None and isinstance(properties.get("start_datetime"), str):  # STAC: null, with start and end
        when = properties["datetime"] = properties["start_datetime"]
        notes.append("it has no datetime: its start_datetime is taken")
    if not isinstance(when, str):
        remedy = "give it the acquisition time in properties.datetime"
        raise BadItem("the STAC item has no datetime", remedy=remedy)
    try:
        if not _RFC3339.fullmatch(when):
            raise ValueError
        datetime.fromisoformat(re.sub(r"\.\d+", "", when).upper().replace("Z", "+00:00"))
    except ValueError:
        raise BadItem(f"its datetime {when[:40]!r} is no RFC 3339 time with zone", remedy=_REMEDY) from None


def _box_of(box: Any) -> list[float] | None:
    """Return west, south, east and north of a bbox of two or three dimensions, or None. Longitudes a little beyond 180
    degrees, as some catalogs write them for scenes across the antimeridian, are brought back."""
    if not isinstance(box, list) or len(box) not in (4, 6) or not all(is_number(n) for n in box):
        return None
    west, south, east, north = box[0], box[1], box[len(box) // 2], box[len(box) // 2 + 1]
    if not -90 <= south <= north <= 90 or max(abs(west), abs(east)) > 360:
        return None
    return [_longitude(west), south, _longitude(east), north]


def _longitude(degrees: float) -> float:
    return degrees if abs(degrees) <= 180 else degrees - math.copysign(360, degrees)


def _bounds_of(shape: dict[str, Any]) -> list[float] | None:
    """Return the box around a (multi)polygon, with west > east if its parts are on both sides of the antimeridian; None
    where a ring itself crosses it, which is then wider than half the Earth."""
    polygons = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
    positions = [position for polygon in polygons for ring in polygon for position in ring]
    west, east = min(p[0] for p in positions), max(p[0] for p in positions)
    if east - west > 180:
        rings = [[position[0] for position in ring] for polygon in polygons for ring in polygon]
        if any(max(ring) - min(ring) > 180 for ring in rings):
            return None
        west = min(min(ring) for ring in rings if max(ring) > 0)
        east = max(max(ring) for ring in rings if max(ring) <= 0)
    return [west, min(p[1] for p in positions), east, max(p[1] for p in positions)]


def rectangle(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Return a box as a GeoJSON polygon; with west > east, across the antimeridian, as its parts on both sides."""
    crosses = west > east
    parts = [part for part in ((west, 180.0), (-180.0, east)) if part[0] < part[1]] if crosses else [(west, east)]
    polygons = [[[[w, south], [e, south], [e, north], [w, north], [w, south]]] for w, e in parts]
    if crosses:
        return {"type": "MultiPolygon", "coordinates": polygons}
    return {"type": "Polygon", "coordinates": polygons[0]}


def is_polygon(shape: dict[str, Any]) -> bool:
    """True for a GeoJSON polygon or multipolygon with finite degrees and closed rings."""
    depth = {"Polygon": 2, "MultiPolygon": 3}.get(str(shape.get("type")))
    return depth is not None and _is_nested(shape.get("coordinates"), depth)


def _is_nested(value: Any, depth: int) -> bool:
    """True for lists nested `depth` deep whose innermost lists are rings: at least four positions, the first one
    repeated at the end."""
    if not isinstance(value, list) or not value:
        return False
    if depth > 1:
        return all(_is_nested(part, depth - 1) for part in value)
    return len(value) >= 4 and value[0] == value[-1] and all(_is_position(position) for position in value)


def _is_position(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (2, 3)
        and all(is_number(n) for n in value)
        and abs(value[0]) <= 180
        and abs(value[1]) <= 90
    )
