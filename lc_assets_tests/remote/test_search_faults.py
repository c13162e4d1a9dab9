"""A search among faults: what is asked for again, and what ends it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets_tests.remote.stac_server import EVERYWHERE, FAULTS, SEARCH, catalog, found, ids, is_one_line, play
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.stac_api import PUBLIC_HOST, PUBLIC_ROOT
from loopback.wire import Answer


def test_a_search_gives_every_item_once_page_by_page_through_the_proxy(pc: PlanetaryComputer, world: list[str]) -> None:
    pages = list(catalog().search(EVERYWHERE))
    assert [len(found) for found in pages] == [3, 3, 2]
    assert ids(pages) == world
    assert [(exchange.host, exchange.status) for exchange in pc.relay.exchanges] == [(PUBLIC_HOST, 200)] * 3


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.get("status", fault["kind"])))
def test_a_page_that_fails_once_is_asked_for_again_and_one_that_always_fails_ends_the_search(
    fault: dict[str, Any], pc: PlanetaryComputer, world: list[str]
) -> None:
    pages = catalog().search(EVERYWHERE)
    got = next(pages)
    struck = pc.relay.inject(Fault(SEARCH, **fault))
    got = got + next(pages)
    assert struck.hits == 1
    pc.relay.inject(Fault(SEARCH, times=-1, **fault))
    started = time.monotonic()
    with pytest.raises(BadReference) as caught:
        next(pages)
    assert time.monotonic() - started < 4
    assert caught.value.transient
    assert is_one_line(caught.value)
    assert f"{PUBLIC_ROOT}/search " in str(caught.value)
    assert "?" not in str(caught.value)
    assert "2 failed attempts" in str(caught.value)
    assert len(got) == 6
    assert set(ids([got])) < set(world)


def test_a_first_page_that_always_fails_is_one_error_and_never_an_empty_world(
    pc: PlanetaryComputer, world: list[str]
) -> None:
    pc.relay.inject(Fault(SEARCH, "status", times=-1, status=503))
    with pytest.raises(BadReference, match=r"answers 503 \(4 failed attempts"):
        list(catalog(4).search(EVERYWHERE))
    assert len(pc.relay.exchanges) == 4


def test_retry_after_is_obeyed(pc: PlanetaryComputer, world: list[str]) -> None:
    pc.relay.inject(Fault(SEARCH, "status", status=429, headers={"Retry-After": "1"}))
    assert found() == world
    first, second = (exchange.time for exchange in pc.relay.exchanges[:2])
    assert 1.0 <= second - first < 1.5


def test_retry_after_is_bounded(pc: PlanetaryComputer, world: list[str]) -> None:
    pc.relay.inject(Fault(SEARCH, "status", status=429, headers={"Retry-After": "86400"}))
    patient = RetryPolicy(connect=1.0, read=0.6, backoff=0.05, longest_wait=0.3)
    started = time.monotonic()
    assert ids(catalog(retry_policy=patient).search(EVERYWHERE)) == world
    assert 0.3 <= time.monotonic() - started < 3


def test_a_byte_now_and_then_is_no_answer(pc: PlanetaryComputer, world: list[str]) -> None:
    pc.relay.inject(Fault(SEARCH, "slow", times=-1, after=50))
    patient = RetryPolicy(connect=1.0, read=1.6)  # a byte a second never meets this
    with pytest.raises(BadReference, match="sent nothing for too long"):
        list(catalog(1, patient).search(EVERYWHERE))


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_a_search_that_the_api_refuses_is_not_repeated(status: int, pc: PlanetaryComputer, world: list[str]) -> None:
    pc.relay.inject(Fault(SEARCH, "status", times=-1, status=status))
    with pytest.raises(BadReference, match=rf"/search answers {status}") as caught:
        found()
    assert not caught.value.transient
    assert is_one_line(caught.value)
    assert len(pc.relay.exchanges) == 1


def test_what_the_api_says_of_a_search_that_it_refuses_is_passed_on(pc: PlanetaryComputer) -> None:
    searched = play(pc, Answer.of_json({"detail": "No such\ncollection https://x.example/a?sig=SECRET"}, 400))
    with pytest.raises(BadReference, match=r'answers 400: {"detail": "No such') as caught:
        searched()
    assert is_one_line(caught.value)
    assert "SECRET" not in str(caught.value)
    searched = play(pc, Answer(400, {}, b"<html>Bad</html>"))
    with pytest.raises(BadReference, match="answers 400 ->"):
        searched()
