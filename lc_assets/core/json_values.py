"""Parse JSON from other programs, and check the numbers in it."""

from __future__ import annotations

import json
import math
from typing import Any, TypeGuard


def parse_json(text: str | bytes) -> Any:
    """Parse JSON. `NaN` and `Infinity`, which some programs write although JSON has no such numbers, become None.

    Raises:
        ValueError: the text is not JSON or not UTF-8.
        RecursionError: the text is nested too deeply.
    """
    return json.loads(text, parse_constant=lambda constant: None)


def is_number(value: Any) -> TypeGuard[float]:
    """Return True for a finite number that a float can hold. A bool is not a number."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def is_percentage(value: Any) -> TypeGuard[float]:
    """Return True for a number from 0 to 100."""
    return is_number(value) and 0 <= value <= 100
