"""How large an item may be: checked before anything in it is looked at, let alone fetched.

Each limit is far above what catalogues write (a Planetary Computer item has 24 assets, some 900 values and nothing
longer than 300 characters) and far below what would fill memory, a page of the UI, or the interpreter's stack.
"""

from __future__ import annotations

import math
from typing import Any

from lc_assets.core.errors import BadItem

MAX_ASSETS = 1_000
"""Earth Search lists 36."""
MAX_DEPTH = 64
"""Levels of nesting: a multipolygon is 7 deep; Python's own recursion ends near 1,000."""
MAX_TEXT = 250_000
"""Characters of one text: a long description, or a thumbnail as a data URL; no text in an item is megabytes long."""
MAX_KEY = 200
"""Characters of one key: it comes back in messages."""
MAX_VALUES = 250_000
"""Values in all: 1,000 assets of 200 values and a geometry."""
MAX_POINTS = 10_000
"""Positions of a geometry: a tile's footprint has 5 to 100; the map's item repeats it."""
MAX_INTEGER = 1 << 64
"""JSON's own whole numbers end at 2**53; Python's do not, and one of 400 digits breaks arithmetic with floats."""

_REMEDY = "use the item as its catalog gives it"


def check_size(document: dict[str, Any], item_id: str) -> None:
    """Hold a parsed item against the limits.

    Raises:
        BadItem: it is larger than one of them, or holds a number that JSON cannot hold.
    """
    assets = document.get("assets")
    if isinstance(assets, dict) and len(assets) > MAX_ASSETS:
        raise BadItem(f"it lists {len(assets)} assets, more than {MAX_ASSETS}", item=item_id, remedy=_REMEDY)
    geometry = document.get("geometry")
    count = 0
    stack: list[tuple[Any, int]] = [(document, 1)]
    while stack:  # no recursion: the depth is what is being checked
        value, depth = stack.pop()
        count += 1
        if count > MAX_VALUES:
            raise BadItem(f"it holds more than {MAX_VALUES} values", item=item_id, remedy=_REMEDY)
        if isinstance(value, dict):
            for key in value:
                if len(key) > MAX_KEY:
                    raise BadItem(f"one of its keys has {len(key)} characters", item=item_id, remedy=_REMEDY)
            stack.extend((entry, depth + 1) for entry in value.values())
        elif isinstance(value, list):
            stack.extend((entry, depth + 1) for entry in value)
        elif isinstance(value, str) and len(value) > MAX_TEXT:
            raise BadItem(
                f"one of its texts has {len(value)} characters, more than {MAX_TEXT}", item=item_id, remedy=_REMEDY
            )
        elif isinstance(value, float) and not math.isfinite(value):
            raise BadItem(f"it holds the number {value}", item=item_id, remedy=_REMEDY)
        elif isinstance(value, int) and abs(value) >= MAX_INTEGER:
            raise BadItem("it holds a whole number of 20 digits or more", item=item_id, remedy=_REMEDY)
        if depth > MAX_DEPTH and isinstance(value, dict | list):
            raise BadItem(f"it is nested deeper than {MAX_DEPTH} levels", item=item_id, remedy=_REMEDY)
    points = _points(geometry.get("coordinates") if isinstance(geometry, dict) else None)
    if points > MAX_POINTS:
        raise BadItem(f"its geometry has {points} points, more than {MAX_POINTS}", item=item_id, remedy=_REMEDY)


def _points(coordinates: Any) -> int:
    """How many positions (lists that begin with a number) are in nested lists."""
    points = 0
    stack = [coordinates]
    while stack:
        value = stack.pop()
        if isinstance(value, list) and value:
            if isinstance(value[0], list):
                stack.extend(value)
            else:
                points += 1
    return points
