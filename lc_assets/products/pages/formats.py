"""How the pages write values, numbers and dates: plain text, which the templates escape."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from lc_assets.core.errors import printable

_LONGEST = 300
"""Characters of a text, at most."""
_NARROW = "\u202f"
"""Narrow no-break space, between a number and its percent sign."""


def text(value: Any) -> str:
    """Any JSON value as one line of at most 300 characters, without control characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        try:
            return f"{value:.12g}" if math.isfinite(value) else "not a number"
        except OverflowError:  # an integer too large for a float
            return "not a number"
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    words = printable(" ".join(words[: 4 * _LONGEST].split()))
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def percent(share: float) -> str:
    """A share (0 to 1) in percent; a small share is `< 0.1 %`, never `0.0 %`."""
    return f"< 0.1{_NARROW}%" if 0 < share < 0.0005 else percentage(100 * share)


def percentage(value: float) -> str:
    """A number of percent, with one decimal."""
    return f"{value:.1f}{_NARROW}%"


def hectares(area: float) -> str:
    """An area in hectares, with a decimal below 100 ha."""
    return f"{area:,.0f}" if area >= 100 else f"{area:,.1f}"


def day(time: datetime) -> str:
    """`21 June 2024`."""
    return f"{time.day} {time:%B %Y}"
