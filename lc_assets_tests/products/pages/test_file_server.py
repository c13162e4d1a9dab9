"""The server of a store's files: what it serves, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from datetime import date

import pytest

from lc_assets.store.layout import SceneLayout
from lc_assets_tests.products.pages.gallery_scenes import box, laid
from lc_assets_tests.products.pages.served_store import Server, serving

AGREEMENT = {
    "reference": {"name": "other", "title": "<Other> map", "year": 2021},
    "pixels": {"map": 200, "scored": 100},
    "full_count": {"overall": 0.625},
    "sample": {"overall": {"interval": [0.5, 0.75]}},
}
CONTENT = bytes(range(256))
MAP = "/scenes/S2/map.tif"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """On a store with a file, a hidden file, links, and a secret beside it."""
    folder = tmp_path_factory.mktemp("served")
    store = folder / "store"
    (store / "scenes" / "S2").mkdir(parents=True)
    (store / "scenes" / "S2" / "map.tif").write_bytes(CONTENT)
    (store / ".hidden").write_text("secret")
    (folder / "store-beside").mkdir()
    (folder / "store-beside" / "secret").write_text("secret")
    (store / "out").symlink_to(folder / "store-beside" / "secret")
    (store / "folder_out").symlink_to(folder / "store-beside")
    (store / "to_hidden").symlink_to(store / ".hidden")
    (store / "inside").symlink_to(store / "scenes" / "S2" / "map.tif")
    os.mkfifo(store / "pipe")
    with serving(store) as running:
        yield running


@pytest.mark.parametrize(
    "path",
    [
        "/../store-beside/secret",
        "/%2e%2e/store-beside/secret",
        "/..%2fstore-beside%2fsecret",
        "/scenes/../../store-beside/secret",
        "/%252e%252e/store-beside/secret",
        "/..\\store-beside\\secret",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/out",
        "/folder_out/secret",
        "/.hidden",
        "/%2ehidden",
        "/scenes/..%2f.hidden",
        "/to_hidden",
        "/pipe",
        "/scenes",
        "/scenes/",
        "/scenes/S2/",
        "/%00",
        "/" + "a" * 5000,
        "/missing",
    ],
)
def test_nothing_outside_the_store_nothing_hidden_and_no_folder_is_served(server: Server, path: str) -> None:
    answer = server.ask(path)
    assert (answer.status, answer.body) == (404, b"Not Found")


def test_a_file_is_served_whole_in_ranges_and_without_a_body(server: Server) -> None:
    whole = server.ask(MAP)
    assert (whole.status, whole.body) == (200, CONTENT)
    wanted = ("content-type: image/tiff", "accept-ranges: bytes", "cache-control: no-cache", "nosniff", "same-origin")
    for header in wanted:
        assert header in whole.head
    part = server.ask(MAP, "Range: bytes=16-31")
    assert (part.status, part.body) == (206, CONTENT[16:32])
    assert server.ask(MAP, "Range: bytes=-4").body == CONTENT[-4:]
    assert server.ask(MAP, "Range: bytes=256-").status == 416
    head = server.ask(MAP, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert "content-length: 256" in head.head
    assert server.ask("/inside").body == CONTENT, "a link that stays in the store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_methods_are_allowed(server: Server, method: str) -> None:
    assert server.ask(MAP, method=method).status == 405
    assert server.ask("/", method=method).status == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:3001", "", "0.0.0.0"])
def test_a_request_that_names_another_host_is_refused(server: Server, host: str) -> None:
    assert server.ask(MAP, host=host).status == 400
    assert server.ask("/", host=host).status == 400


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "http://localhost"])
def test_a_page_that_this_machine_serves_may_read_files_and_ranges(server: Server, origin: str) -> None:
    allowed = f"access-control-allow-origin: {origin}"
    assert allowed in server.ask(MAP, f"Origin: {origin}", "Range: bytes=0-15").head
    asked = ("Access-Control-Request-Method: GET", "Access-Control-Request-Headers: range")
    answer = server.ask(MAP, f"Origin: {origin}", *asked, method="OPTIONS")
    assert answer.status == 200 and allowed in answer.head and "\r\naccess-control-allow-headers" in answer.head


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1.evil.example", "null", "file://"])
def test_a_page_of_another_site_may_not_read_the_store(server: Server, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = server.ask(MAP, f"Origin: {origin}", "Access-Control-Request-Method: GET", method=method)
        assert "access-control-allow-origin" not in answer.head


def test_the_page_of_all_scenes_is_made_when_it_is_opened(server: Server, scene: SceneLayout) -> None:
    assert b"No scene has a map yet" in server.ask("/").body
    assert b"<h1>Map of 0 scenes</h1>" in server.ask("/map.html").body
    assert b"<h1>Plots over 0 scenes</h1>" in server.ask("/plots.html").body
    name = laid(scene, server.store, "33UUB", date(2024, 6, 1), box(12, 55, 13, 56))
    for path in ("/", "/index.html"):
        page = server.ask(path)
        assert page.status == 200
        assert f'href="scenes/{name}/report.html"'.encode() in page.body
    assert not (server.store / "index.html").exists(), "it is not written"
    assert name.encode() in server.ask(f"/scenes/{name}/report.html").body
    thumbnail = server.ask(f"/scenes/{name}/{name}_thumbnail.png", method="HEAD")
    assert "cross-origin-resource-policy: cross-origin" in thumbnail.head, "Dagster's UI shows it"


def test_a_report_shows_the_agreement_of_its_map_that_is_in_the_store_when_it_is_opened(server: Server) -> None:
    folder = server.store / "scenes" / "S3"
    folder.mkdir()
    (folder / "report.html").write_bytes(b"<p>report</p><!-- agreement -->")
    (folder / "S3_classified.tif").write_bytes(b"map")
    plain = server.ask("/scenes/S3/report.html")
    assert plain.body == b"<p>report</p><!-- agreement -->"
    (tag,) = re.findall(r"etag: (\S+)", plain.head)
    assert server.ask("/scenes/S3/report.html", f"If-None-Match: {tag}").status == 304
    document = folder / "agreement" / "other" / "agreement.json"
    document.parent.mkdir(parents=True)
    document.write_text(json.dumps({**AGREEMENT, "map": {"sha256": hashlib.sha256(b"map").hexdigest()}}))
    shown = server.ask("/scenes/S3/report.html", f"If-None-Match: {tag}")
    assert (shown.status, "etag" in shown.head) == (200, False), "a browser keeps no page without the figures"
    for text in ("&lt;Other&gt; map, 2021", "62.5", "50.0", "./agreement/other/agreement.json", "accuracy"):
        assert text in shown.body.decode()
    (folder / "S3_classified.tif").write_bytes(b"another map")
    assert server.ask("/scenes/S3/report.html").body == plain.body, "the figures are of an earlier map"
    document.write_text("{")
    assert server.ask("/scenes/S3/report.html").body == plain.body
