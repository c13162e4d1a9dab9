"""Credentials of object stores, and the scratch folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lc_assets.core.errors import StoreError
from lc_assets.store.object_store import azure_settings, gdal_settings
from lc_assets.store.paths import gdal_path, parse_path
from lc_assets.store.scratch import scratch_dir
from lc_assets.store.unread_variables import find_unread

pytestmark = pytest.mark.xdist_group("object stores")


@pytest.mark.parametrize(
    ("scheme", "name", "value"),
    [
        ("s3", "AWS_ACCESS_KEY_ID", "rig\nX"),
        ("s3", "AWS_ENDPOINT_URL", "127.0.0.1:9"),
        ("s3", "AWS_ENDPOINT_URL", "http://[::1"),
        ("az", "AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=secret"),
    ],
)
def test_the_error_for_a_wrong_variable_names_it_but_not_its_value(
    scheme: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.setenv(name, value)
    place = parse_path(f"{scheme}://somewhere/maps")
    with pytest.raises(StoreError, match=name) as caught:
        gdal_path(place)
    assert value not in str(caught.value) and "secret" not in str(caught.value)


KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
KEY = dict.fromkeys(KEYS, "hush")


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("url", "variables", "unread", "instead"),
    [
        *(
            ("s3://maps/x", {name: "hush"}, name, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
            for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE")
        ),
        ("s3://maps/x", {"AWS_ACCESS_KEY_ID": "hush"}, "AWS_SECRET_ACCESS_KEY is not set", "set both"),
        ("s3://maps/x", {"AWS_SECRET_ACCESS_KEY": "hush"}, "AWS_ACCESS_KEY_ID is not set", "set both"),
        ("s3://maps/x", {"AWS_NO_SIGN_REQUEST": "YES"}, "AWS_NO_SIGN_REQUEST", "AWS_SKIP_SIGNATURE=true"),
        ("s3://maps/x", {**KEY, "AWS_S3_ENDPOINT": "minio:9"}, "AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL=https://minio:9"),
        *(
            ("az://maps/x", {"AZURE_STORAGE_ACCOUNT": "a", name: "hush"}, name, "AZURE_STORAGE_KEY")
            for name in ("AZURE_STORAGE_AUTH_MODE", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME")
        ),
    ],
)
def test_a_variable_that_is_not_read_is_named_with_those_that_are_before_any_request(
    url: str,
    variables: dict[str, str],
    unread: str,
    instead: str,
    no_credentials: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    started = time.monotonic()
    with pytest.raises(StoreError, match=unread) as told:
        parse_path(url).exists()
    assert time.monotonic() - started < 5
    assert instead in told.value.remedy
    assert "hush" not in str(told.value) and "\n" not in str(told.value) and not told.value.transient


@pytest.mark.parametrize(
    ("scheme", "variables"),
    [
        ("s3", {}),
        ("s3", {"AWS_PROFILE": ""}),
        ("s3", {"AWS_PROFILE": "x", **KEY}),
        ("s3", {"AWS_PROFILE": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}),
        ("s3", {"AWS_PROFILE": "x", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"}),
        ("s3", {"AWS_NO_SIGN_REQUEST": "YES", "AWS_SKIP_SIGNATURE": "true"}),
        ("s3", {"AWS_S3_ENDPOINT": "s3.eu-central-1.amazonaws.com", **KEY}),
        ("s3", {"AWS_S3_ENDPOINT": "minio:9", "AWS_ENDPOINT_URL": "http://minio:9", **KEY}),
        ("az", {"AZURE_STORAGE_AUTH_MODE": "login", "AZURE_STORAGE_KEY": "hush"}),
        ("az", {"AWS_PROFILE": "x"}),
        ("gs", {"AWS_PROFILE": "x"}),
    ],
)
def test_credentials_that_are_read_let_other_variables_be(scheme: str, variables: dict[str, str]) -> None:
    assert find_unread(scheme, variables) is None


def test_gdal_gets_the_credentials_under_its_own_variable_names() -> None:
    assert gdal_settings("s3", {"AWS_ENDPOINT_URL": "https://minio.example:9000", "AWS_REGION": "eu"}) == {
        "AWS_S3_ENDPOINT": "minio.example:9000",
        "AWS_HTTPS": "YES",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_DEFAULT_REGION": "eu",
    }
    assert gdal_settings("s3", {"AWS_DEFAULT_REGION": "eu"}) == {}, "both libraries read it"
    assert gdal_settings("s3", {}) == {}
    key = {"AZURE_STORAGE_ACCOUNT_NAME": "maps", "AZURE_STORAGE_KEY": "k"}
    assert gdal_settings("az", key) == {"AZURE_STORAGE_ACCOUNT": "maps", "AZURE_STORAGE_ACCESS_KEY": "k"}
    assert gdal_settings("gs", {}) == {}


def test_a_connection_string_of_another_azure_cloud_names_its_endpoint() -> None:
    text = "DefaultEndpointsProtocol=https;AccountName=maps;AccountKey=k;EndpointSuffix=core.usgovcloudapi.net"
    found = azure_settings({"AZURE_STORAGE_CONNECTION_STRING": text})
    assert found["endpoint"] == "https://maps.blob.core.usgovcloudapi.net"
    own = azure_settings({"AZURE_STORAGE_CONNECTION_STRING": f"{text};BlobEndpoint=https://maps.example"})
    assert own["endpoint"] == "https://maps.example"


def test_the_scratch_folder_is_the_target_on_a_disk_and_below_lc_assets_scratch_for_an_object_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ASSETS_SCRATCH", str(tmp_path))
    assert scratch_dir(tmp_path / "store" / "x") == tmp_path / "store" / "x"
    assert scratch_dir(parse_path("gs://bucket/maps") / "x") == tmp_path / "gs" / "bucket" / "maps" / "x"
