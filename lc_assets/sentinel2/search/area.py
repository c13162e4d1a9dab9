"""Parse the area of a search as a user gives it: a box, or a GeoJSON file."""

from __future__ import annotations

import json
from typing import Any

from lc_assets.core.errors import BadReference
from lc_assets.sentinel2.item.footprint import is_polygon


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


def geometry_of(text: str, name: str) -> dict[str, Any]:
    """Return the (multi)polygon of a GeoJSON text: a geometry, a feature, or a collection of one feature.

    Args:
        text: the content of the file.
        name: the name of the file, for messages.

    Raises:
        BadReference: the text has no polygon, or several features.
    """
    remedy = "give a GeoJSON file of one polygon or multipolygon in degrees"
    try:
        shape = json.loads(text)
        if shape.get("type") == "FeatureCollection":
            if len(shape["features"]) != 1:
                raise BadReference(f"{name} has {len(shape['features'])} features", remedy=remedy)
            shape = shape["features"][0]
        if shape.get("type") == "Feature":
            shape = shape["geometry"]
        if not is_polygon(shape):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadReference(f"{name} is no GeoJSON of a polygon", remedy=remedy) from None
    return dict(shape)
