"""Hrefs that lead to hosts inside the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from lc_assets.remote.ssrf import check_url_allowed
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets_tests.sentinel2.hostile_items import ORIGIN, item_with, refused

INNER = [
    *(
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0x0",
    ),
    *(
        "0.0.0.0",
        "10.0.0.1",
        "10.1",
        "172.16.5.4",
        "192.168.1.1",
        "0xc0a80101",
        "3232235777",
        "100.64.0.1",
        "224.0.0.1",
    ),
    *("255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
    *(
        "[::ffff:7f00:1]",
        "[fc00::1]",
        "[fec0::1]",
        "[fd12:3456::1]",
        "[ff02::1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "[::7f00:1]",
    ),
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "redis", "kubernetes.default.svc.cluster.local"),
    *("kubernetes.default.svc", "redis.team.svc"),
    *("printer.local", "vault.internal", "db.corp.internal", "nas.lan", "router.home.arpa", "wiki.intranet"),
]
CREDENTIALS = [
    *("169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
    *("[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]"),
    *("168.63.129.16", "100.100.100.200"),
    *("metadata.google.internal", "METADATA.GOOGLE.INTERNAL.", "metadata", "instance-data.ec2.internal"),
]
MALFORMED = [
    *(
        "127.0.0.1%00.example.org",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "exämple.org",
        "exam ple.org",
        "[::1%25eth0]",
    ),
    *(
        "1.2.3.4.5",
        "256.0.0.1",
        "0x.0x.0x.0xfff",
        "08.0.0.1",
        "4294967296",
        "a..b",
        ".example.org",
        "a_b\\.example.org",
    ),
    *(
        "example.org\\@127.0.0.1",
        "[::1",
        "",
        "example.org:99999",
        "example.org:abc",
        "example.org:0",
        "127.0.0.1:80:80",
    ),
]


@pytest.mark.parametrize("host", [*INNER, *CREDENTIALS, *MALFORMED])
@pytest.mark.parametrize("form", ["http://{}/B04.tif", "https://{}/B04.tif", "//{}/B04.tif"])
def test_a_remote_item_cannot_send_us_inside_the_network_however_it_spells_it(host: str, form: str) -> None:
    if not host and form.startswith("//"):
        form = "http:///{}/B04.tif"  # "///B04.tif" is a path on the item's own host
    message = refused(item_with(form.format(host)))
    assert "item S2A_T33UUB_20240820T102106_L2A" in message
    assert "asset B04" in message or "asset red" in message


@pytest.mark.parametrize("host", INNER)
@pytest.mark.parametrize("port", ["", ":1", ":8080"])
def test_no_port_opens_an_inner_host(host: str, port: str) -> None:
    assert check_url_allowed(f"http://{host}{port}/x", ORIGIN)


@pytest.mark.parametrize("host", CREDENTIALS)
@pytest.mark.parametrize("origin", [None, ORIGIN, "self"])
def test_where_a_machine_keeps_its_credentials_is_refused_to_every_item(host: str, origin: str | None) -> None:
    url = f"http://{host}/latest/meta-data/"
    assert "credentials" in (check_url_allowed(url, url if origin == "self" else origin) or "")


def test_a_local_item_cannot_name_it_either(demo_item: Path) -> None:
    document = read_document(demo_item)
    document["assets"]["B04"]["href"] = "http://169.254.169.254/B04.tif"
    assert "credentials" in refused(document, demo_item)
    assert "credentials" in refused(document, None)


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("http://127.0.0.1:8000/item", "http://127.0.0.1:9000/B04.tif"),
        ("http://localhost:8000/item", "http://127.0.0.1:9000/B04.tif"),
        ("http://127.0.0.1:8000/item", "http://[::1]/B04.tif"),
        ("http://10.0.0.5/item", "https://10.0.0.5:8443/B04.tif"),
        ("http://10.0.0.5/item", "http://0x0a.5/B04.tif"),
        ("http://catalog/item", "http://CATALOG.:81/B04.tif"),
        ("http://stac.corp.internal/item", "http://stac.corp.internal/B04.tif"),
        ("http://[fd12::1]/item", "http://[fd12:0:0::1]:90/B04.tif"),
    ],
)
def test_a_teams_own_catalogue_inside_the_network_works(origin: str, url: str) -> None:
    assert check_url_allowed(url, origin) is None
    assert parse_scene(item_with(url), base=origin).hrefs["B04"] == url


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("http://10.0.0.5/item", "http://10.0.0.6/B04.tif"),
        ("http://10.0.0.5/item", "http://127.0.0.1/B04.tif"),
        ("http://127.0.0.1/item", "http://10.0.0.5/B04.tif"),
        ("http://catalog/item", "http://vault/B04.tif"),
        ("https://10.0.0.5.example.org/item", "http://10.0.0.5/B04.tif"),
        ("https://user@stac.example.org@10.0.0.5/item", "http://127.0.0.1/B04.tif"),
        ("not a url", "http://10.0.0.5/B04.tif"),
        ("", "http://10.0.0.5/B04.tif"),
    ],
)
def test_but_it_opens_no_other_inner_host(origin: str, url: str) -> None:
    assert check_url_allowed(url, origin)


@pytest.mark.parametrize(
    "url",
    [
        "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/33/U/UB/B04.tif",
        "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs/B04.tif",
        "https://minio.example.org:9000/a%20b/B04.tif",
        "http://8.8.8.8/B04.tif",
        "http://[2606:4700:4700::1111]/B04.tif",
        "https://xn--exmple-cua.org/B04.tif",
        "https://sub_domain.example.org./B04.tif",
        "https://127.0.0.1.example.org/B04.tif",
        "https://internal.example.org/B04.tif",
    ],
)
def test_public_hosts_are_left_alone(url: str) -> None:
    assert check_url_allowed(url, ORIGIN) is None
    assert check_url_allowed(url, None) is None


def test_an_href_cannot_carry_a_user_and_password() -> None:
    for userinfo in ("user:secret@", "user@", "@", "user:secret%40@"):
        message = refused(item_with(f"https://{userinfo}example.org/B04.tif"))
        assert "user name or password" in message and "secret" not in message
    assert check_url_allowed("https://example.org/a@b.tif", ORIGIN) is None


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "gopher://example.org/x", "javascript:alert(1)", "x", "", "//h/x"]
)
def test_only_http_is_spoken(url: str) -> None:
    assert "no http(s) URL" in (check_url_allowed(url, ORIGIN) or "")
    assert "no http(s) URL" in (check_url_allowed(url, None) or "")


def test_a_redirect_is_judged_by_the_url_that_redirects() -> None:
    assert check_url_allowed("http://169.254.169.254/x", "https://example.org/B04.tif")
    assert check_url_allowed("http://10.0.0.1/x", "https://example.org/B04.tif")
    assert check_url_allowed("https://cdn.example.org/x", "https://example.org/B04.tif") is None
