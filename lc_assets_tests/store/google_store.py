"""The part of Google Cloud Storage's XML API that conditional writes need. It replaces the real server, of which there
is none for tests.

https://cloud.google.com/storage/docs/xml-api/reference-headers#xgoogifgenerationmatch
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import obstore.store
import pytest

from lc_assets.store.object_path import ObjectPath
from lc_assets.store.object_store import Bucket
from lc_assets_tests.rig.object_stores import reached


class _Handler(BaseHTTPRequestHandler):
    objects: dict[str, tuple[int, bytes]]
    lock: Lock

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        condition = self.headers.get("x-goog-if-generation-match")
        with self.lock:
            generation = self.objects.get(self.path, (0, b""))[0]
            if condition is not None and int(condition) != generation:
                return self._answer(412)
            self.objects[self.path] = max((number for number, _ in self.objects.values()), default=0) + 1, content
            return self._answer(200, *self.objects[self.path], body=b"")

    def do_GET(self) -> None:
        found = self.objects.get(self.path)
        self._answer(200, *found) if found else self._answer(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.objects.pop(self.path, None)
        self._answer(204)

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, generation: int = 0, content: bytes = b"", body: bytes | None = None) -> None:
        self.send_response(status)
        shown = content if body is None else body
        self.send_header("Content-Length", str(len(shown)))
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 12:00:00 GMT")
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.send_header("x-goog-generation", str(generation))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(shown)


@contextmanager
def google_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectPath]:
    """A store `gs://` on loopback. Its key is written to a folder."""
    handler = type("Handler", (_Handler,), {"objects": {}, "lock": Lock()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        key = {"gcs_base_url": f"http://127.0.0.1:{server.server_port}", "disable_oauth": True}
        key |= dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        (folder / "key.json").write_text(json.dumps(key))
        made = obstore.store.GCSStore

        def without_tls(name: str, **options: Any) -> Any:
            options["client_options"]["allow_http"] = True
            return made(name, **options)

        monkeypatch.setattr(obstore.store, "GCSStore", without_tls)
        with reached({"GOOGLE_SERVICE_ACCOUNT": str(folder / "key.json")}, folder / "scratch"):
            yield ObjectPath(Bucket("gs", "land-cover"), "maps")
        server.shutdown()
        thread.join()
