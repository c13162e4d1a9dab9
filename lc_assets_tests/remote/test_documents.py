"""One document of a STAC API: an item, or JSON at a URL."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.core.settings import COLLECTION
from lc_assets.remote.stac_api import StacApi
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets_tests.remote.stac_server import EVERYWHERE, FAULTS, HOST, QUICK, ROOT, is_one_line, item, planetary, play
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.stac_api import PUBLIC_ROOT
from loopback.wire import Answer


def test_an_item_that_vanished_since_the_search_is_told_by_name(pc: PlanetaryComputer, changing: list[str]) -> None:
    catalog = StacCatalogClient(PUBLIC_ROOT, COLLECTION, QUICK)
    [first, *_] = next(catalog.search(EVERYWHERE))
    assert catalog.scene(first["id"]).id == first["id"]
    pc.api.delete(first["id"])
    with pytest.raises(BadReference, match=f"item {first['id']}: there is no such item") as caught:
        catalog.scene(first["id"])
    assert not caught.value.transient
    assert f"{PUBLIC_ROOT}/collections/{COLLECTION}/items/{first['id']} answers 404" in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    FAULTS,
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
def test_an_item_is_asked_for_again_when_its_answer_fails(
    fault: dict[str, Any], pc: PlanetaryComputer, world: list[str]
) -> None:
    catalog = StacCatalogClient(PUBLIC_ROOT, COLLECTION, QUICK)
    pc.relay.inject(Fault("/items/", **fault))
    assert catalog.scene(world[0]).id == world[0]
    pc.relay.inject(Fault("/items/", times=-1, **fault))
    url = catalog.item_url(world[0])
    with pytest.raises(BadReference) as caught:
        planetary().document(f"{url}?token=SECRET", world[0])
    assert caught.value.transient
    assert caught.value.item == world[0]
    assert f"{url} " in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert is_one_line(caught.value)


def document(pc: PlanetaryComputer, answer: Any, item_id: str | None = None) -> Any:
    play(pc, None, x=answer)
    return StacApi(ROOT, QUICK, 2).document(f"{ROOT}/x?token=SECRET", item_id)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[" * 100_000, b"\xff\xfe\xfd", b"1" * 5000, b'{"id": "a"'],
)
def test_a_url_that_gives_no_json_is_refused_at_once_but_an_items_own_address_is_asked_again(
    body: bytes, pc: PlanetaryComputer
) -> None:
    for item_id, transient, requests in ((None, False, 1), ("a", True, 2)):
        pc.relay.forget()
        with pytest.raises(BadReference, match="no JSON") as caught:
            document(pc, Answer(200, {}, body), item_id)
        assert caught.value.transient == transient
        assert len(pc.relay.exchanges) == requests
        assert is_one_line(caught.value)
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_an_item_of_20_mb_is_refused_however_it_is_packed(packed: bool, pc: PlanetaryComputer) -> None:
    body = json.dumps({"id": "a", "text": "x" * (20 << 20)}).encode()
    answer = Answer(200, {"Content-Encoding": "gzip"}, gzip.compress(body, 1)) if packed else Answer(200, {}, body)
    with pytest.raises(BadReference, match="answers with more than 16 MB") as caught:
        document(pc, answer)
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("status", "told", "transient", "requests"),
    [
        (404, "there is no such item", False, 1),
        (410, "there is no such item", False, 1),
        (403, "answers 403", False, 1),
        (401, "answers 401", False, 1),
        (204, "answers 204", False, 1),
        (500, "answers 500", True, 2),
    ],
)
def test_a_status_says_whether_it_may_pass(
    status: int, told: str, transient: bool, requests: int, pc: PlanetaryComputer
) -> None:
    with pytest.raises(BadReference, match=told) as caught:
        document(pc, Answer(status))
    assert caught.value.transient == transient
    assert len(pc.relay.exchanges) == requests


def test_an_item_that_has_moved_is_found(pc: PlanetaryComputer) -> None:
    play(pc, None, x=Answer(302, {"Location": "y"}), y=Answer(301, {"Location": f"https://{HOST}/z"}), z=item("a"))
    assert StacApi(ROOT, QUICK).document(f"{ROOT}/x", "a")["id"] == "a"


def test_an_answer_with_another_item_than_was_asked_for_is_refused(pc: PlanetaryComputer) -> None:
    with pytest.raises(BadReference, match="answers with another item, 'b'"):
        document(pc, item("b"), "a")
    assert document(pc, item("b"))["id"] == "b"


@pytest.mark.parametrize(
    "url", ["https://", "http://[", "nonsense", "ftp://stac.example/x", "https://a..b/", "https://x:y/"]
)
def test_an_address_that_is_none_is_refused_at_once(url: str, pc: PlanetaryComputer) -> None:
    for ask in (
        lambda: StacApi(ROOT, QUICK).document(url),
        lambda: list(StacCatalogClient(url, "c", QUICK).search(EVERYWHERE)),
    ):
        started = time.monotonic()
        with pytest.raises(BadReference, match="is no usable URL") as caught:
            ask()
        assert not caught.value.transient
        assert time.monotonic() - started < 1
