"""The test rig: the Planetary Computer that other tests talk to is what it says it is."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import planetary_computer as sdk
import pystac_client
import pytest
import rasterio
import requests

from lc_assets.sentinel2.item.scene import parse_scene
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.relay import Relay
from loopback.scenes import NAMES, pc_scene, pc_scenes
from loopback.stac_api import PUBLIC_HOST, PUBLIC_ROOT
from loopback.wire import Answer, Request

pytestmark = pytest.mark.rig
CONTENT = bytes(range(256)) * 400
"""Of the blob that most tests ask for: 102,400 bytes."""
PATH = "sentinel2-l2/rig/B02 10m.tif"


@pytest.fixture
def blob(pc: PlanetaryComputer) -> str:
    """The unsigned URL of a blob."""
    return pc.blobs.put(PATH, CONTENT)


asked: list[http.client.HTTPConnection | http.client.HTTPResponse] = []
"""What a test has opened."""


@pytest.fixture(autouse=True)
def connections_closed() -> Iterator[None]:
    yield
    while asked:
        asked.pop().close()


def ask(pc: PlanetaryComputer, url: str, *, retry_policy: float = 20, **headers: str) -> http.client.HTTPResponse:
    """GET through the relay with nothing between the test and the wire that might try again."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=pc.environment["SSL_CERT_FILE"])
    port = urlsplit(pc.relay.url).port
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=retry_policy)
    asked.append(connection)
    connection.set_tunnel(str(parts.hostname), 443)
    connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
    answer = connection.getresponse()
    asked.append(answer)
    return answer


def test_a_signed_range_comes_through_the_proxy(pc: PlanetaryComputer, blob: str) -> None:
    answer = requests.get(sdk.sign(blob), headers={"Range": "bytes=300-309"}, timeout=10)
    assert (answer.status_code, answer.content) == (206, CONTENT[300:310])
    assert answer.headers["Content-Range"] == f"bytes 300-309/{len(CONTENT)}"
    last = pc.relay.exchanges[-1]
    assert (last.host, last.method, last.range) == (pc.blobs.host, "GET", "bytes=300-309")
    assert (last.status, last.body_bytes_sent, last.signed, last.fault) == (206, 10, True, "")


def test_head_tells_the_size_and_sends_nothing(pc: PlanetaryComputer, blob: str) -> None:
    answer = requests.head(sdk.sign(blob), timeout=10)
    assert int(answer.headers["Content-Length"]) == len(CONTENT)
    assert "Content-MD5" not in answer.headers
    assert pc.relay.exchanges[-1].body_bytes_sent == 0


def test_a_blob_tells_its_md5_only_if_it_was_put_so(pc: PlanetaryComputer) -> None:
    for told in (True, False):
        url = sdk.sign(pc.blobs.put(PATH, CONTENT, md5=told))
        assert ("Content-MD5" in requests.head(url, timeout=10).headers) == told
        assert ("Content-MD5" in requests.get(url, timeout=10).headers) == told


def test_storage_refuses_what_is_not_signed_or_has_expired(pc: PlanetaryComputer, blob: str) -> None:
    assert requests.get(blob, timeout=10).status_code in (403, 404)
    assert requests.get(f"{blob}?{pc.blobs.sas('sentinel2-l2', -5)}", timeout=10).status_code == 403
    forged = pc.blobs.sas("sentinel2-l2", 60).replace("sp=rl", "sp=rwl")
    assert requests.get(f"{blob}?{forged}", timeout=10).status_code == 403
    assert requests.put(sdk.sign(blob), b"", headers={"x-ms-blob-type": "BlockBlob"}, timeout=10).status_code == 403
    assert requests.get(sdk.sign(pc.blobs.url("sentinel2-l2/none.tif")), timeout=10).status_code == 404


def test_a_token_can_die_before_it_says_so(pc: PlanetaryComputer, blob: str) -> None:
    pc.real_token_seconds = 2
    url = sdk.sign(blob)
    assert requests.get(url, timeout=10).status_code == 200
    time.sleep(2.1)
    assert requests.get(url, timeout=10).status_code == 403


def test_the_sdk_asks_for_a_token_once(pc: PlanetaryComputer, blob: str) -> None:
    assert sdk.sign(blob).rpartition("?")[2] == sdk.sign(f"{blob}x").rpartition("?")[2] == pc.tokens_issued[0]
    assert len(pc.tokens_issued) == 1
    assert [exchange.path for exchange in pc.relay.exchanges] == ["/api/sas/v1/token/sentinel2l2a01/sentinel2-l2"]


def test_gdal_reads_through_the_proxy(pc: PlanetaryComputer, tmp_path: Path) -> None:
    scene = pc_scene(900, tmp_path, shape=(60, 60))
    url = pc.blobs.put(scene.item["assets"]["B02"]["href"], scene.files["B02"].read_bytes())
    with rasterio.open(f"/vsicurl/{sdk.sign(url)}") as far, rasterio.open(scene.files["B02"]) as near:
        assert (far.read(1) == near.read(1)).all()
    assert {exchange.host for exchange in pc.relay.exchanges} == {PUBLIC_HOST, pc.blobs.host}


def test_a_status_comes_with_its_headers_so_many_times(pc: PlanetaryComputer, blob: str) -> None:
    fault = pc.relay.inject(Fault("rig/", "status", times=2, status=503, headers={"Retry-After": "7"}))
    url = sdk.sign(blob)
    answers = [ask(pc, url) for _ in range(3)]
    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].getheader("Retry-After") == "7"
    assert b"<Code>ServerBusy</Code>" in answers[0].read()
    assert fault.hits == 2
    assert [exchange.fault for exchange in pc.relay.exchanges[-3:]] == ["status", "status", ""]


def test_refused_there_is_no_answer(pc: PlanetaryComputer, blob: str) -> None:
    pc.relay.inject(Fault(pc.blobs.host, "refuse"))
    with pytest.raises(http.client.RemoteDisconnected):
        ask(pc, blob)
    assert pc.relay.exchanges[-1].status == 0


def test_reset_is_rst_after_so_many_bytes(pc: PlanetaryComputer, blob: str) -> None:
    """Asked without TLS, for Python's hides a reset as an end."""
    pc.relay.inject(Fault("rig/", "reset", after=70_000))
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(pc.relay.url).port)
    asked.append(connection)
    connection.request("GET", sdk.sign(blob).replace("https:", "http:"))
    answer = connection.getresponse()
    assert answer.read(70_000) == CONTENT[:70_000]
    with pytest.raises(ConnectionResetError):
        answer.read(1)


def test_truncated_it_ends_in_order_before_its_length(pc: PlanetaryComputer, blob: str) -> None:
    pc.relay.inject(Fault("rig/", "truncate", after=70_000))
    answer = ask(pc, sdk.sign(blob))
    assert answer.getheader("Content-Length") == str(len(CONTENT))
    with pytest.raises(http.client.IncompleteRead) as short:
        answer.read()
    assert short.value.partial == CONTENT[:70_000]


def test_stalled_nothing_more_comes(pc: PlanetaryComputer, blob: str) -> None:
    pc.relay.inject(Fault("rig/", "stall", after=1000))
    answer = ask(pc, sdk.sign(blob), retry_policy=1)
    assert answer.read(1000) == CONTENT[:1000]
    with pytest.raises(TimeoutError):
        answer.read(1)


def test_slow_is_a_byte_a_second(pc: PlanetaryComputer, blob: str) -> None:
    pc.relay.inject(Fault("rig/", "slow", after=1000))
    answer = ask(pc, sdk.sign(blob))
    answer.read(1000)
    started = time.monotonic()
    assert answer.read(2) == CONTENT[1000:1002]
    assert time.monotonic() - started > 1.5


def test_a_rate_is_that_of_all_connections_together() -> None:
    relay = Relay(rate=4 * len(CONTENT))
    relay.add_host("files.example.com", lambda request: Answer(200, {}, CONTENT))
    proxies = {"http": relay.url}

    def get(number: int) -> int:
        return len(requests.get(f"http://files.example.com/{number}", proxies=proxies, timeout=20).content)

    started = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(get, range(3))) == [len(CONTENT)] * 3
    assert time.monotonic() - started > 0.65  # three quarters of a second, less the burst
    relay.stop()


def test_a_web_page_or_broken_json_may_come_instead(pc: PlanetaryComputer, blob: str) -> None:
    pc.relay.inject(Fault("rig/", "html"))
    answer = ask(pc, blob, Range="bytes=0-9")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "text/html")
    pc.relay.inject(Fault("rig/", "garbage"))
    with pytest.raises(ValueError):
        json.loads(ask(pc, blob).read())


def test_a_wrong_length_is_honest_about_too_short_a_body(pc: PlanetaryComputer, blob: str) -> None:
    pc.relay.inject(Fault("rig/", "wrong_length", after=24))
    answer = ask(pc, sdk.sign(blob))
    assert answer.getheader("Content-Length") == str(len(CONTENT) - 24)
    assert answer.read() == CONTENT[:-24]


def test_a_flipped_bit_lies_where_it_was_put_and_waits_for_its_range(pc: PlanetaryComputer, blob: str) -> None:
    pc.relay.inject(Fault("rig/", "flip", after=500))
    url = sdk.sign(blob)
    assert ask(pc, url, Range="bytes=0-499").read() == CONTENT[:500]
    spoiled = ask(pc, url, Range="bytes=400-599").read()
    assert [n for n in range(200) if spoiled[n] != CONTENT[400 + n]] == [100]
    assert ask(pc, url).read() == CONTENT


def test_requests_without_the_byte_leave_a_flip_to_the_request_with_it(pc: PlanetaryComputer, blob: str) -> None:
    url = sdk.sign(blob)
    ranges = [f"bytes={begin}-{begin + 99}" for begin in range(0, 800, 100)]
    for _ in range(10):
        fault = pc.relay.inject(Fault("rig/", "flip", after=500))
        with ThreadPoolExecutor(len(ranges)) as pool:
            parts = list(pool.map(lambda part: ask(pc, url, Range=part).read(), ranges))
        assert fault.hits == 1
        assert parts[5][0] == CONTENT[500] ^ 1
        assert b"".join(parts)[501:] == CONTENT[501:800]


def test_chance_is_seeded_and_clear_takes_faults_away(pc: PlanetaryComputer, blob: str) -> None:
    def hits() -> list[bool]:
        pc.relay.inject(Fault("rig/", "status", times=-1, status=500, chance=0.5))
        hit = [requests.get(blob, timeout=10).status_code == 500 for _ in range(20)]
        pc.relay.clear()
        return hit

    first = hits()
    assert 4 <= sum(first) <= 16
    assert hits() == first
    assert requests.get(blob, timeout=10).status_code != 500


@pytest.mark.filterwarnings("ignore::pystac_client.warnings.DoesNotConformTo")  # sorting: it says 1.1.0, and does it
def test_a_search_pages_with_filters_on_the_public_host(pc: PlanetaryComputer, tmp_path: Path) -> None:
    scenes = [pc_scene(n, tmp_path, shape=(12, 12), **{"eo:cloud_cover": 10.0 * n}) for n in range(7)]
    pc.api.clear()
    pc.publish_all([(scene.item, {}) for scene in scenes])
    client = pystac_client.Client.open(PUBLIC_ROOT, modifier=sdk.sign_inplace)
    options = {"collections": ["sentinel-2-l2a"], "query": {"eo:cloud_cover": {"lt": 45}}, "limit": 2}
    for method in ("POST", "GET"):
        search = client.search(method=method, sortby=["+properties.eo:cloud_cover"], **options)
        pages = list(search.pages_as_dicts())
        assert [len(page["features"]) for page in pages] == [2, 2, 1]
        assert [item["id"] for page in pages for item in page["features"]] == [scene.id for scene in scenes[:5]]
        following = [link["href"] for page in pages for link in page["links"] if link["rel"] == "next"]
        assert len(following) == 2
        assert all(href.startswith(f"{PUBLIC_ROOT}/search") for href in following)
    assert "sig=" in pages[0]["features"][0]["assets"]["B02"]["href"]
    cql2 = {"op": ">", "args": [{"property": "eo:cloud_cover"}, 45]}
    assert {item.id for item in client.search(filter=cql2).items()} == {scene.id for scene in scenes[5:]}


def test_items_are_replaced_and_deleted(pc: PlanetaryComputer, tmp_path: Path) -> None:
    scene = pc_scene(901, tmp_path, shape=(12, 12))
    url = f"{PUBLIC_ROOT}/collections/sentinel-2-l2a/items/{scene.id}"
    for cover in (1.5, 2.5):
        scene.item["properties"]["eo:cloud_cover"] = cover
        pc.publish(scene.item)
        assert requests.get(url, timeout=10).json()["properties"]["eo:cloud_cover"] == cover
    pc.api.delete(scene.id)
    assert requests.get(url, timeout=10).status_code == 404


def test_scenes_differ_and_are_what_their_items_say(tmp_path: Path) -> None:
    scenes = pc_scenes(10, tmp_path, shape=(60, 60))
    assert len({scene.id for scene in scenes}) == 10
    assert len({scene.files["B8A"].read_bytes() for scene in scenes}) == 10
    assert len({scene.item["assets"]["B8A"]["href"] for scene in scenes}) == 10
    for name in NAMES:
        asset = scenes[9].item["assets"][name]
        with rasterio.open(scenes[9].files[name]) as dataset:
            assert list(dataset.shape) == asset["proj:shape"]
            assert list(dataset.transform)[:6] == asset["proj:transform"]
            assert list(dataset.bounds) == asset["proj:bbox"]
            assert dataset.crs.to_epsg() == scenes[9].item["properties"]["proj:epsg"]
            assert dataset.nodata is None
    parse_scene(scenes[9].item)


def test_other_hosts_are_answered_by_what_a_test_adds(pc: PlanetaryComputer) -> None:
    def handler(request: Request) -> Answer:
        return Answer.of_json({"path": request.path, "sent": request.json()})

    assert requests.get("https://catalog.example/", timeout=10).status_code == 502
    pc.relay.add_host("catalog.example", handler)
    answer = requests.post("https://catalog.example/search", json={"limit": 1}, timeout=10)
    assert answer.json() == {"path": "/search", "sent": {"limit": 1}}


def test_one_connection_takes_many_requests(pc: PlanetaryComputer, blob: str) -> None:
    with requests.Session() as session:
        for _ in range(3):
            session.get(blob, timeout=10)
    assert len({exchange.connection for exchange in pc.relay.exchanges}) == 1


def test_the_relay_stops_while_a_client_waits() -> None:
    relay = Relay()
    relay.add_host("x.example", lambda _: Answer(200, {}, b"12345"))
    relay.inject(Fault("x", "stall", after=2))
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(relay.url).port, timeout=5)) as connection:
        connection.request("GET", "http://x.example/")
        with closing(connection.getresponse()) as answer:
            assert answer.read(2) == b"12"
            started = time.monotonic()
            relay.stop()
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
    assert time.monotonic() - started < 2
