"""Links to the next page, and redirects."""

from __future__ import annotations

from typing import Any

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.remote import stac_api
from lc_assets.remote.stac_api import StacApi
from lc_assets_tests.remote.stac_server import HOST, METADATA, QUICK, ROOT, is_one_line, page, play
from loopback.planetary_computer import PlanetaryComputer
from loopback.wire import Answer, Request


@pytest.mark.parametrize(
    "href", ["https://other.example/v1/two", METADATA, f"https://{HOST}.evil.example/two", f"https://{HOST}:8443/two"]
)
def test_a_next_page_on_another_host_is_refused(href: str, pc: PlanetaryComputer) -> None:
    searched = play(pc, page("a", to=href))
    with pytest.raises(BadReference, match="next page on another host") as caught:
        searched()
    assert href in str(caught.value)
    assert len(pc.relay.exchanges) == 1


@pytest.mark.parametrize(
    "href",
    ["two", "/v1/two", f"http://{HOST}/v1/two", f"https://{HOST}:443/v1/two", f"https://{HOST.upper()}/v1/two?token=1"],
)
def test_a_next_page_of_the_same_host_is_followed_however_it_is_written(href: str, pc: PlanetaryComputer) -> None:
    assert play(pc, page("a", to=href), two=page("b"))() == ["a", "b"]


def test_a_next_page_that_is_posted_for_keeps_the_search(pc: PlanetaryComputer) -> None:
    bodies: list[Any] = []

    def first(request: Request) -> dict[str, Any]:
        bodies.append(request.json())
        token = {"rel": "next", "method": "post", "href": f"{ROOT}/search", "merge": True, "body": {"token": "2"}}
        return page("a", to=token) if len(bodies) == 1 else page("b")

    assert play(pc, first)() == ["a", "b"]
    assert bodies[1] == bodies[0] | {"token": "2"}
    assert bodies[0] == {"collections": ["c"], "limit": stac_api.PAGE, "bbox": [-180.0, -90.0, 180.0, 90.0]}


@pytest.mark.parametrize(
    "link",
    [
        {"method": "POST"},
        {"method": "POST", "body": {}},
        {"method": "POST", "body": [1]},
        {"method": "DELETE"},
        {"method": 7},
        {"href": None},
        {"href": 7},
        {"href": "file:///etc/passwd"},
        {"href": "ftp://stac.example/x"},
        {"href": "http://["},
        {"href": "http://stac.example:x/"},
    ],
)
def test_a_malformed_next_link_is_an_error(link: dict[str, Any], pc: PlanetaryComputer) -> None:
    """A POST without a body would ask for the whole Earth."""
    searched = play(pc, page("a", to={"rel": "next", "href": "two", **link}), two=page("b"))
    with pytest.raises(BadReference, match="no page of items"):
        searched()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_search_that_is_redirected_is_the_same_search(status: int, pc: PlanetaryComputer) -> None:
    """`requests` makes a GET of a POST for most of these, and a GET without limits asks for the whole Earth."""
    sent: list[tuple[str, Any]] = []

    def there(request: Request) -> dict[str, Any]:
        sent.append((request.method, request.json()["bbox"]))
        return page("a")

    assert play(pc, Answer(status, {"Location": "/v1/there"}), there=there)() == ["a"]
    assert sent == [("POST", [-180.0, -90.0, 180.0, 90.0])]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        (METADATA, r"is refused: 169\.254\.169\.254 is where clouds keep"),
        ("http://127.0.0.1:9/", "is refused: 127.0.0.1 is a loopback address"),
        ("file:///etc/passwd", "is refused: it is no http"),
        ("/v1/search", "redirects more than 5 times"),
        ("http://[", "redirects to what is no URL"),
    ],
)
def test_a_redirect_to_where_nobody_should_be_led_is_refused(location: str, told: str, pc: PlanetaryComputer) -> None:
    searched = play(pc, Answer(302, {"Location": location}))
    for ask in (searched, lambda: StacApi(ROOT, QUICK).document(f"{ROOT}/search")):
        with pytest.raises(BadReference, match=told) as caught:
            ask()
        assert not caught.value.transient
        assert is_one_line(caught.value)
    assert {exchange.host for exchange in pc.relay.exchanges} == {HOST}
