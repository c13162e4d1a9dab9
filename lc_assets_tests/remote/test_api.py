"""The STAC API on its worst day: pgstac behind faults, and servers that answer what no server should."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from lc_assets.core.errors import BadReference, LandCoverError
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.settings import COLLECTION
from lc_assets.remote import stac_api
from lc_assets.remote.stac_api import StacApi
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets_tests.rig.faults import Fault
from lc_assets_tests.rig.scenes import PcScene, pc_scenes
from lc_assets_tests.rig.service import PlanetaryComputer
from lc_assets_tests.rig.stac_api import PUBLIC_HOST, PUBLIC_ROOT
from lc_assets_tests.rig.wire import Answer, Request

QUICK = RetryPolicy(connect=1.0, read=0.5, backoff=0.03)
EVERYWHERE = Query(bbox=(-180.0, -90.0, 180.0, 90.0))
SEARCH = f"{PUBLIC_HOST}/api/stac/v1/search"
HOST = "stac.example"
ROOT = f"https://{HOST}/v1"
METADATA = "http://169.254.169.254/latest/meta-data/"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[PcScene]:
    """Eight scenes side by side, 0 to 70 % cloud, 7 to 0 % of it empty."""
    made = pc_scenes(8, tmp_path_factory.mktemp("api"), shape=(12, 12))
    for number, scene in enumerate(made):
        scene.item["properties"] |= {"eo:cloud_cover": 10.0 * number, "s2:nodata_pixel_percentage": 7.0 - number}
    return made


def fill(pc: PlanetaryComputer, scenes: list[PcScene]) -> None:
    pc.api.clear()
    pc.api.load(items=[scene.item for scene in scenes])


@pytest.fixture(scope="module")
def filled(planetary_computer: PlanetaryComputer, scenes: list[PcScene]) -> None:
    fill(planetary_computer, scenes)


@pytest.fixture
def world(filled: None, pc: PlanetaryComputer, scenes: list[PcScene], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Their ids, and three pages of them in pgstac."""
    monkeypatch.setattr(stac_api, "PAGE", 3)
    return [scene.id for scene in scenes]


@pytest.fixture
def changing(world: list[str], pc: PlanetaryComputer, scenes: list[PcScene]) -> Iterator[list[str]]:
    """The same, for a test that changes it."""
    yield world
    fill(pc, scenes)


def planetary(tries: int = 2, retry_policy: RetryPolicy = QUICK) -> StacApi:
    return StacApi(PUBLIC_ROOT, retry_policy, tries)


def ids(pages: Iterable[list[dict[str, Any]]]) -> list[str]:
    return sorted(item["id"] for page in pages for item in page)


def catalog(tries: int = 2, retry_policy: RetryPolicy = QUICK) -> StacCatalogClient:
    return StacCatalogClient(PUBLIC_ROOT, COLLECTION, replace(retry_policy, tries=tries))


def found(query: Query = EVERYWHERE) -> list[str]:
    return ids(catalog().search(query))


def item(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": name, "properties": {}, **fields}


def page(*names: str, to: Any = None, **fields: Any) -> dict[str, Any]:
    links = [] if to is None else [{"rel": "next", "href": to} if isinstance(to, str) else to]
    return {"type": "FeatureCollection", "features": [item(name) for name in names], "links": links, **fields}


def play(pc: PlanetaryComputer, first: Any, **others: Any) -> Callable[..., list[str]]:
    """A server at `HOST`: `first` answers /v1/search, `others` answer /v1/<name>. What searches it is returned."""

    def handler(request: Request) -> Answer:
        answer = {"search": first, **others}.get(request.path.rpartition("/")[2], Answer(404))
        answer = answer(request) if callable(answer) else answer
        return answer if isinstance(answer, Answer) else Answer.of_json(answer)

    pc.relay.add_host(HOST, handler)
    return lambda tries=1, query=EVERYWHERE: ids(
        StacCatalogClient(ROOT, "c", replace(QUICK, tries=tries)).search(query)
    )


def asked(pc: PlanetaryComputer) -> list[str]:
    return [exchange.path.rpartition("/")[2] for exchange in pc.relay.exchanges]


def is_one_line(error: LandCoverError) -> bool:
    return len(str(error).splitlines()) == 1 and "->" in str(error) and len(str(error)) < 600


# A search among faults


def test_a_search_gives_every_item_once_page_by_page_through_the_proxy(pc: PlanetaryComputer, world: list[str]) -> None:
    pages = list(catalog().search(EVERYWHERE))
    assert [len(found) for found in pages] == [3, 3, 2]
    assert ids(pages) == world
    assert [(exchange.host, exchange.status) for exchange in pc.relay.exchanges] == [(PUBLIC_HOST, 200)] * 3


FAULTS = [
    *({"kind": "status", "status": status} for status in (429, 500, 503)),
    *({"kind": kind, "after": 200} for kind in ("refuse", "stall", "truncate", "reset", "wrong_length")),
    *({"kind": kind} for kind in ("html", "garbage")),
]


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
    assert "2 attempts in vain" in str(caught.value)
    assert len(got) == 6
    assert set(ids([got])) < set(world)


def test_a_first_page_that_always_fails_is_one_error_and_never_an_empty_world(
    pc: PlanetaryComputer, world: list[str]
) -> None:
    pc.relay.inject(Fault(SEARCH, "status", times=-1, status=503))
    with pytest.raises(BadReference, match=r"answers 503 \(4 attempts in vain"):
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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
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


# Fewer items than there are


NOTHING = [{}, {"features": []}, {"type": "FeatureCollection"}, page(), [], None, "", {**page(), "features": {}}]


@pytest.mark.parametrize("nothing", NOTHING, ids=json.dumps)
def test_a_promised_page_without_items_is_asked_for_again_and_never_taken_for_the_end(
    nothing: Any, pc: PlanetaryComputer, world: list[str]
) -> None:
    """pgstac looks one item ahead before it promises a page."""
    healthy = [True, False, True, True]
    pc.relay.add_host(PUBLIC_HOST, lambda _: pc.api.backend if healthy.pop(0) else Answer.of_json(nothing))
    assert found() == world
    healthy += [True, False, False]
    with pytest.raises(BadReference, match=r"promised more items and gave none|no page of items") as caught:
        found()
    assert caught.value.transient


def test_an_api_that_counts_may_end_in_an_empty_page(pc: PlanetaryComputer) -> None:
    """Elasticsearch does not look ahead."""
    searched = play(pc, page("a", "b", to="two", numberMatched=2), two=page(numberMatched=2))
    assert searched() == ["a", "b"]
    assert asked(pc) == ["search", "two"]


@pytest.mark.parametrize("count", [0, -1, 1])
def test_a_count_that_is_plainly_wrong_does_not_make_an_empty_page_the_end(count: int, pc: PlanetaryComputer) -> None:
    searched = play(pc, page("a", "b", to="two", numberMatched=count), two=page(numberMatched=count))
    with pytest.raises(BadReference, match="promised more items and gave none"):
        searched()


@pytest.mark.parametrize("counts", [{"numberMatched": 3}, {"context": {"matched": 3}, "numberMatched": None}])
@pytest.mark.parametrize("last", [page(), page("b"), page("b", numberMatched=2)])
def test_fewer_items_than_the_api_has_counted_are_an_error(
    counts: dict[str, Any], last: Any, pc: PlanetaryComputer
) -> None:
    searched = play(pc, page("a", to="two", **counts), two=last)
    with pytest.raises(BadReference, match=r"gave 2 of the 3 items|promised more") as caught:
        searched()
    assert caught.value.transient


def test_a_page_without_items_that_leads_on_is_followed(pc: PlanetaryComputer) -> None:
    assert play(pc, page(to="two"), two=page("a", to="three"), three=page("b"))() == ["a", "b"]


def test_an_item_that_comes_again_on_a_later_page_is_given_once(pc: PlanetaryComputer) -> None:
    searched = play(
        pc, page("a", "b", "b", to="two"), two=page("b", "c", to="three"), three=page("c", to="four"), four=page("d")
    )
    assert searched() == ["a", "b", "c", "d"]


def test_next_links_in_a_circle_end(pc: PlanetaryComputer) -> None:
    searched = play(pc, page("a", to="two"), two=page("b", to="three"), three=page("c", to="two"))
    with pytest.raises(BadReference, match="repeats itself after 3 items"):
        searched()
    assert asked(pc) == ["search", "two", "three"]


def test_a_page_that_comes_again_under_ever_new_links_ends(pc: PlanetaryComputer) -> None:
    searched = play(pc, page("a", to="two"), two=lambda request: page("a", to=f"two?{len(pc.relay.exchanges)}"))
    with pytest.raises(BadReference, match="repeats itself after 1 items"):
        searched()
    assert len(pc.relay.exchanges) < 8


def test_a_last_page_that_leads_to_itself_is_the_end_where_all_that_were_counted_are_there(
    pc: PlanetaryComputer,
) -> None:
    assert play(pc, page("a", to="two", numberMatched=2), two=page("b", to="two", numberMatched=2))() == ["a", "b"]


def test_a_search_ends_somewhere(pc: PlanetaryComputer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "MOST_PAGES", 5)

    def more(request: Request) -> dict[str, Any]:
        number = len(pc.relay.exchanges)
        return page(f"i{number}", to=f"two?{number}")

    with pytest.raises(BadReference, match="repeats itself after 5 items"):
        play(pc, more, two=more)()


def test_an_item_deleted_at_the_seam_of_two_pages_is_an_error_not_a_gap(
    pc: PlanetaryComputer, changing: list[str]
) -> None:
    """pgstac's token is the id of the last item; without it pgstac answers 500, and a new search is right again."""
    pages = catalog().search(EVERYWHERE)
    last = next(pages)[-1]["id"]
    pc.api.delete(last)
    with pytest.raises(BadReference) as caught:
        list(pages)
    assert caught.value.transient
    assert found() == [name for name in changing if name != last]


# Links and redirects


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


# Answers that no server should give


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


# What is asked for


def between(scenes: list[PcScene], number: int) -> float:
    """A longitude between scene `number` and the next."""
    return (scenes[number].item["bbox"][2] + scenes[number + 1].item["bbox"][0]) / 2


def ring(west: float, east: float) -> list[list[float]]:
    return [[west, -80], [east, -80], [east, 84], [west, 84], [west, -80]]


QUERIES: dict[str, tuple[Callable[[list[PcScene]], dict[str, Any]], set[int]]] = {
    "tile": (lambda s: {"tiles": (s[2].item["properties"]["s2:mgrs_tile"],)}, {2}),
    "tiles": (lambda s: {"tiles": tuple(f"t{x.item['properties']['s2:mgrs_tile']}".lower() for x in s[:2])}, {0, 1}),
    "another tile": (lambda s: {"tiles": ("07HFE",)}, set()),
    "cloud": (lambda s: {"max_cloud": 30.0}, {0, 1, 2, 3}),
    "no cloud": (lambda s: {"max_cloud": 0}, {0}),
    "nodata": (lambda s: {"max_nodata": 2.5}, {5, 6, 7}),
    "cloud and nodata": (lambda s: {"max_nodata": 5.5, "max_cloud": 45}, {2, 3, 4}),
    "bbox": (lambda s: {"bbox": (between(s, 1), -80.0, between(s, 4), 84.0)}, {2, 3, 4}),
    "bbox across the antimeridian": (lambda s: {"bbox": (between(s, 5), -80.0, -179.0, 84.0)}, {6, 7}),
    "bbox to the antimeridian": (lambda s: {"bbox": (between(s, 5), -80.0, -180.0, 84.0)}, {6, 7}),
    "geometry": (
        lambda s: {"geometry": {"type": "Polygon", "coordinates": [ring(between(s, 0), between(s, 1))]}},
        {1},
    ),
    "geometries": (
        lambda s: {
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[ring(between(s, 0), between(s, 1))], [ring(between(s, 6), 179.0)]],
            }
        },
        {1, 7},
    ),
    "point": (lambda s: {"geometry": {"type": "Point", "coordinates": s[3].item["bbox"][:2]}}, set()),
    "year": (lambda s: {"datetime": "2024"}, set(range(8))),
    "other year": (lambda s: {"datetime": "2023"}, set()),
    "month": (lambda s: {"datetime": "2024-01"}, set(range(8))),
    "December": (lambda s: {"datetime": "2024-12"}, set()),
    "day": (lambda s: {"datetime": "2024-01-02"}, set(range(8))),
    "days": (lambda s: {"datetime": "2023-12-30/2024-01-02"}, set(range(8))),
    "until a day": (lambda s: {"datetime": "../2024-01-01"}, set()),
    "since": (lambda s: {"datetime": "2024-01-02T10:36:45Z/.."}, {6, 7}),
    "since, open end left out": (lambda s: {"datetime": "2024-01-02T10:36:45Z/"}, {6, 7}),
    "until": (lambda s: {"datetime": "../2024-01-02T12:36:33+02:00"}, {0, 1}),
    "moments": (lambda s: {"datetime": "2024-01-02T10:36:32.024Z/2024-01-02T10:36:35.024"}, {1, 2}),
    "moment": (lambda s: {"datetime": "2024-01-02T10:36:32.024000Z"}, {1}),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_exactly_what_it_says(name: str, world: list[str], scenes: list[PcScene]) -> None:
    fields, expected = QUERIES[name]
    limits = fields(scenes)
    place = {} if limits.keys() & {"bbox", "geometry", "tiles"} else {"bbox": EVERYWHERE.bbox}
    assert found(Query(**place, **limits)) == [world[number] for number in sorted(expected)]


def test_a_day_lasts_to_its_end(pc: PlanetaryComputer, changing: list[str], scenes: list[PcScene]) -> None:
    """pystac-client's ends at 23:59:59, and acquisitions are told to the millisecond."""
    late = json.loads(json.dumps(scenes[0].item))
    late["properties"]["datetime"] = "2024-01-02T23:59:59.024000Z"
    pc.api.load(items=[late])
    for when in ("2024-01-02", "2024-01-01/2024-01-02", "../2024-01-02"):
        assert found(Query(bbox=EVERYWHERE.bbox, datetime=when)) == changing


@pytest.mark.parametrize("name", ["tile", "tiles", "another tile", "cloud", "no cloud", "nodata", "cloud and nodata"])
def test_limits_hold_where_the_server_ignores_them(name: str, pc: PlanetaryComputer, scenes: list[PcScene]) -> None:
    searched = play(pc, {**page(), "features": [scene.item for scene in scenes]})
    fields, expected = QUERIES[name]
    limits = fields(scenes)
    query = Query(**({} if "tiles" in limits else {"bbox": EVERYWHERE.bbox}), **limits)
    assert searched(query=query) == [scenes[number].id for number in sorted(expected)]


def test_an_item_without_figures_is_left_out_by_pgstac_and_kept_where_a_server_gives_it(
    pc: PlanetaryComputer, changing: list[str], scenes: list[PcScene]
) -> None:
    bare = json.loads(json.dumps(scenes[0].item))
    del bare["properties"]["eo:cloud_cover"]
    pc.api.load(items=[bare])
    query = Query(bbox=EVERYWHERE.bbox, max_cloud=10)
    assert found(query) == [changing[1]]
    assert play(pc, {**page(), "features": [bare]})(query=query) == [changing[0]]


MALFORMED: list[dict[str, Any]] = [
    {},
    {"bbox": (1.0, 2.0, 3.0)},
    {"bbox": (1.0, 2.0, 3.0, float("nan"))},
    {"bbox": (1.0, 2.0, 3.0, "north")},
    {"bbox": (13.0, 56.0, 14.0, 55.0)},
    {"bbox": (-181.0, 0.0, 14.0, 55.0)},
    {"bbox": (0.0, 0.0, 14.0, 91.0)},
    {"bbox": (0.0, 0.0, 1.0, 1.0), "geometry": {"type": "Point", "coordinates": [0, 0]}},
    {"geometry": {"type": "Polygon", "coordinates": [[1, 2]]}},
    {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}},
    {"geometry": {"type": "Point", "coordinates": [0, float("nan")]}},
    {"geometry": {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}}},
    {"geometry": [1, 2]},
    *(
        {"tiles": (tile,)}
        for tile in ("", "33UU", "00UUB", "61UUB", "33IUB", "33UUB\n", "\uff13\uff13UUB", "33UUB,33UVB")
    ),
    *({"tiles": ("33UUB",), "max_cloud": percent} for percent in (-1, 101, float("nan"))),
    {"tiles": ("33UUB",), "max_nodata": 1e9},
]
DATES = [
    *("", "/", "..", "../..", "../", "yesterday", "2024-1", "2024-13", "2024-02-30", "0000", "20240601"),
    *("2024-06-01T25:00:00Z", "2024-06-01T10:00Z", "2024-06-01T10:00:00+25:00", "2024-06-01T10:00:61Z", "\uff12024"),
    *("2024-06-30/2024-06-01", "2024/2025/2026", "2024-06-01 / 2024-06-02", "2024-06-01\n", "2024-06-01/x", "9999"),
]


@pytest.mark.parametrize("fields", MALFORMED, ids=str)
def test_a_malformed_place_tile_or_percentage_is_refused_in_one_line(fields: dict[str, Any]) -> None:
    with pytest.raises(BadReference) as caught:
        Query(**fields)
    assert is_one_line(caught.value)
    assert not caught.value.transient


@pytest.mark.parametrize("when", DATES)
def test_a_malformed_date_is_refused_in_one_line(when: str) -> None:
    with pytest.raises(BadReference, match=r"no date or interval|ends before it begins") as caught:
        Query(tiles=("33UUB",), datetime=when)
    assert is_one_line(caught.value)


# One document


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
    [b"", b"<html>", b'{"a": NaN}', b'{"a": -Infinity}', b"[" * 100_000, b"\xff\xfe\xfd", b"1" * 5000, b'{"id": "a"'],
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
