"""The search's cursor: it covers all of the time, and survives."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from lc_assets.operations.search_cursor import FIRST_DAYS, MANY, MOST_DAYS, SearchCursor
from lc_assets_tests.defs.watcher import NOW


@pytest.mark.parametrize("cursor", ["", "{}", "nonsense", '{"watch": 3}', "[1]", '{"watch": "x", "days": "a"}', "null"])
def test_a_cursor_that_is_none_begins_anew(cursor: str) -> None:
    assert SearchCursor.read(cursor, "x") == SearchCursor("x")


def test_a_cursor_survives_and_another_watch_begins_anew() -> None:
    cursor = replace(SearchCursor("x"), at=19000.5, rounds=3, replacing={"old": "new"})
    assert SearchCursor.read(cursor.written(), "x") == cursor
    assert SearchCursor.read(cursor.written(), "y") == SearchCursor("y", replacing={"old": "new"})


def test_stretches_cover_all_of_the_time_and_suit_themselves_to_what_is_there() -> None:
    begin, end = NOW - timedelta(days=700), NOW
    cursor, seen = SearchCursor("x"), []
    while not cursor.rounds:
        stretch = cursor.window(begin, end)
        seen.append(stretch)
        cursor = cursor.advance(stretch, 3, end)
    assert seen[0] == (begin, begin + timedelta(days=FIRST_DAYS))
    gaps = [later[0] - earlier[1] for earlier, later in pairwise(seen)]
    assert max(abs(gap) for gap in gaps) < timedelta(milliseconds=1)
    assert seen[-1][1] == end
    assert max(b - a for a, b in seen) == timedelta(days=MOST_DAYS)
    assert SearchCursor("x").shrink().days == FIRST_DAYS / 2
    assert SearchCursor("x").advance((begin, begin), MANY, end).days == FIRST_DAYS
