"""Credentials of object stores, and the scratch folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lc_assets.core.errors import StoreError
from lc_assets.store.object_store import gdal_settings
from lc_assets.store.paths import gdal_path, parse_path
from lc_assets.store.scratch import scratch_dir

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


def test_gdal_gets_the_credentials_under_its_own_variable_names() -> None:
    assert gdal_settings("s3", {"AWS_ENDPOINT_URL": "https://minio.example:9000", "AWS_DEFAULT_REGION": "eu"}) == {
        "AWS_S3_ENDPOINT": "minio.example:9000",
        "AWS_HTTPS": "YES",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_REGION": "eu",
    }
    assert gdal_settings("s3", {}) == {}
    key = {"AZURE_STORAGE_ACCOUNT_NAME": "maps", "AZURE_STORAGE_KEY": "k"}
    assert gdal_settings("az", key) == {"AZURE_STORAGE_ACCOUNT": "maps", "AZURE_STORAGE_ACCESS_KEY": "k"}
    assert gdal_settings("gs", {}) == {}


def test_the_scratch_folder_is_the_target_on_a_disk_and_below_lc_assets_scratch_for_an_object_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ASSETS_SCRATCH", str(tmp_path))
    assert scratch_dir(tmp_path / "store" / "x") == tmp_path / "store" / "x"
    assert scratch_dir(parse_path("gs://bucket/maps") / "x") == tmp_path / "gs" / "bucket" / "maps" / "x"
