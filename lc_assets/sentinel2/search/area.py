"""Parse the box of a search as a user gives it."""

from __future__ import annotations

from lc_assets.core.errors import BadReference


def box_of(text: str) -> tuple[float, float, float, float]:
    """Parse a box `W,S,E,N` and return (west, south, east, north) in degrees.

    Raises:
        BadReference: the text is not four numbers.
    """
    try:
        west, south, east, north = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise BadReference(
            f"{text[:60]!r} is no box", remedy="give W,S,E,N in degrees, e.g. 13.2,55.4,13.6,55.7"
        ) from None
    return west, south, east, north
