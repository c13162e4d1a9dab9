"""`lc-assets ui` before it starts Dagster."""

from __future__ import annotations

import os
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from lc_assets.cli import ui
from lc_assets.cli.ui import _listen
from lc_assets_tests.rig.command import invoke
from loopback.programs import free_port


def test_a_port_that_is_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        store = ("--store", tmp_path / "store")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ui, "_is_dagster", lambda port: False)  # it waits for an answer
            assert f"port {port} is taken -> " in invoke("ui", *store, "--port", port, code=1).stderr
        files = {"LC_ASSETS_FILES_URL": f"http://127.0.0.1:{port}"}
        told = invoke("ui", *store, "--port", free_port(), code=1, **files).stderr
        assert f"port {port} of the store's files cannot be used (Address already in use) -> " in told


def test_the_url_of_a_running_ui_is_named(tmp_path: Path) -> None:
    class Ui(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"dagster_webserver_version":"1.13.27"}' if self.path == "/server_info" else b"")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Ui) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        told = invoke("ui", "--store", tmp_path / "store", "--port", server.server_port, code=1).stderr
        server.shutdown()
        thread.join()
    assert f"Dagster's UI runs already: http://127.0.0.1:{server.server_port} -> open it" in told


def test_a_dagster_home_has_one_ui(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    lock = ui._hold(home, "http://127.0.0.1:3000")
    assert lock is not None and os.get_inheritable(lock), "Dagster, which this process becomes, holds it"
    shown = invoke("ui", "--store", tmp_path / "store", "--port", free_port(2), code=1, DAGSTER_HOME=str(home)).stderr
    assert f"Dagster's UI of {home} runs already: http://127.0.0.1:3000 -> open it; for another store" in shown
    os.close(lock)
    lock = ui._hold(home, "http://127.0.0.1:3010")
    assert lock is not None
    os.close(lock)
    (home / ".ui.lock").unlink()
    (home / ".ui.lock").mkdir()
    assert ui._hold(home, "http://127.0.0.1:3010") is None, "a home that cannot be locked has none"


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "http://maps.example:1", "http://127.0.0.1:1/store"])
def test_no_server_is_started_for_the_url_of_ones_own(url: str) -> None:
    assert _listen(url) is None
