"""`lc-assets ui` before it starts Dagster."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lc_assets.cli.ui import _listen
from lc_assets_tests.rig.command import invoke
from loopback.programs import free_port


def test_a_port_that_is_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        store = ("--store", tmp_path / "store")
        assert f"port {port} is taken -> " in invoke("ui", *store, "--port", port, code=1).stderr
        files = {"LC_ASSETS_FILES_URL": f"http://127.0.0.1:{port}"}
        told = invoke("ui", *store, "--port", free_port(), code=1, **files).stderr
        assert f"port {port} of the store's files cannot be used (Address already in use) -> " in told


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "http://maps.example:1", "http://127.0.0.1:1/store"])
def test_no_server_is_started_for_the_url_of_ones_own(url: str) -> None:
    assert _listen(url) is None
