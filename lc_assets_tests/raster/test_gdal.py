"""GDAL's and rasterio's settings for this process."""

from __future__ import annotations

import pytest
import rasterio
from rasterio.session import DummySession

import lc_assets.raster  # noqa: F401  applies the settings


def test_credentials_in_the_environment_make_no_session_of_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3", reason="needs boto3, which moto brings (pip install '.[dev]')")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with rasterio.Env() as environment:
        assert type(environment.session) is DummySession
