"""What a query finds, and which queries are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.sentinel2.search.query import Query
from lc_assets_tests.remote.stac_server import EVERYWHERE, found, is_one_line, page, play
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import PcScene


def between(scenes: list[PcScene], number: int) -> float:
    """A longitude between scene `number` and the next."""
    return (scenes[number].item["bbox"][2] + scenes[number + 1].item["bbox"][0]) / 2


def ring(west: float, east: float) -> list[list[float]]:
    return [[west, -80], [east, -80], [east, 84], [west, 84], [west, -80]]


QUERIES: dict[str, tuple[Callable[[list[PcScene]], dict[str, Any]], set[int]]] = {
    "tile": (lambda s: {"tiles": (s[2].item["properties"]["s2:mgrs_tile"],)}, {2}),
    "tiles": (lambda s: {"tiles": tuple(f"t{x.item['properties']['s2:mgrs_tile']}".lower() for x in s[:2])}, {0, 1}),
    "another tile": (lambda s: {"tiles": ("07HFE",)}, set()),
    "cloud": (lambda s: {"max_cloud": 30.0}, {0, 1, 2, 3}),
    "no cloud": (lambda s: {"max_cloud": 0}, {0}),
    "nodata": (lambda s: {"max_nodata": 2.5}, {5, 6, 7}),
    "cloud and nodata": (lambda s: {"max_nodata": 5.5, "max_cloud": 45}, {2, 3, 4}),
    "bbox": (lambda s: {"bbox": (between(s, 1), -80.0, between(s, 4), 84.0)}, {2, 3, 4}),
    "bbox across the antimeridian": (lambda s: {"bbox": (between(s, 5), -80.0, -179.0, 84.0)}, {6, 7}),
    "bbox to the antimeridian": (lambda s: {"bbox": (between(s, 5), -80.0, -180.0, 84.0)}, {6, 7}),
    "geometry": (
        lambda s: {"geometry": {"type": "Polygon", "coordinates": [ring(between(s, 0), between(s, 1))]}},
        {1},
    ),
    "geometries": (
        lambda s: {
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[ring(between(s, 0), between(s, 1))], [ring(between(s, 6), 179.0)]],
            }
        },
        {1, 7},
    ),
    "point": (lambda s: {"geometry": {"type": "Point", "coordinates": s[3].item["bbox"][:2]}}, set()),
    "year": (lambda s: {"datetime": "2024"}, set(range(8))),
    "other year": (lambda s: {"datetime": "2023"}, set()),
    "month": (lambda s: {"datetime": "2024-01"}, set(range(8))),
    "December": (lambda s: {"datetime": "2024-12"}, set()),
    "day": (lambda s: {"datetime": "2024-01-02"}, set(range(8))),
    "days": (lambda s: {"datetime": "2023-12-30/2024-01-02"}, set(range(8))),
    "until a day": (lambda s: {"datetime": "../2024-01-01"}, set()),
    "since": (lambda s: {"datetime": "2024-01-02T10:36:45Z/.."}, {6, 7}),
    "since, open end left out": (lambda s: {"datetime": "2024-01-02T10:36:45Z/"}, {6, 7}),
    "until": (lambda s: {"datetime": "../2024-01-02T12:36:33+02:00"}, {0, 1}),
    "moments": (lambda s: {"datetime": "2024-01-02T10:36:32.024Z/2024-01-02T10:36:35.024"}, {1, 2}),
    "moment": (lambda s: {"datetime": "2024-01-02T10:36:32.024000Z"}, {1}),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_exactly_what_it_says(name: str, world: list[str], scenes: list[PcScene]) -> None:
    fields, expected = QUERIES[name]
    limits = fields(scenes)
    place = {} if limits.keys() & {"bbox", "geometry", "tiles"} else {"bbox": EVERYWHERE.bbox}
    assert found(Query(**place, **limits)) == [world[number] for number in sorted(expected)]


def test_a_day_lasts_to_its_end(pc: PlanetaryComputer, changing: list[str], scenes: list[PcScene]) -> None:
    """pystac-client's ends at 23:59:59, and acquisitions are told to the millisecond."""
    late = json.loads(json.dumps(scenes[0].item))
    late["properties"]["datetime"] = "2024-01-02T23:59:59.024000Z"
    pc.api.load(items=[late])
    for when in ("2024-01-02", "2024-01-01/2024-01-02", "../2024-01-02"):
        assert found(Query(bbox=EVERYWHERE.bbox, datetime=when)) == changing


@pytest.mark.parametrize("name", ["tile", "tiles", "another tile", "cloud", "no cloud", "nodata", "cloud and nodata"])
def test_limits_hold_where_the_server_ignores_them(name: str, pc: PlanetaryComputer, scenes: list[PcScene]) -> None:
    searched = play(pc, {**page(), "features": [scene.item for scene in scenes]})
    fields, expected = QUERIES[name]
    limits = fields(scenes)
    query = Query(**({} if "tiles" in limits else {"bbox": EVERYWHERE.bbox}), **limits)
    assert searched(query=query) == [scenes[number].id for number in sorted(expected)]


def test_an_item_without_figures_is_left_out_by_pgstac_and_kept_where_a_server_gives_it(
    pc: PlanetaryComputer, changing: list[str], scenes: list[PcScene]
) -> None:
    bare = json.loads(json.dumps(scenes[0].item))
    del bare["properties"]["eo:cloud_cover"]
    pc.api.load(items=[bare])
    query = Query(bbox=EVERYWHERE.bbox, max_cloud=10)
    assert found(query) == [changing[1]]
    assert play(pc, {**page(), "features": [bare]})(query=query) == [changing[0]]


MALFORMED: list[dict[str, Any]] = [
    {},
    {"bbox": (1.0, 2.0, 3.0)},
    {"bbox": (1.0, 2.0, 3.0, float("nan"))},
    {"bbox": (1.0, 2.0, 3.0, "north")},
    {"bbox": (13.0, 56.0, 14.0, 55.0)},
    {"bbox": (-181.0, 0.0, 14.0, 55.0)},
    {"bbox": (0.0, 0.0, 14.0, 91.0)},
    {"bbox": (0.0, 0.0, 1.0, 1.0), "geometry": {"type": "Point", "coordinates": [0, 0]}},
    {"geometry": {"type": "Polygon", "coordinates": [[1, 2]]}},
    {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}},
    {"geometry": {"type": "Point", "coordinates": [0, float("nan")]}},
    {"geometry": {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}}},
    {"geometry": [1, 2]},
    *(
        {"tiles": (tile,)}
        for tile in ("", "33UU", "00UUB", "61UUB", "33IUB", "33UUB\n", "\uff13\uff13UUB", "33UUB,33UVB")
    ),
    *({"tiles": ("33UUB",), "max_cloud": percent} for percent in (-1, 101, float("nan"))),
    {"tiles": ("33UUB",), "max_nodata": 1e9},
]
DATES = [
    *("", "/", "..", "../..", "../", "yesterday", "2024-1", "2024-13", "2024-02-30", "0000", "20240601"),
    *("2024-06-01T25:00:00Z", "2024-06-01T10:00Z", "2024-06-01T10:00:00+25:00", "2024-06-01T10:00:61Z", "\uff12024"),
    *("2024-06-30/2024-06-01", "2024/2025/2026", "2024-06-01 / 2024-06-02", "2024-06-01\n", "2024-06-01/x", "9999"),
]


@pytest.mark.parametrize("fields", MALFORMED, ids=str)
def test_a_malformed_place_tile_or_percentage_is_refused_in_one_line(fields: dict[str, Any]) -> None:
    with pytest.raises(BadReference) as caught:
        Query(**fields)
    assert is_one_line(caught.value)
    assert not caught.value.transient


@pytest.mark.parametrize("when", DATES)
def test_a_malformed_date_is_refused_in_one_line(when: str) -> None:
    with pytest.raises(BadReference, match=r"no date or interval|ends before it begins") as caught:
        Query(tiles=("33UUB",), datetime=when)
    assert is_one_line(caught.value)
