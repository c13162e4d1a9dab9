"""Format values, numbers and dates for the pages, as plain text, which the templates escape."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

from pystac.utils import str_to_datetime

from lc_assets.core.errors import printable

_MAX_LENGTH = 300
"""Largest number of characters of a text."""
_NARROW = "\u202f"
"""Narrow no-break space, between a number and its percent sign."""


def text(value: Any) -> str:
    """Return any JSON value as one line of at most 300 characters, without control characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        try:
            return f"{value:.12g}" if math.isfinite(value) else "not a number"
        except OverflowError:  # an integer too large for a float
            return "not a number"
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    words = printable(" ".join(words[: 4 * _MAX_LENGTH].split()))
    return words if len(words) <= _MAX_LENGTH else f"{words[: _MAX_LENGTH - 1]}…"


def percent(share: float) -> str:
    """Return a share (0 to 1) in percent; a small share is `< 0.1 %`, never `0.0 %`."""
    return f"< 0.1{_NARROW}%" if 0 < share < 0.0005 else percentage(100 * share)


def percentage(value: float) -> str:
    """Return a number of percent with one decimal."""
    return f"{value:.1f}{_NARROW}%"


def hectares(area: float) -> str:
    """Return an area in hectares, with one decimal below 100 ha."""
    return f"{area:,.0f}" if area >= 100 else f"{area:,.1f}"


def square_kilometres(area: float) -> str:
    """Return an area in hectares as one in square kilometres, with one decimal below 10 km²."""
    return f"{area / 100:,.0f} km²" if area >= 1000 else f"{area / 100:.1f} km²"


def period(first: datetime, last: datetime) -> str:
    """Return two dates as `1 May 2024 to 21 June 2024`; one date if both are the same day."""
    return day(first) if day(first) == day(last) else f"{day(first)} to {day(last)}"


def utc(time: str) -> datetime:
    """Return a time of a STAC item in UTC. A time without a zone is one in UTC.

    Raises:
        ValueError, TypeError, OverflowError: it is not a time.
    """
    found = str_to_datetime(time)
    return found.astimezone(timezone.utc) if found.tzinfo else found.replace(tzinfo=timezone.utc)


def day(time: datetime) -> str:
    """Return a date as `21 June 2024`."""
    return f"{time.day} {time:%B %Y}"
