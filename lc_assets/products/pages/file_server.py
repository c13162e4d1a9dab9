"""Serves a store to the browsers of this machine: the page of all scenes, and each file under its path in the store.

`lc-assets ui` starts `python -m lc_assets.products.pages.file_server ROOT SOCKET` with a socket that listens already,
and a pipe as standard input. The server ends when the pipe does, so it never outlives the UI.

Starlette answers HEAD, conditional requests and requests for ranges (a COG is read by ranges), and resolves `..` and
links before it compares a path with the store. This module refuses hidden files, which are locks and unfinished files,
and requests that name another host: a web page of another site could otherwise read the store by DNS rebinding. There
is no list of a folder, and no method that writes. Pages that this machine itself serves may read the store (CORS), so
that a program such as STAC Browser works beside the UI; pages of other sites may not.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from lc_assets.core.errors import LandCoverError
from lc_assets.products.pages.gallery import PAGE, gallery_page, thumbnail_href
from lc_assets.products.pages.gallery_items import read_gallery
from lc_assets.store.layout import Store

HOSTS = ("127.0.0.1", "localhost")
"""Host names of requests that are answered."""
_OUR_ORIGINS = r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?"
"""Origins of pages that this machine serves."""
_HEADERS = {
    "Cache-Control": "no-cache",  # a page that was made again is shown at once
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_PICTURE = {"Cross-Origin-Resource-Policy": "cross-origin"}
"""Of thumbnails: Dagster's UI, which is at another port, shows them. No page of another site can read their pixels."""


class _StoreFiles(StaticFiles):
    """The files of the store that are not hidden. The folder may be missing, as before the first scene."""

    def __init__(self, root: Path) -> None:
        super().__init__(directory=root, check_dir=False)
        self._root = os.path.realpath(root)
        self.config_checked = True

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        try:
            found, status = super().lookup_path(path)
        except PermissionError:  # to a stranger the same as a missing file
            return "", None
        names = [*Path(path).parts, *(Path(found).relative_to(self._root).parts if status else ())]
        return ("", None) if any(name.startswith(".") for name in names) else (found, status)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS | (_PICTURE if path.endswith("_thumbnail.png") else {}))
        return response


def file_app(root: Path) -> Starlette:
    """Return the server's application.

    Args:
        root: folder of the store.
    """
    store, one_at_a_time = Store(root), threading.Lock()

    def all_scenes(request: Request) -> Response:
        """Make the page of all scenes. (In a thread: it reads a file of each scene.)"""
        try:
            with one_at_a_time:
                page = gallery_page(read_gallery(store), str(root), thumbnail_href, linked=True)
        except LandCoverError as error:
            return PlainTextResponse(f"{error}\n", 500, _HEADERS)
        return HTMLResponse(page, headers=_HEADERS)

    return Starlette(
        routes=[Route("/", all_scenes), Route(f"/{PAGE}", all_scenes), Mount("/", _StoreFiles(root))],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            Middleware(
                CORSMiddleware,
                allow_origin_regex=_OUR_ORIGINS,
                allow_methods=["GET", "HEAD"],
                allow_headers=["Range"],
                expose_headers=["Content-Range"],
            ),
        ],
    )


def main(root: str, listening: str) -> None:
    """Serve until standard input ends.

    Args:
        root: folder of the store.
        listening: file descriptor of a listening socket, which this process has inherited.
    """

    def end_with_the_ui() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=end_with_the_ui, daemon=True).start()
    config = uvicorn.Config(
        file_app(Path(root)), log_level="warning", access_log=False, server_header=False, proxy_headers=False
    )
    uvicorn.Server(config).run([socket.socket(fileno=int(listening))])


if __name__ == "__main__":
    main(*sys.argv[1:])
