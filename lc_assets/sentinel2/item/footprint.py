"""Check the datetime, bbox and geometry of an item before its bands are read: the item of the map repeats them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from lc_assets.core.errors import BadItem
from lc_assets.core.json_values import is_number

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_REMEDY = "fetch the item again from its catalog"


def check_place_and_time(document: dict[str, Any], item_id: str) -> None:
    """Check an item's datetime, bbox and geometry.

    Raises:
        BadItem: the datetime is not an RFC 3339 time with zone, the bbox is not a box of finite degrees, or the
        geometry is not a (multi)polygon of finite degrees.
    """
    when = document["properties"]["datetime"]
    try:
        if not _RFC3339.fullmatch(when):
            raise ValueError
        datetime.fromisoformat(re.sub(r"\.\d+", "", when).upper().replace("Z", "+00:00"))
    except ValueError:
        raise BadItem(
            f"its datetime {when[:40]!r} is no RFC 3339 time with zone", item=item_id, remedy=_REMEDY
        ) from None
    box = document["bbox"]
    numbers = len(box) in (4, 6) and all(is_number(n) for n in box)
    if not numbers or not (-90 <= box[1] <= box[len(box) // 2 + 1] <= 90) or max(map(abs, (box[0], box[-2]))) > 180:
        raise BadItem(f"its bbox {str(box)[:80]} is no box in degrees", item=item_id, remedy=_REMEDY)
    if len(box) == 4 and box[0] > box[2] and box[0] - box[2] < 180:
        # West > east means a box across the antimeridian, but a tile is never half as wide as the Earth.
        raise BadItem(f"its bbox {box} has west and east swapped", item=item_id, remedy=_REMEDY)
    shape = document["geometry"]
    if not is_polygon(shape):
        raise BadItem(
            f"its geometry ({str(shape.get('type'))[:40]}) is no polygon in degrees", item=item_id, remedy=_REMEDY
        )


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
