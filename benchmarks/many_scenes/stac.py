"""A STAC API on loopback that returns the same items for every search, so that its own time is negligible."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loopback.scenes import template_item


@contextmanager
def stac_api(documents: list[dict[str, Any]]) -> Iterator[str]:
    """Serve the current content of the list to each search. Yields the root URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps({"type": "FeatureCollection", "features": documents, "links": []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/geo+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def item(name: str, sensed: datetime) -> dict[str, Any]:
    """Return the JSON of an item without files."""
    document = deepcopy(template_item())
    satellite, _, datatake, orbit, tile, made = name.split("_")
    document["id"] = name
    document["properties"] |= {
        "datetime": f"{sensed:%Y-%m-%dT%H:%M:%S}.024000Z",
        "platform": f"Sentinel-{satellite[1:]}",
        "s2:mgrs_tile": tile[1:],
        "s2:datatake_id": f"G{satellite}_{datatake}_000001_N05.11",
        "s2:datastrip_id": f"{satellite}_OPER_MSI_L2A_DS_2APS_{made}_S{datatake}_N05.11",
        "s2:product_uri": f"{satellite}_MSIL2A_{datatake}_N0511_{orbit}_{tile}_{made}.SAFE",
        "s2:processing_baseline": "05.11",
        "s2:generation_time": f"{sensed:%Y-%m-%d}T15:36:29.000000Z",
    }
    return document
