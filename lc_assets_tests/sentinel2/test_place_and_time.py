"""Datetime, bbox and geometry of an item: what is missing or malformed is taken from the others, and noted."""

from __future__ import annotations

from typing import Any

import pytest

from lc_assets.core.errors import BadItem
from lc_assets.sentinel2.item.footprint import settle_place_and_time

TIME = "2024-06-21T10:36:29Z"
BOX = [8.0, 51.0, 9.0, 52.0]
SHAPE = {"type": "Polygon", "coordinates": [[[8.0, 51.0], [9.0, 51.0], [9.0, 52.0], [8.0, 52.0], [8.0, 51.0]]]}
SKEW = {"type": "Polygon", "coordinates": [[[8.0, 51.0], [9.0, 51.2], [8.5, 52.0], [8.0, 51.0]]]}


def settled(**changes: Any) -> tuple[dict[str, Any], list[str]]:
    """A document with place and time after the check, and the notes."""
    document = {"properties": {"datetime": TIME}, "bbox": BOX, "geometry": SKEW, **changes}
    return document, settle_place_and_time(document)


def test_what_is_right_stays_as_it_is() -> None:
    document, notes = settled()
    assert (document["bbox"], document["geometry"], notes) == (BOX, SKEW, [])


@pytest.mark.parametrize("shape", [None, {}, "x", {"type": "Point", "coordinates": [8, 51]}, {"type": "Polygon"}])
def test_without_a_geometry_the_bbox_is_taken(shape: Any) -> None:
    document, [note] = settled(geometry=shape)
    assert document["geometry"] == SHAPE
    assert "its bbox is taken" in note


@pytest.mark.parametrize(
    "box", [None, [], [8, 51, 9], [8, 51, None, 52], [8, 52, 9, 51], [8, 51, 9, 91], "x", [800, 51, 900, 52]]
)
def test_without_a_bbox_that_of_the_geometry_is_taken(box: Any) -> None:
    document, [note] = settled(bbox=box)
    assert document["bbox"] == BOX
    assert "that of its geometry is taken" in note


def test_longitudes_beyond_180_degrees_are_brought_back() -> None:
    document, notes = settled(bbox=[-181.36, 51.0, -179.9, 52.0], geometry=None)
    assert document["bbox"] == pytest.approx([178.64, 51.0, -179.9, 52.0])
    [first, second] = document["geometry"]["coordinates"]
    assert [max(lon for lon, _ in first[0]), min(lon for lon, _ in second[0])] == [180.0, -180.0]
    assert len(notes) == 1
    assert settled(bbox=[179.2, 51, 10, 181.1, 52, 20])[0]["bbox"] == pytest.approx([179.2, 51, -178.9, 52])


def test_a_null_datetime_is_that_of_the_start() -> None:
    document, [note] = settled(properties={"datetime": None, "start_datetime": TIME, "end_datetime": TIME})
    assert document["properties"]["datetime"] == TIME
    assert "start_datetime is taken" in note


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bbox": None, "geometry": None}, "neither a bbox nor a geometry"),
        (
            {
                "bbox": None,
                "geometry": {"type": "Polygon", "coordinates": [[[179, 0], [-179, 0], [-179, 1], [179, 0]]]},
            },
            "neither",
        ),
        ({"bbox": [9.0, 51.0, 8.0, 52.0]}, "west and east swapped"),
        ({"properties": {}}, "has no datetime"),
        ({"properties": {"datetime": None, "start_datetime": None}}, "has no datetime"),
        ({"properties": {"datetime": "yesterday"}}, "no RFC 3339 time"),
        ({"properties": {"datetime": None, "start_datetime": "2024"}}, "no RFC 3339 time"),
    ],
)
def test_what_cannot_be_settled_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(BadItem, match=told):
        settled(**changes)
