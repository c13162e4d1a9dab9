"""Words that messages and pages share."""

from __future__ import annotations


def quantity(number: int, noun: str) -> str:
    """Return `1 scene` or `2,000 scenes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
