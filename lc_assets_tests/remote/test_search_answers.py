"""Answers to a search that no server should give."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from typing import Any

import pytest

from lc_assets.core.errors import BadReference, LandCoverError
from lc_assets.remote import stac_api
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets_tests.remote.stac_server import EVERYWHERE, QUICK, ROOT, ids, is_one_line, item, page, play
from loopback.planetary_computer import PlanetaryComputer
from loopback.wire import Answer

ODD = [
    *([], None, 7, "x", True, {"features": None}, {"features": 7}, {"features": "ab"}, {"features": {"a": 1}}),
    *({**page(), "features": [odd]} for odd in (None, 7, "x", [], {}, {"id": None}, {"id": 7}, {"id": ["a"]})),
    *({**page("a"), "links": odd} for odd in (7, "x", {"rel": "next"}, [None], ["next"], [{}], [[]])),
    {**page("a"), "type": "Feature"},
    {"a": page("a")},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: json.dumps(odd)[:70])
def test_a_page_that_is_none_is_one_clear_error(odd: Any, pc: PlanetaryComputer) -> None:
    with pytest.raises(BadReference, match="answers with something that is no page of items") as caught:
        play(pc, odd)()
    assert caught.value.transient
    assert is_one_line(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\xfd", b"[" * 100_000, b'{"type": ' * 100_000, b"1" * 5000, b"\x1f\x8b not gzip"]
)
def test_a_page_that_is_no_json_is_one_clear_error(body: bytes, pc: PlanetaryComputer) -> None:
    with pytest.raises(BadReference, match="no page of items"):
        play(pc, Answer(200, {}, body))()


@pytest.mark.parametrize("odd", [None, 7, "x", [], [1]])
def test_an_item_with_odd_properties_does_not_spoil_the_others(odd: Any, pc: PlanetaryComputer) -> None:
    """It is refused by name when it is used. So is one with a `NaN`, which is no JSON."""
    items = [item("a", properties=odd), item("b"), item("c", properties={"eo:cloud_cover": float("nan")})]
    play(pc, {**page(), "features": items})
    catalog = StacCatalogClient(ROOT, "c", QUICK)
    [first, second, third] = next(catalog.search(Query(tiles=("33UUB",), max_cloud=10)))
    assert (first["id"], first["properties"]) == ("a", None)
    assert (second["id"], third["id"]) == ("b", "c")
    for refused in (first, third):
        with pytest.raises(LandCoverError):
            catalog.parse(refused)


def test_a_page_may_be_only_so_large(pc: PlanetaryComputer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "LARGEST_PAGE", 1 << 20)
    packed = gzip.compress(json.dumps(page(*map(str, range(50_000)))).encode())
    assert len(packed) < 1 << 19
    searched = play(pc, Answer(200, {"Content-Encoding": "gzip"}, packed))
    with pytest.raises(BadReference, match="answers with more than 1 MB"):
        searched()


def test_whatever_is_broken_in_an_answer_only_a_clear_error_comes_of_it(pc: PlanetaryComputer) -> None:
    """Three hundred answers, each with a few values replaced."""
    generator = random.Random(1)
    odd = [None, True, -1, 10**30, 1e308, "", "next", "http://[", "\ud800", "two", [], [[]], {}, {"rel": "next"}]
    whole = page("a", "b", to={"rel": "next", "method": "POST", "href": f"{ROOT}/two", "body": {"token": "x"}})
    whole |= {"numberMatched": 3, "context": {"matched": 3}}
    answers: list[Any] = []
    play(pc, lambda _: answers[0], two=lambda _: answers[1])
    searched = StacCatalogClient(ROOT, "c", replace(QUICK, tries=1))
    ended = {"right": 0, "refused": 0}
    for _ in range(300):
        answers[:] = [_broken(whole, generator, odd), _broken(page("c", numberMatched=3), generator, odd)]
        try:
            assert set(ids(searched.search(EVERYWHERE))) <= {
                "a",
                "b",
                "c",
                *filter(lambda value: isinstance(value, str), odd),
            }
            ended["right"] += 1
        except BadReference as error:
            assert is_one_line(error)
            ended["refused"] += 1
    assert not pc.relay.errors
    assert min(ended.values()) > 20


def _broken(document: Any, generator: random.Random, odd: list[Any]) -> Any:
    document = json.loads(json.dumps(document))
    for _ in range(generator.randint(0, 2)):
        holder: Any = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = generator.choice(keys)
            if isinstance(holder[key], dict | list) and generator.random() < 0.7:
                holder = holder[key]
                continue
            holder[key] = generator.choice(odd)
            break
    return document
