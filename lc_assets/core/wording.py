"""Words that messages and pages share."""

from __future__ import annotations


def quantity(number: int, noun: str) -> str:
    """Return `1 scene` or `2,000 scenes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def amount(size: int) -> str:
    """Return a number of bytes as text: `12.3 MB`."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"
