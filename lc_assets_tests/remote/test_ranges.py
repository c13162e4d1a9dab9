"""Ranges of bytes that are fetched together."""

from __future__ import annotations

import pytest

from lc_assets.core.errors import BadBand
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.remote.range_reader import LONGEST, RemoteFile, joined_ranges
from loopback.relay import Relay
from loopback.wire import Answer, Request


def test_ranges_that_are_close_together_are_one_request() -> None:
    assert joined_ranges([(5000, 100), (0, 1000), (1004, 996)]) == [(0, 5100)]
    assert joined_ranges([(0, 100), (5000, 100)]) == [(0, 100), (5000, 100)]
    assert joined_ranges([(0, 100), (10, 20)]) == [(0, 100)]
    assert joined_ranges([]) == []


def test_a_request_has_a_largest_size() -> None:
    blocks = [(begin, LONGEST // 4) for begin in range(0, 2 * LONGEST, LONGEST // 4)]
    assert joined_ranges(blocks) == [(0, LONGEST), (LONGEST, LONGEST)]


def test_an_answer_with_a_shorter_range_is_not_taken_for_the_whole_one(relay: Relay) -> None:
    content = bytes(range(256)) * 40

    def half(request: Request) -> Answer:
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        end = first + (min(last + 1, len(content)) - first) // 2
        return Answer(206, {"Content-Range": f"bytes {first}-{end - 1}/{len(content)}"}, content[first:end])

    relay.add_host("maps.example.org", half)
    policy = RetryPolicy(tries=2, connect=1.0, read=0.5, backoff=0.01)
    reader = RemoteFile("https://maps.example.org/B02.tif", policy, piece=1000)
    assert reader.read(0, 5000) == b""
    with pytest.raises(BadBand, match="another part of the file than was asked for"):
        reader.check()
