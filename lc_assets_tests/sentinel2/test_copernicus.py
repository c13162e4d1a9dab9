"""Items of the Copernicus Data Space: their bands, their offset, and the S3 keys with which their files are read."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import rasterio
from affine import Affine

from lc_assets.core.errors import BadBand, BadItem
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.remote.download import Download
from lc_assets.sentinel2.acquisition import acquisition_of, is_later_processing
from lc_assets.sentinel2.band_table import BAND_NAMES, BANDS
from lc_assets.sentinel2.bands.raw_bands import RawBands, fetch_scene
from lc_assets.sentinel2.item.catalog_conventions import COPERNICUS, PLANETARY_COMPUTER, catalog_for_api, catalog_of
from lc_assets.sentinel2.item.scene import Scene, parse_scene
from lc_assets.sentinel2.search.query import Query
from lc_assets_tests.sentinel2.copernicus_items import API, PRODUCT, ZIPPER, copernicus_item
from loopback.relay import Relay
from loopback.wire import Answer, Request

EODATA = "https://eodata.dataspace.copernicus.eu/eodata/"
QUICK = RetryPolicy(connect=1.0, read=0.5, backoff=0.01)
RASTER = b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(4000)
VARIABLES = (
    *("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_S3_ENDPOINT"),
)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def parsed(item: dict[str, Any] | None = None) -> Scene:
    item = item or copernicus_item()
    return parse_scene(item, base=f"{API}/{item['id']}")


def test_each_band_is_the_file_of_its_native_resolution_at_the_endpoint() -> None:
    scene = parsed()
    assert catalog_of(scene.document) is COPERNICUS
    for band in BANDS:
        assert scene.hrefs[band.name].startswith(EODATA)
        assert scene.hrefs[band.name].endswith(f"{band.name}_{band.gsd}m.jp2")
        assert scene.declared[band.name].shape == (109_800 // band.gsd,) * 2
    assert scene.hrefs["SCL"].endswith("SCL_20m.jp2")
    assert (scene.product_level, scene.baseline, scene.notes) == ("L2A", "05.11", ())


def test_bands_of_level_1c_have_plain_names() -> None:
    scene = parsed(copernicus_item(PRODUCT.replace("L2A", "L1C"), level="L1C"))
    assert set(scene.hrefs) == set(BAND_NAMES)
    assert all(href.startswith(EODATA) for href in scene.hrefs.values())
    assert (scene.product_level, scene.offset) == ("L1C", -1000)


@pytest.mark.parametrize("level", ["L2A", "L1C"])
@pytest.mark.parametrize(("baseline", "offset"), [("05.11", -1000), ("04.00", -1000), ("02.14", 0), ("03.01", 0)])
def test_the_baseline_gives_the_offset_because_every_item_declares_the_same(
    baseline: str, offset: int, level: str
) -> None:
    product = PRODUCT.replace("N0511", f"N{baseline.replace('.', '')}").replace("L2A", level)
    scene = parsed(copernicus_item(product, baseline=baseline, level=level))
    assert (
        scene.document["assets"][COPERNICUS.keys(scene.document["assets"]).get("B02", "B02")]["raster:offset"] == -0.1
    )
    assert scene.offset == offset


def test_an_unknown_baseline_is_refused_whatever_the_bands_declare() -> None:
    with pytest.raises(BadItem, match=r"99\.99, which is none of ESA's"):
        parsed(copernicus_item(PRODUCT.replace("N0511", "N9999"), baseline="99.99"))


def test_a_band_that_is_only_there_in_a_coarser_resolution_is_missing() -> None:
    item = copernicus_item()
    del item["assets"]["B02_10m"]
    with pytest.raises(BadItem, match=r"no asset for band B02 -> .*B02_20m"):
        parsed(item)


def test_an_https_address_that_needs_a_login_gives_way_to_the_object_store() -> None:
    item = copernicus_item()
    for asset in item["assets"].values():
        if "alternate" in asset:
            asset["href"], s3 = asset["alternate"]["https"]["href"], asset["href"]
            asset["alternate"] = {"s3": {"href": s3, "auth:refs": ["s3"]}}
    assert parsed(item).hrefs == parsed().hrefs


@pytest.mark.parametrize(
    "href", ["s3://eodata/../other/B02.jp2", "s3://eodata2/B02.jp2", "s3://eodata//B02.jp2", "s3://eodata/", "s3://"]
)
def test_other_buckets_and_paths_out_of_the_bucket_are_refused(href: str) -> None:
    item = copernicus_item()
    item["assets"]["B02_10m"]["href"] = href
    with pytest.raises(BadItem, match="s3:// is of a kind that is not read here"):
        parsed(item)


def test_the_tile_keeps_its_zero_and_nodata_is_compared_here() -> None:
    assert catalog_for_api("https://stac.dataspace.copernicus.eu/v1/") is COPERNICUS
    query = Query(tiles=("7HFE",), max_nodata=10, max_cloud=50)
    asked = query.parameters(COPERNICUS)["query"]
    assert asked == {"grid:code": {"eq": "MGRS-07HFE"}, "eo:cloud_cover": {"lte": 50}}
    item = copernicus_item()
    assert not Query(tiles=("13TDE",), max_nodata=10).wants(item, COPERNICUS)
    assert Query(tiles=("13TDE",), max_nodata=20).wants(item, COPERNICUS)
    assert "s2:nodata_pixel_percentage" in query.parameters(PLANETARY_COMPUTER)["query"]


def test_the_acquisition_is_read_from_the_catalogs_own_fields() -> None:
    first = copernicus_item()
    second = copernicus_item(PRODUCT.replace("20240822T001513", "20250101T000000"))
    for item in (first, second):
        assert acquisition_of(item).is_certain
    assert is_later_processing(second, first) and not is_later_processing(first, second)


def transfer(tmp_path: Path, href: str | None = None) -> Download:
    return Download(href or parsed().hrefs["B02"], tmp_path / "B02.tif", "B02", retry_policy=QUICK)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY are not set"),
        ({"CDSE_S3_ACCESS_KEY": "secret"}, "CDSE_S3_SECRET_KEY is not set, but CDSE_S3_ACCESS_KEY is"),
        ({"CDSE_S3_SECRET_KEY": "secret"}, "CDSE_S3_ACCESS_KEY is not set, but CDSE_S3_SECRET_KEY is"),
        (
            {"AWS_ACCESS_KEY_ID": "secret", "AWS_SECRET_ACCESS_KEY": "secret"},
            "AWS_ACCESS_KEY_ID is not used, because AWS_ENDPOINT_URL is not https://eodata.dataspace.copernicus.eu",
        ),
        (
            {
                "AWS_ACCESS_KEY_ID": "secret",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_ENDPOINT_URL_S3": "https://minio.example",
            },
            "AWS_ACCESS_KEY_ID is not used, because AWS_ENDPOINT_URL_S3 is another server",
        ),
        ({"AWS_ACCESS_KEY_ID": "secret"}, "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is missing too"),
    ],
)
def test_missing_keys_are_one_line_that_names_the_variables_and_no_request(
    variables: dict[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadBand) as caught:
        transfer(tmp_path).run()
    message = str(caught.value)
    assert told in message and "asset B02" in message
    assert "-> make S3 keys at https://eodata-s3keysmanager.dataspace.copernicus.eu" in message
    assert "secret" not in message and "\n" not in message
    assert not caught.value.transient


@pytest.mark.parametrize(
    "variables",
    [
        {"CDSE_S3_ACCESS_KEY": "AK", "CDSE_S3_SECRET_KEY": "hush", "AWS_SESSION_TOKEN": "of-another-server"},
        {
            "AWS_ACCESS_KEY_ID": "AK",
            "AWS_SECRET_ACCESS_KEY": "hush",
            "AWS_ENDPOINT_URL": "https://eodata.dataspace.copernicus.eu",
        },
        {
            "AWS_ACCESS_KEY_ID": "AK",
            "AWS_SECRET_ACCESS_KEY": "hush",
            "AWS_S3_ENDPOINT": "eodata.dataspace.copernicus.eu",
        },
    ],
)
def test_a_file_arrives_by_a_signed_request_and_the_signature_stays_secret(
    variables: dict[str, str], tmp_path: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    queries: list[dict[str, list[str]]] = []

    def handler(request: Request) -> Answer:
        queries.append(parse_qs(request.query))
        return Answer(200, {"ETag": '"1"', "Content-Type": "image/jp2"}, RASTER)

    relay.add_host(urlsplit(EODATA).netloc, handler)
    got = transfer(tmp_path).run()
    assert got.sha256 == hashlib.sha256(RASTER).hexdigest()
    assert queries[0]["X-Amz-Credential"][0].startswith("AK/") and queries[0]["X-Amz-Signature"]
    assert "X-Amz-Security-Token" not in queries[0]
    for path in tmp_path.iterdir():
        assert b"X-Amz" not in path.read_bytes() and b"hush" not in path.read_bytes()


def test_refused_keys_fail_at_the_second_answer_and_say_where_keys_come_from(
    tmp_path: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSE_S3_ACCESS_KEY", "AK")
    monkeypatch.setenv("CDSE_S3_SECRET_KEY", "hush")
    answers: list[int] = []

    def handler(request: Request) -> Answer:
        answers.append(403)
        return Answer(403, {}, b"<Error><Code>InvalidAccessKeyId</Code></Error>")

    relay.add_host(urlsplit(EODATA).netloc, handler)
    with pytest.raises(
        BadBand, match=r"answered 403 for .*B02_10m\.jp2 -> its S3 keys are wrong or have expired"
    ) as bad:
        transfer(tmp_path).run()
    assert len(answers) == 2
    assert "X-Amz" not in str(bad.value) and "hush" not in str(bad.value)


def test_a_file_that_needs_a_login_says_which_hrefs_can_be_read(tmp_path: Path, relay: Relay) -> None:
    relay.add_host(urlsplit(ZIPPER).netloc, lambda request: Answer(401, {}, b'{"message":"Token not found"}'))
    with pytest.raises(
        BadBand, match=r"answered 401 .*login, which is not sent: use an item whose hrefs are s3://eodata"
    ):
        replace(transfer(tmp_path), href=f"{ZIPPER}(B02_10m.jp2)/$value").run()


def test_a_scene_of_jpeg_2000_files_arrives_whole(
    tmp_path: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSE_S3_ACCESS_KEY", "AK")
    monkeypatch.setenv("CDSE_S3_SECRET_KEY", "hush")
    item = copernicus_item()
    files: dict[str, bytes] = {}
    for name, asset in item["assets"].items():
        if "gsd" in asset:
            side = 1200 // asset["gsd"]
            content = jpeg_2000(tmp_path / f"{name}.jp2", side, asset["gsd"], "uint8" if "SCL" in name else "uint16")
            asset |= {"proj:shape": [side, side], "file:size": len(content)}
            files[asset["href"].rpartition("/")[2]] = content
    relay.add_host(
        urlsplit(EODATA).netloc,
        lambda request: Answer(200, {"ETag": f'"{request.path}"'}, files[request.path.rpartition("/")[2]]),
    )
    stage = tmp_path / "stage"
    stage.mkdir()
    fetch_scene(parsed(item), stage, tmp_path / "incoming", retry_policy=QUICK)
    raw = RawBands.open(stage, PRODUCT)
    assert set(raw.checked()) == {*BAND_NAMES, "SCL"}
    assert len(relay.exchanges) == 13 and all(exchange.query for exchange in relay.exchanges)
    assert not any(b"X-Amz" in path.read_bytes() for path in stage.iterdir())


def jpeg_2000(path: Path, side: int, gsd: int, dtype: str) -> bytes:
    """A lossless file of a band, at the corner of the items' tile."""
    grid = Affine(gsd, 0, 399960, 0, -gsd, 4600020)
    options = {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}
    pixels = np.random.default_rng(gsd).integers(1, 12, (side, side)).astype(dtype)
    with rasterio.open(
        path, "w", width=side, height=side, count=1, dtype=dtype, crs="EPSG:32613", transform=grid, **options
    ) as file:
        file.write(pixels, 1)
    return path.read_bytes()
