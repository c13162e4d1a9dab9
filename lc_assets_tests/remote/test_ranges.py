"""Ranges of bytes that are fetched together."""

from __future__ import annotations

from lc_assets.remote.range_reader import LONGEST, joined_ranges


def test_ranges_that_are_close_together_are_one_request() -> None:
    assert joined_ranges([(5000, 100), (0, 1000), (1004, 996)]) == [(0, 5100)]
    assert joined_ranges([(0, 100), (5000, 100)]) == [(0, 100), (5000, 100)]
    assert joined_ranges([(0, 100), (10, 20)]) == [(0, 100)]
    assert joined_ranges([]) == []


def test_a_request_has_a_largest_size() -> None:
    blocks = [(begin, LONGEST // 4) for begin in range(0, 2 * LONGEST, LONGEST // 4)]
    assert joined_ranges(blocks) == [(0, LONGEST), (LONGEST, LONGEST)]
