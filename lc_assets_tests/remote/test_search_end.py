"""The end of a search: a full page without a link to a next one, and an archive that counts too many items."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.remote import stac_api
from lc_assets.sentinel2.search.query import Query
from lc_assets_tests.remote.stac_server import Archive, asked, hourly, page, play, warnings_of
from loopback.planetary_computer import PlanetaryComputer
from loopback.wire import Answer

JUNE = Query(bbox=(-180.0, -90.0, 180.0, 90.0), datetime="2024-06")
INCOMPLETE = "gave 30 items and no link to more, so the search for datetime 2024-06-01T00:00:00Z/2024-06-30T23:59:59"


@pytest.fixture(autouse=True)
def pages_of_30(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "PAGE", 30)


def searched(pc: PlanetaryComputer, archive: Archive, query: Query = JUNE) -> tuple[list[str], list[str]]:
    """Ids and warnings."""
    return warnings_of(lambda: play(pc, archive)(query=query))


def shuffled(times: list[datetime]) -> list[datetime]:
    return random.Random(1).sample(times, len(times))


@pytest.mark.parametrize("order", [list, lambda times: times[::-1]], ids=["latest first", "earliest first"])
@pytest.mark.parametrize("step", [1, 7, 29])
@pytest.mark.parametrize("query", [JUNE, replace(JUNE, datetime=None)], ids=["June", "any time"])
def test_an_api_without_links_to_next_pages_is_searched_on_by_the_time_of_its_last_item(
    order: Callable[[list[datetime]], list[datetime]], step: int, query: Query, pc: PlanetaryComputer
) -> None:
    archive = Archive(order(hourly(100, step)), links=None)
    assert searched(pc, archive, query) == (sorted(archive.named), [])


@pytest.mark.parametrize("window", [30, 60])
@pytest.mark.parametrize("links", ["POST", "GET"])
def test_an_api_that_stops_at_a_largest_number_of_items_is_searched_on(
    window: int, links: str, pc: PlanetaryComputer
) -> None:
    archive = Archive(hourly(130), links=links, window=window)
    assert searched(pc, archive) == (sorted(archive.named), [])


@pytest.mark.parametrize("most", [10, 20, 25])
def test_an_api_without_links_that_gives_shorter_pages_than_are_asked_for_is_searched_on(
    most: int, pc: PlanetaryComputer
) -> None:
    archive = Archive(hourly(61), links=None, most=most)
    assert searched(pc, archive) == (sorted(archive.named), [])


@pytest.mark.parametrize("most", [17, 25])
@pytest.mark.parametrize("links", ["POST", "GET"])
def test_an_api_that_gives_shorter_pages_with_links_is_followed_as_it_is(
    most: int, links: str, pc: PlanetaryComputer
) -> None:
    archive = Archive(hourly(60), links=links, most=most)
    assert searched(pc, archive) == (sorted(archive.named), [])
    assert len(archive.requests) == -(-60 // most)


@pytest.mark.parametrize(("number", "pages"), [(30, 1), (120, 4)])
@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("links", ["POST", "GET"])
def test_a_last_page_that_is_full_costs_one_small_request_at_most(
    number: int, pages: int, step: int, links: str, pc: PlanetaryComputer
) -> None:
    """`step`: all the items have other times, or all the same."""
    archive = Archive(hourly(number, step), links=links)
    assert searched(pc, archive) == (sorted(archive.named), [])
    more = archive.requests[pages:]
    assert len(more) <= 1
    assert all(limit <= 2 for limit, _ in more)


@pytest.mark.parametrize("number", [1, 29, 31, 95])
def test_a_last_page_that_is_not_full_costs_no_request(number: int, pc: PlanetaryComputer) -> None:
    archive = Archive(hourly(number))
    assert searched(pc, archive) == (sorted(archive.named), [])
    assert len(archive.requests) == number // 30 + 1


def test_a_full_page_of_an_api_that_counts_as_many_items_is_the_end(pc: PlanetaryComputer) -> None:
    archive = Archive(hourly(30), links=None, counted=30)
    assert searched(pc, archive) == (sorted(archive.named), [])
    assert len(archive.requests) == 1


def test_a_count_that_says_that_there_are_more_is_a_reason_to_look(pc: PlanetaryComputer) -> None:
    """Pages of 17 items, which is no usual number."""
    archive = Archive(hourly(40), links=None, most=17, counted=40)
    assert searched(pc, archive) == (sorted(archive.named), [])


@pytest.mark.parametrize(
    "archive",
    [
        Archive(shuffled(hourly(40)), links=None),
        Archive(hourly(40, step=1000), links=None),
        Archive([None] * 40, links=None),
        Archive(hourly(40), links=None, filters=False),
        Archive(shuffled(hourly(40)), links=None, filters=False),
        Archive(hourly(40), links=None, refuse=lambda limit, _: Answer(500) if limit < 30 else None),
        Archive(hourly(40), links=None, refuse=lambda limit, _: Answer(400) if limit < 30 else None),
        Archive(hourly(40), links=None, refuse=lambda limit, _: Answer.of_json(page()) if limit < 30 else None),
    ],
    ids=["unsorted", "same time", "no time", "no filter", "unsorted, no filter", "500", "400", "empty"],
)
def test_a_full_page_that_leaves_open_whether_it_is_the_last_is_given_with_a_warning(
    archive: Archive, pc: PlanetaryComputer
) -> None:
    found, [warning] = searched(pc, archive)
    assert len(found) == 30
    assert f"/search {INCOMPLETE}" in warning
    assert warning.endswith("-> search a shorter time or a smaller area")
    assert len(archive.requests) <= 3


def test_a_warning_names_the_tile_whose_search_may_be_incomplete(pc: PlanetaryComputer) -> None:
    archive = Archive(shuffled(hourly(40)), links=None)
    _, warnings = searched(pc, archive, replace(JUNE, bbox=None, tiles=("33UUB", "32ULC")))
    assert ["33UUB" in warning for warning in warnings] == [True, False]
    assert ["32ULC" in warning for warning in warnings] == [False, True]


@pytest.mark.parametrize(
    "times", [hourly(70), shuffled(hourly(70)), hourly(70, 1000)], ids=["sorted", "unsorted", "same time"]
)
@pytest.mark.parametrize("links", ["POST", "GET"])
def test_an_archive_that_counts_too_many_items_ends_with_its_short_last_page_and_a_warning(
    times: list[datetime], links: str, pc: PlanetaryComputer
) -> None:
    archive = Archive(times, links=links, counted=73)
    found, [warning] = searched(pc, archive)
    assert found == sorted(archive.named)
    assert "/search gave 70 of the 73 items that it says there are" in warning
    assert len(archive.requests) <= 4


@pytest.mark.parametrize("counts", [{"numberMatched": 3}, {"context": {"matched": 3}, "numberMatched": None}])
@pytest.mark.parametrize("last", [page("b"), page("a", "b"), page("b", numberMatched=2)])
def test_an_archive_that_counts_a_duplicate_ends_with_its_last_page_and_a_warning(
    counts: dict[str, Any], last: Any, pc: PlanetaryComputer
) -> None:
    found, [warning] = warnings_of(play(pc, page("a", "a", to="two", **counts), two=last))
    assert found == ["a", "b"]
    assert "gave 2 of the 3 items that it says there are" in warning
    assert asked(pc)[:2] == ["search", "two"]


def test_a_first_page_of_a_usual_size_ends_a_search_of_an_archive_that_counts_too_many_items(
    pc: PlanetaryComputer,
) -> None:
    """An API may limit its pages to 20 items. One that sends links has no more where it sends no link."""
    archive = Archive(hourly(20, 1000), counted=23)
    found, [warning] = searched(pc, archive)
    assert found == sorted(archive.named)
    assert "gave 20 of the 23 items" in warning
    archive = Archive(hourly(40, 1000), counted=40, links=None, most=20)
    found, [warning] = searched(pc, archive)
    assert "gave 20 of 40 items and no link to more, so the search for" in warning


def test_an_api_that_gives_more_items_than_are_asked_for_has_one_page(pc: PlanetaryComputer) -> None:
    everything = page(*(f"i{number}" for number in range(45)))
    assert warnings_of(play(pc, everything)) == (sorted(f"i{number}" for number in range(45)), [])
    assert asked(pc) == ["search"]


def test_a_full_last_page_of_an_archive_that_counts_too_many_items_is_looked_beyond(pc: PlanetaryComputer) -> None:
    archive = Archive(hourly(60), counted=73)
    found, [warning] = searched(pc, archive)
    assert found == sorted(archive.named)
    assert "gave 60 of the 73 items" in warning
    archive = Archive(shuffled(hourly(60)), counted=73)
    found, [warning] = searched(pc, archive)
    assert found == sorted(archive.named)
    assert "gave 60 of 73 items and no link to more, so the search for" in warning


@pytest.mark.parametrize("number", [50, 60])
@pytest.mark.parametrize("links", ["POST", "GET"])
@pytest.mark.parametrize("counted", [None, 73])
def test_a_link_to_an_empty_page_is_the_end_where_nothing_is_beyond_the_last_item(
    number: int, links: str, counted: int | None, pc: PlanetaryComputer
) -> None:
    archive = Archive(hourly(number), links=links, promises=True, counted=counted)
    found, warnings = searched(pc, archive)
    assert found == sorted(archive.named)
    assert [f"gave {number} of the 73 items" in warning for warning in warnings] == ([True] if counted else [])


@pytest.mark.parametrize("counted", [None, 73])
def test_a_link_to_an_empty_page_is_an_error_where_more_cannot_be_ruled_out(
    counted: int | None, pc: PlanetaryComputer
) -> None:
    archive = Archive(shuffled(hourly(60)), promises=True, counted=counted)
    with pytest.raises(BadReference, match="promised more items and gave none"):
        searched(pc, archive)
