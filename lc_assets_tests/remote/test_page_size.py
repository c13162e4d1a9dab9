"""Pages that are too large for the API become smaller."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.remote import stac_api
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets_tests.remote.stac_server import (
    EVERYWHERE,
    QUICK,
    ROOT,
    SEARCH,
    Archive,
    asked,
    catalog,
    found,
    hourly,
    ids,
    is_one_line,
    page,
    play,
)
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.wire import Answer

LIMIT_ERROR = Answer.of_json({"detail": [{"loc": ["body", "limit"], "msg": "must be <= 100"}]}, 422)


def limits(archive: Archive) -> list[int]:
    """The sizes of pages, each once, in the order in which they were asked for."""
    return list(dict.fromkeys(limit for limit, _ in archive.requests))


@pytest.mark.parametrize("links", ["POST", "GET"])
@pytest.mark.parametrize("first", [0, 1], ids=["every page", "page 2 only"])
@pytest.mark.parametrize(("largest", "used"), [(100, 62), (249, 125), (10, 10)])
def test_a_page_that_is_too_large_is_halved_and_the_smaller_size_kept(
    largest: int, used: int, first: int, links: str, pc: PlanetaryComputer
) -> None:
    archive = Archive(
        hourly(255),
        links=links,
        refuse=lambda limit, start: Answer(413) if limit > largest and start >= first else None,
    )
    assert play(pc, archive)() == sorted(archive.named)
    sizes = limits(archive)
    assert sizes == [size for size in (250, 125, 62, 31, 15, 10) if size >= used]
    assert {limit for limit, _ in archive.requests[-len(archive.named) // used :]} == {used}


@pytest.mark.parametrize("answer", [Answer(502), Answer(504), Answer(524), LIMIT_ERROR], ids=lambda a: str(a.status))
def test_a_page_is_halved_after_each_status_that_means_too_large(answer: Answer, pc: PlanetaryComputer) -> None:
    archive = Archive(hourly(260), refuse=lambda limit, _: answer if limit > 130 else None)
    assert play(pc, archive)(tries=4) == sorted(archive.named)
    tries = 1 if answer is LIMIT_ERROR else 2
    assert [limit for limit, _ in archive.requests[: tries + 1]] == [250] * tries + [125]


def test_a_page_of_too_many_bytes_is_halved(pc: PlanetaryComputer, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(hourly(260))
    monkeypatch.setattr(stac_api, "LARGEST_PAGE", len(json.dumps(archive_page(100))))
    assert play(pc, archive)() == sorted(archive.named)
    assert limits(archive) == [250, 125, 62]


def archive_page(number: int) -> dict[str, object]:
    return {**page(*(f"i{n}" for n in range(number))), "times": [str(time) for time in hourly(number)]}


def test_a_502_that_passes_does_not_make_the_pages_smaller(pc: PlanetaryComputer) -> None:
    failing = iter([True])
    archive = Archive(hourly(260), refuse=lambda *_: Answer(502) if next(failing, False) else None)
    assert play(pc, archive)(tries=2) == sorted(archive.named)
    assert limits(archive) == [250]


def test_the_smaller_page_is_kept_for_all_tiles_and_all_searches_of_a_client(pc: PlanetaryComputer) -> None:
    archive = Archive(hourly(40), refuse=lambda limit, _: Answer(413) if limit > 100 else None)
    play(pc, archive)
    client = StacCatalogClient(ROOT, "c", QUICK)
    tiles = replace(EVERYWHERE, bbox=None, tiles=("33UUB", "32ULC"))
    assert ids(client.search(tiles)) == sorted(archive.named)
    assert ids(client.search(EVERYWHERE)) == sorted(archive.named)
    assert [limit for limit, _ in archive.requests] == [250, 125, 62, 62, 62]


def test_items_are_given_once_however_often_the_search_starts_again(pc: PlanetaryComputer) -> None:
    archive = Archive(hourly(500), refuse=lambda limit, start: Answer(413) if start > 200 and limit > 40 else None)
    play(pc, archive)
    given = [item["id"] for found in StacCatalogClient(ROOT, "c", QUICK).search(EVERYWHERE) for item in found]
    assert len(given) == len(set(given)) == 500


@pytest.mark.parametrize(("status", "transient", "requests"), [(413, True, 6), (502, True, 12), (422, False, 6)])
def test_an_api_that_cannot_send_the_smallest_page_is_an_error(
    status: int, transient: bool, requests: int, pc: PlanetaryComputer
) -> None:
    answer = LIMIT_ERROR if status == 422 else Answer(status)
    archive = Archive(hourly(20), refuse=lambda *_: answer)
    with pytest.raises(BadReference, match=rf"/search answers {status}.*, even for 10 items a page") as caught:
        play(pc, archive)(tries=4)
    assert caught.value.transient == transient
    assert is_one_line(caught.value)
    assert len(archive.requests) == requests


@pytest.mark.parametrize("status", [400, 422])
def test_a_search_that_is_refused_for_another_reason_than_its_limit_is_not_repeated(
    status: int, pc: PlanetaryComputer
) -> None:
    searched = play(pc, Answer.of_json({"detail": "bbox is wrong"}, status))
    with pytest.raises(BadReference, match=f"answers {status}"):
        searched(tries=4)
    assert asked(pc) == ["search"]


def test_a_gateway_that_answers_403_is_asked_once_more(pc: PlanetaryComputer, world: list[str]) -> None:
    pc.relay.inject(Fault(SEARCH, "status", times=1, status=403))
    assert found() == world
    pc.relay.forget()
    pc.relay.inject(Fault(SEARCH, "status", times=-1, status=403))
    with pytest.raises(BadReference, match=r"/search answers 403.* -> check LC_ASSETS_STAC_URL") as caught:
        ids(catalog(tries=4).search(EVERYWHERE))
    assert not caught.value.transient
    assert is_one_line(caught.value)
    assert len(pc.relay.exchanges) == 2


def test_an_item_whose_gateway_answers_403_is_asked_for_once_more(pc: PlanetaryComputer, world: list[str]) -> None:
    pc.relay.inject(Fault("/items/", "status", times=1, status=403))
    assert catalog().scene(world[0]).id == world[0]
