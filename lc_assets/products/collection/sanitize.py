"""Checks whether an Item can be a row of the index. A value of a wrong type would change its column for all items."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from pystac.utils import str_to_datetime

from lc_assets.core.json_values import is_number, is_percentage
from lc_assets.core.landcover import ALL_CLASSES

CLASS_KEYS = tuple(c.name.replace(" ", "") for c in ALL_CLASSES)
"""Class names in `lc:hectares`."""
_MAX_DEPTH = 64
_INT64 = 1 << 63
_MAX_HECTARES = 1e11
"""Largest possible area in hectares: more than the surface of the Earth."""
_EARLIEST = datetime(2, 1, 1, tzinfo=timezone.utc)
_LATEST = datetime(9998, 12, 31, tzinfo=timezone.utc)
_TIMES = ("datetime", "updated", "created", "start_datetime", "end_datetime")
_MEMBERS = (
    *("type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "properties", "links", "assets"),
    "collection",
)
"""Top-level fields of an Item. Fields and properties are columns of one table, so their names must differ."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "eo:cloud_cover": is_percentage,
    **dict.fromkeys(("gsd", "lc:seconds"), is_number),
    **dict.fromkeys(("lc:model", "s2:mgrs_tile", "platform", "constellation", "proj:code"), _is_text),
}
"""Properties that searches and summaries use. A value that fails its check is left out of the row."""
_OWN = {name.casefold() for name in (*_KINDS, *_TIMES, "lc:hectares")}


def check_values(document: Any) -> None:
    """Check that all values of a document can be written, without recursion: a document can be deeply nested.

    Raises:
        ValueError: a string or a number cannot be written, or the document is nested too deeply.
    """
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [below for value in level for below in _below(value)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {_MAX_DEPTH} levels")


def _below(value: Any) -> list[Any]:
    """Check a value and return the values that it contains."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        value.encode()  # raises UnicodeEncodeError (a ValueError) for half of a surrogate pair
    elif isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise ValueError("it has an integer that does not fit into 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it has a number that is not finite")
    return []


def members(document: dict[str, Any]) -> dict[str, Any]:
    """Return an Item with only the fields that STAC defines for Items."""
    return {name: document[name] for name in _MEMBERS if name in document}


def sanitize(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties that can be columns of the index.

    Raises:
        ValueError, TypeError, OverflowError: a time or an area is not valid.
    """
    kept = {name: value for name, value in properties.items() if _fits(name, value)}
    for name in _TIMES:
        if name in ("datetime", "updated") or kept.get(name) is not None:
            _check_time(name, kept.get(name))
    hectares = areas(kept.pop("lc:hectares", None))
    return {**kept, **({"lc:hectares": hectares} if hectares else {})}


def areas(hectares: Any) -> dict[str, float]:
    """Return class name -> hectares for the known classes. Other names are dropped, so they do not become columns.

    Raises:
        ValueError, TypeError: an area is not a number, or is out of range.
    """
    found = {name: float(area) for name, area in dict(hectares or {}).items() if name in CLASS_KEYS}
    for name, area in found.items():
        if not 0 <= area <= _MAX_HECTARES:
            raise ValueError(f"its lc:hectares of {name} is {area}")
    return found


def _fits(name: str, value: Any) -> bool:
    folded = name.casefold()
    if folded in _MEMBERS or folded.startswith("lc:hectares_"):
        return False
    if folded in _OWN and name != folded:
        return False  # DuckDB treats both spellings as one column
    return name not in _KINDS or _KINDS[name](value)


def _check_time(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"its {name} is not a string")
    moment = str_to_datetime(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    if not _EARLIEST <= moment.astimezone(timezone.utc) <= _LATEST:
        raise ValueError(f"its {name} is out of range")
