"""The URLs of a store's files for a browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lc_assets.store.paths import parse_path
from lc_assets.store.web_url import web_url


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_"))]:
        monkeypatch.delenv(name)


def test_a_file_on_a_disk_has_the_url_of_the_ui_or_of_ones_own_server(tmp_path: Path) -> None:
    page = tmp_path / "scenes" / "a b#c" / "report.html"
    assert web_url(tmp_path, page) == "http://127.0.0.1:3001/scenes/a%20b%23c/report.html"
    assert web_url(tmp_path, page, "https://maps.example/store/").startswith("https://maps.example/store/scenes/a%20b")


@pytest.mark.parametrize(
    ("store", "variables", "url"),
    [
        ("s3://maps/x", {"AWS_REGION": "eu-north-1"}, "https://maps.s3.eu-north-1.amazonaws.com/x/a.png"),
        ("s3://maps/x", {}, "https://maps.s3.amazonaws.com/x/a.png"),
        ("s3://my.maps/x", {"AWS_REGION": "eu-north-1"}, "https://s3.eu-north-1.amazonaws.com/my.maps/x/a.png"),
        ("s3://maps", {"AWS_ENDPOINT_URL": "http://me:hush@minio:9000/"}, "http://minio:9000/maps/a.png"),
        ("az://maps/x", {"AZURE_STORAGE_ACCOUNT": "acc"}, "https://acc.blob.core.windows.net/maps/x/a.png"),
        ("az://maps/x", {}, "az://maps/x/a.png"),
        (
            "az://maps/x",
            {"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=https://h/acc?sig=hush;SharedAccessSignature=sig=hush"},
            "https://h/acc/maps/x/a.png",
        ),
        ("gs://maps/x", {}, "https://storage.googleapis.com/maps/x/a.png"),
    ],
)
def test_an_object_has_the_url_of_its_store_without_credentials(
    store: str, variables: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    root = parse_path(store)
    assert web_url(root, root / "a.png") == url
    assert web_url(root, root / "a.png", "https://maps.example") == "https://maps.example/a.png"
