"""The sensor's search of a window whose items may be incomplete."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from lc_assets.core.progress import logging_to
from lc_assets.operations.discovery import SearchResult, search_window
from lc_assets.operations.search_cursor import FIRST_DAYS, LEAST_DAYS, SearchCursor
from lc_assets.operations.watch import WatchConfig
from lc_assets.remote import stac_api
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets_tests.remote.stac_server import QUICK, ROOT, Archive, play
from loopback.planetary_computer import PlanetaryComputer

BEGIN, NOW = datetime(2024, 6, 1, tzinfo=timezone.utc), datetime(2024, 7, 1, tzinfo=timezone.utc)
OPEN = " and no link to more, so the search for datetime "
DOUBT = f"gave 30 items{OPEN}"


@pytest.fixture(autouse=True)
def pages_of_30(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "PAGE", 30)


def searched(cursor: SearchCursor, recent_days: int = 0) -> SearchResult:
    watch = WatchConfig.model_validate({"bbox": [0, 0, 1, 1], "from": "2024-06-01", "recent_days": recent_days})

    def query(first: datetime, last: datetime) -> Query:
        return Query(bbox=(0.0, 0.0, 1.0, 1.0), datetime=f"{first:%Y-%m-%dT%H:%M:%SZ}/{last:%Y-%m-%dT%H:%M:%SZ}")

    return search_window(watch, query, StacCatalogClient(ROOT, "c", QUICK), cursor, NOW)


def in_bursts(days: int) -> list[datetime]:
    """21 items of the same time on each day at noon."""
    return [BEGIN + timedelta(days=n // 21, hours=12) for n in range(21 * days)]


def test_the_position_stays_before_a_window_whose_items_may_be_incomplete_and_goes_on_with_half_of_it(
    pc: PlanetaryComputer,
) -> None:
    """The API sends no links, and sorts by nothing: two days are too much, one is not."""
    times = in_bursts(8)
    play(pc, Archive(times[::3] + times[1::3] + times[2::3], links=None))
    cursor, found, days = SearchCursor("x"), set[str](), []
    logged: list[str] = []
    while cursor.at is None or cursor.at < 19875 + 8:  # 1 June 2024
        before, at = cursor.days, cursor.at
        with logging_to(logged.append):
            result = searched(cursor)
        cursor, found = result.cursor, found | set(result.documents)
        days.append(before)
        if OPEN in result.words:
            assert (cursor.at, cursor.days) == (at, before / 2)
        assert len(days) < 40
    assert days[:4] == [FIRST_DAYS, FIRST_DAYS / 2, FIRST_DAYS / 4, FIRST_DAYS / 8]
    assert len(found) == 21 * 8
    assert all(OPEN in line for line in logged)


def test_the_position_stays_before_the_shortest_window_too(pc: PlanetaryComputer) -> None:
    play(pc, Archive([BEGIN + timedelta(minutes=10)] * 40, links=None))
    cursor = SearchCursor("x", days=LEAST_DAYS)
    for _ in range(2):
        result = searched(cursor)
        assert result.cursor == cursor
        assert len(result.documents) == 30
        assert f"at 2024-06-01 00:00 to 2024-06-01 01:00: 30 (https://stac.example/v1/search {DOUBT}" in result.words
        assert "search a shorter time or a smaller area" in result.words


def test_the_position_moves_past_a_full_page_that_is_known_to_be_the_last(pc: PlanetaryComputer) -> None:
    for archive in (
        Archive([BEGIN + timedelta(minutes=10)] * 30),
        Archive([BEGIN + timedelta(minutes=n) for n in range(30)], links=None),
    ):
        play(pc, archive)
        result = searched(SearchCursor("x"))
        assert result.cursor.at == pytest.approx(19875 + FIRST_DAYS)
        assert DOUBT not in result.words


def test_the_position_moves_past_an_archive_that_counts_too_many_items_with_a_warning(pc: PlanetaryComputer) -> None:
    play(pc, Archive([BEGIN] * 20, counted=23))
    logged: list[str] = []
    with logging_to(logged.append):
        result = searched(SearchCursor("x"))
    assert result.cursor.at == pytest.approx(19875 + FIRST_DAYS)
    assert len(result.documents) == 20
    assert ["gave 20 of the 23 items" in line for line in logged] == [True]


def test_last_days_that_may_be_incomplete_are_said_and_do_not_stop_the_window(pc: PlanetaryComputer) -> None:
    play(pc, Archive([NOW - timedelta(hours=1)] * 40, links=None))
    result = searched(SearchCursor("x"), recent_days=5)
    assert result.words.startswith(
        f"looked at 2024-06-26 to 2024-07-01: 30 items (https://stac.example/v1/search {DOUBT}"
    )
    assert result.cursor.at == pytest.approx(19875 + FIRST_DAYS)
