"""Limits on the size of an item, checked before its content is used or anything is fetched.

Each limit is far above what catalogs write (an item of the Planetary Computer has 24 assets, about 900 values and no
text longer than 300 characters), and far below what would fill memory, a page of the UI, or the interpreter's stack.
"""

from __future__ import annotations

import math
from typing import Any

from lc_assets.core.errors import BadItem

MAX_ASSETS = 1_000
"""Largest number of assets. Items of Earth Search have 36."""
MAX_DEPTH = 64
"""Largest number of nesting levels. A multipolygon has 7; Python's recursion limit is near 1,000."""
MAX_TEXT = 250_000
"""Largest number of characters of one text: enough for a long description or a thumbnail as a data URL."""
MAX_KEY = 200
"""Largest number of characters of one key, because messages repeat keys."""
MAX_VALUES = 250_000
"""Largest number of values in total: enough for 1,000 assets of 200 values and a geometry."""
MAX_POINTS = 10_000
"""Largest number of positions of a geometry, which the item of the map repeats. A tile's footprint has 5 to 100."""
MAX_INTEGER = 1 << 64
"""Upper limit of whole numbers. JSON's are exact up to 2**53, Python's have no limit, and one of 400 digits breaks
arithmetic with floats."""

_REMEDY = "use the item as its catalog gives it"


def check_size(document: dict[str, Any]) -> None:
    """Check a parsed item against the limits.

    Raises:
        BadItem: it exceeds a limit, or has a number that JSON does not allow.
    """
    assets = document.get("assets")
    if isinstance(assets, dict) and len(assets) > MAX_ASSETS:
        raise BadItem(f"it lists {len(assets)} assets, more than {MAX_ASSETS}", remedy=_REMEDY)
    geometry = document.get("geometry")
    count = 0
    stack: list[tuple[Any, int]] = [(document, 1)]
    while stack:  # no recursion, because the depth is not yet checked
        value, depth = stack.pop()
        count += 1
        if count > MAX_VALUES:
            raise BadItem(f"it holds more than {MAX_VALUES} values", remedy=_REMEDY)
        if isinstance(value, dict):
            for key in value:
                if len(key) > MAX_KEY:
                    raise BadItem(f"one of its keys has {len(key)} characters", remedy=_REMEDY)
            stack.extend((entry, depth + 1) for entry in value.values())
        elif isinstance(value, list):
            stack.extend((entry, depth + 1) for entry in value)
        elif isinstance(value, str) and len(value) > MAX_TEXT:
            raise BadItem(f"one of its texts has {len(value)} characters, more than {MAX_TEXT}", remedy=_REMEDY)
        elif isinstance(value, float) and not math.isfinite(value):
            raise BadItem(f"it holds the number {value}", remedy=_REMEDY)
        elif isinstance(value, int) and abs(value) >= MAX_INTEGER:
            raise BadItem("it holds a whole number of 20 digits or more", remedy=_REMEDY)
        if depth > MAX_DEPTH and isinstance(value, dict | list):
            raise BadItem(f"it is nested deeper than {MAX_DEPTH} levels", remedy=_REMEDY)
    points = _points(geometry.get("coordinates") if isinstance(geometry, dict) else None)
    if points > MAX_POINTS:
        raise BadItem(f"its geometry has {points} points, more than {MAX_POINTS}", remedy=_REMEDY)


def _points(coordinates: Any) -> int:
    """Return the number of positions in nested lists. A position is a list whose first entry is not a list."""
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
