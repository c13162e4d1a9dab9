"""What a hostile item could try. Each test is one attempt, and that it is refused before anything is fetched."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import BadItem, BadModel, BadReference, LandCoverError, without_query
from lc_assets.inference.loading import open_model
from lc_assets.remote.ssrf import check_url_allowed, why_private_address
from lc_assets.sentinel2.item import declared, limits
from lc_assets.sentinel2.item.hrefs import is_markup
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.store.ids import checked_id
from lc_assets_tests.conftest import copy_scene, own_model
from lc_assets_tests.sentinel2.test_catalogs import COLLECTION_1, earth_search_item

ORIGIN = "https://stac.example.org/collections/s2/items/x"


def item_with(href: str | None = None, **changes: Any) -> dict[str, Any]:
    """An item with one hostile band; keywords replace parts of the document."""
    document = copy.deepcopy(earth_search_item(COLLECTION_1, flag=None))
    if href is not None:
        document["assets"]["red"]["href"] = href
    return {**document, **changes}


def refused(document: dict[str, Any], base: str | Path | None = ORIGIN) -> str:
    """The message that a document is refused with: one line that names the item."""
    with pytest.raises(LandCoverError) as caught:
        parse_scene(document, base=base)
    message = str(caught.value)
    assert "\n" not in message and "\x1b" not in message
    assert "->" in message
    return message


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        *(
            "../x",
            "..",
            "a/../b",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "C:x",
            ".x",
            "~root",
            "%2e%2e",
            "a\0b",
            "a\nb",
            "a\x1bb",
        ),
        *("a b", "a..b", "", "<img>", "x" * 201, "\u202egnp", "\u0430bc", "a%2fb", "$(id)", "-rf", "a;b", "a|b", "a'b"),
    ],
)
def test_an_id_cannot_leave_its_folder_nor_steer_a_shell_or_a_terminal(bad: str) -> None:
    with pytest.raises(BadReference, match="no usable item id"):
        checked_id(bad)
    assert "no usable item id" in refused(item_with(id=bad))


# --- files of this machine --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "href",
    [
        *(
            "file:///etc/passwd",
            "FILE:///etc/passwd",
            "file:/etc/passwd",
            "file:etc/passwd",
            "file://localhost/etc/passwd",
        ),
        *("C:\\secret.tif", "c:/secret.tif", "/vsifile/etc/passwd", "\tfile:///etc/passwd", " file:///etc/passwd"),
    ],
)
def test_a_remote_item_cannot_name_a_file_of_this_machine(href: str) -> None:
    assert "asset red: its href cannot be used" in refused(item_with(href))


@pytest.mark.parametrize("where", ["thumbnail", "link"])
def test_not_even_in_what_is_never_read(where: str) -> None:
    document = item_with()
    target = document["assets"]["thumbnail"] if where == "thumbnail" else document["links"][0]
    target["href"] = "file:///etc/passwd"
    assert f"asset {'thumbnail' if where == 'thumbnail' else 'link 1'}" in refused(document)


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/etc/passwd", "https://stac.example.org/etc/passwd"),
        ("../../../../../../etc/passwd", "https://stac.example.org/etc/passwd"),
        ("./B04.tif", "https://stac.example.org/collections/s2/items/B04.tif"),
    ],
)
def test_a_relative_href_of_a_remote_item_stays_with_its_own_host(href: str, expected: str) -> None:
    assert parse_scene(item_with(href), base=ORIGIN).hrefs["B04"] == expected


def test_a_local_item_may_name_local_files_and_public_urls(demo_item: Path) -> None:
    document = read_document(demo_item)
    document["assets"]["B02"]["href"] = "https://example.org/B02.tif"
    document["assets"]["B03"]["href"] = "http://10.0.0.5:9000/B03.tif"
    document["assets"]["B04"]["href"] = (demo_item.parent / "B04.tif").as_uri()
    hrefs = parse_scene(document, base=demo_item).hrefs
    assert hrefs["B02"].startswith("https://")
    assert hrefs["B03"].startswith("http://10.0.0.5")
    assert Path(hrefs["B04"]).exists()


# --- other machines ---------------------------------------------------------------------------------------------------

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
        "[fd12:3456::1]",
        "[ff02::1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "[::7f00:1]",
    ),
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "redis", "kubernetes.default.svc.cluster.local"),
    *("printer.local", "vault.internal", "db.corp.internal", "nas.lan", "router.home.arpa", "wiki.intranet"),
]
CREDENTIALS = [
    *("169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
    *("[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[fe80::1]", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]"),
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


@pytest.mark.parametrize("hostile", ["a\r\nHost: inner", "a\tb", "a\nb", "a\0b", "a\x1b[2Jb", "a\x7fb"])
def test_an_href_cannot_carry_line_breaks_or_control_characters(hostile: str) -> None:
    for href in (f"https://example.org/{hostile}", f"https://{hostile}.example.org/x", f"./{hostile}.tif"):
        assert "control characters" in refused(item_with(href))
        assert "control characters" in refused(item_with(href), Path("/data/item.json"))
    assert "control characters" in (check_url_allowed(f"https://example.org/{hostile}", None) or "")


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


def test_the_address_behind_a_name_can_be_judged_too() -> None:
    assert why_private_address("127.0.0.1") and why_private_address("fe80::1") and why_private_address("10.0.0.1")
    assert why_private_address("8.8.8.8") is None


# --- instructions to GDAL ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "href",
    [
        *(
            "/vsicurl/http://10.0.0.1/x",
            "/vsis3/bucket/x",
            "/VSIZIP/x.zip/y",
            "//vsimem/x",
        ),
        *(
            "<VRTDataset><x/></VRTDataset>",
            " <GDAL_WMS>",
            "GTIFF_DIR:1:x.tif",
            'NETCDF:"x.nc":v',
            "WMS:http://10.0.0.1/",
        ),
        *("vrt:///etc/passwd", "DERIVED_SUBDATASET:LOGAMPLITUDE:x.tif", "PG:host=10.0.0.1", "http:x.tif", "zip+file:x"),
        *("B04.vrt", "sub/B04.VRT", "https://example.org/B04.vrt", "https://example.org/B04.vrt?x=B04.tif", "B04.xml"),
        *("gs://bucket/B04.tif", "az://c/B04.tif", "ftp://example.org/B04.tif", "s3://bucket/B04.tif"),
    ],
)
def test_a_band_cannot_be_an_instruction_to_gdal(href: str, tmp_path: Path) -> None:
    for base in (ORIGIN, tmp_path / "item.json", None):
        message = refused(item_with(href), base)
        assert "asset B04" in message or "asset red" in message


def test_no_relative_path_leads_to_a_virtual_file() -> None:
    assert "instruction to GDAL" in refused(item_with("x/../../vsimem/B04.tif"), "/data/item.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_vrt_under_another_name_is_refused_before_gdal_sees_it(
    demo_item: Path, tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = copy_scene(demo_item, tmp_path)
    vrt = '\n<VRTDataset rasterXSize="1" rasterYSize="1"><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>'
    (item.parent / "B04.tif").write_bytes(vrt.encode(encoding))
    monkeypatch.setattr("rasterio.open", lambda *a, **k: pytest.fail("GDAL was asked"))
    assert "asset B04" in (message := refused(read_document(item), item)) and "VRT" in message


def test_pixels_are_not_taken_for_xml(demo_item: Path) -> None:
    for path in demo_item.parent.glob("*.tif"):
        assert not is_markup(path.read_bytes()[:256])
    assert not is_markup(b"") and not is_markup(b"\0\0\0\x0cjP  \r\n\x87\n")


# --- size -------------------------------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_an_item_of_a_thousand_assets_and_more_is_refused() -> None:
    document = item_with()
    document["assets"] |= {f"a{n}": {"href": f"https://example.org/{n}"} for n in range(limits.MAX_ASSETS)}
    assert "assets, more than 1000" in refused(document)


@pytest.mark.parametrize("depth", [limits.MAX_DEPTH, 900, 100_000])
def test_a_deeply_nested_item_is_refused_and_exhausts_no_stack(depth: int) -> None:
    document = item_with()
    document["properties"]["deep"] = nested(depth)
    try:
        assert "nested deeper than 64 levels" in refused(document)
    finally:
        value = document["properties"].pop("deep")
        while isinstance(value, list):  # freed level by level
            value = value.pop()


def test_a_file_that_is_nested_deeper_than_python_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    path.write_text("[" * 200_000 + "]" * 200_000)
    with pytest.raises(BadItem, match="is no JSON"):
        read_document(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"description": "x" * 2_000_000}, "2000000 characters"),
        ({"k" * 1_000: 1}, "keys has 1000 characters"),
        ({"many": [0] * limits.MAX_VALUES}, "more than 250000 values"),
        ({"infinite": float("inf")}, "the number inf"),
        ({"huge": 10**400}, "20 digits or more"),
    ],
)
def test_a_bloated_property_is_refused(change: dict[str, Any], told: str) -> None:
    document = item_with()
    document["properties"] |= change
    assert told in (message := refused(document)) and len(message) < 1_000


def test_a_coordinate_of_400_digits_is_refused() -> None:
    assert "20 digits" in refused(item_with(bbox=[-(10**400), 0, 1, 1]))


def test_a_geometry_of_ten_thousand_points_and_more_is_refused() -> None:
    ring = [[12 + n / 1e6, 52.0] for n in range(limits.MAX_POINTS)]
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    assert "points, more than 10000" in refused(item_with(geometry=geometry))


@pytest.mark.parametrize("side", [declared.MAX_SIDE + 1, 10**19, 1e300])
def test_a_band_of_a_size_that_no_band_has_is_refused_by_name(side: float) -> None:
    document = item_with()
    document["assets"]["red"]["proj:shape"] = [side, 1]
    assert "asset B04: its proj:shape" in refused(document)


def test_real_and_demo_items_are_far_below_every_limit(shared: Path, demo_item: Path) -> None:
    paths = [demo_item, *sorted(shared.glob("pc_items/items/*.json"))]
    assert len(paths) > 1
    for path in paths:
        text = path.read_text()
        document = json.loads(text)
        assert len(document["assets"]) * 10 < limits.MAX_ASSETS
        assert text.count(",") * 10 < limits.MAX_VALUES
        limits.check_size(document, "x")


# --- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda d, text: d["properties"].update({"datetime": text}),
        lambda d, text: d["properties"].update({"platform": text, "constellation": text}),
        lambda d, text: d["properties"].update({"earthsearch:boa_offset_applied": text}),
        lambda d, text: d["assets"].pop("red") and d["assets"].update({text: {"href": "x"}}),
        lambda d, text: d["assets"].update({text: {}}),
        lambda d, text: d["assets"]["red"].update({"href": f"https://10.0.0.1/{text}"}),
        lambda d, text: d["assets"]["red"].update({"file:checksum": text}),
        lambda d, text: d["assets"]["red"]["raster:bands"][0].update({"offset": text}),
        lambda d, text: d["geometry"].update({"type": text}),
        lambda d, text: d.update({"type": text}),
    ],
)
def test_no_message_lets_an_item_steer_the_terminal(change: Any) -> None:
    document = item_with()
    change(document, "\x1b]0;owned\x07\x1b[2J\r\u202e")
    message = refused(document)
    assert message.isprintable()
    assert len(message) < 2_000


# --- models -----------------------------------------------------------------------------------------------------------


def test_a_model_that_brings_code_is_refused_and_its_code_not_run(tmp_path: Path) -> None:
    import keras

    marker = tmp_path / "owned"
    code = eval(f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]")  # a file's name inside the code itself
    network = keras.Sequential(
        [
            keras.Input((64, 64, 1)),
            keras.layers.Lambda(code),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    path = own_model(tmp_path / "model", ("B02",), 10, network)
    marker.unlink()  # building the network has run it
    with pytest.raises(BadModel, match=r"cannot be loaded.*deserialization of a `Lambda`"):
        open_model(path)
    assert not marker.exists()
    keras.saving.load_model(path.parent / "model.keras", compile=False, safe_mode=False)
    assert marker.exists()  # so the file would have run it


@pytest.mark.parametrize("text", ["&" * 250_000, "a" * 250_000, "sig=" + "?" * 250_000, "a://" * 60_000])
def test_a_long_text_is_freed_of_tokens_in_a_moment(text: str) -> None:
    """Quadratic patterns took minutes for these."""
    begun = time.process_time()
    assert "sig=x" not in without_query(f"{text} https://a/b?sig=x")
    assert time.process_time() - begun < 5
