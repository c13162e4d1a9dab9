"""Ids and hrefs that name files of this machine, or give instructions to GDAL."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.remote.ssrf import check_url_allowed
from lc_assets.sentinel2.item.hrefs import is_markup
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.store.ids import checked_id
from lc_assets_tests.conftest import copy_scene
from lc_assets_tests.sentinel2.hostile_items import ORIGIN, item_with, refused


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
    with pytest.raises(BadReference, match="not a valid item id"):
        checked_id(bad)
    assert "not a valid item id" in refused(item_with(id=bad))


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


@pytest.mark.parametrize("hostile", ["a\r\nHost: inner", "a\tb", "a\nb", "a\0b", "a\x1b[2Jb", "a\x7fb"])
def test_an_href_cannot_carry_line_breaks_or_control_characters(hostile: str) -> None:
    for href in (f"https://example.org/{hostile}", f"https://{hostile}.example.org/x", f"./{hostile}.tif"):
        assert "control characters" in refused(item_with(href))
        assert "control characters" in refused(item_with(href), Path("/data/item.json"))
    assert "control characters" in (check_url_allowed(f"https://example.org/{hostile}", None) or "")


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


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_a_band_cannot_be_a_source_that_never_ends(demo_item: Path, tmp_path: Path, kind: str) -> None:
    item = copy_scene(demo_item, tmp_path)
    band = item.parent / "B04.tif"
    band.unlink()
    {"device": lambda: band.symlink_to("/dev/zero"), "pipe": lambda: os.mkfifo(band), "folder": band.mkdir}[kind]()
    assert "asset B04" in (message := refused(read_document(item), item)) and "device or a pipe" in message


def test_pixels_are_not_taken_for_xml(demo_item: Path) -> None:
    for path in demo_item.parent.glob("*.tif"):
        assert not is_markup(path.read_bytes()[:256])
    assert not is_markup(b"") and not is_markup(b"\0\0\0\x0cjP  \r\n\x87\n")
