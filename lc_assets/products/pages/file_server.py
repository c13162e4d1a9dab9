"""Serves a store to the browsers of this machine: the page of all scenes, and each file under its path in the store.

`lc-assets ui` starts `python -m lc_assets.products.pages.file_server ROOT SOCKET` with a socket that listens already,
and a pipe as standard input. The server ends when the pipe does, so it never runs longer than the UI.

Starlette answers HEAD, conditional requests and requests for ranges (a COG is read by ranges), and resolves `..` and
links before it compares a path with the store. This module refuses hidden files, which are locks and unfinished files,
and requests that name another host: a web page of another site could otherwise read the store by DNS rebinding. There
is no list of a folder, and no method that writes. Pages that this machine itself serves may read the store (CORS), so
that a program such as STAC Browser works beside the UI; pages of other sites may not.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from lc_assets.core.errors import LandCoverError
from lc_assets.products.pages.agreement_section import with_agreement
from lc_assets.products.pages.gallery import gallery_page, thumbnail_href
from lc_assets.products.pages.gallery_items import Gallery, read_gallery
from lc_assets.products.pages.map_tiles import MAX_ZOOM, MIN_ZOOM, MapSource, tile_png
from lc_assets.products.pages.plots import plots_page
from lc_assets.products.pages.zoomable_map import map_page, map_sources
from lc_assets.store.ids import is_id
from lc_assets.store.layout import ALL_SCENES, PLOTS, ZOOMABLE_MAP, Store

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
        self._store = Store(root)
        self._root = os.path.realpath(root)
        self.config_checked = True

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        try:
            found, status = super().lookup_path(path)
        except OSError:  # no permission, or a link to itself: answered as a missing file
            return "", None
        names = [*Path(path).parts, *(Path(found).relative_to(self._root).parts if status else ())]
        return ("", None) if any(name.startswith(".") for name in names) else (found, status)

    async def get_response(self, path: str, scope: Scope) -> Response:
        report = await run_in_threadpool(self._report, path) if scope["method"] in ("GET", "HEAD") else None
        response = report or await super().get_response(path, scope)
        response.headers.update(_HEADERS | (_PICTURE if path.endswith("_thumbnail.png") else {}))
        return response

    def _report(self, path: str) -> Response | None:
        """Return a scene's report with its agreement with other maps. None for another file, and for a report without:
        its bytes are those of the file, so a browser may keep them."""
        parts = Path(path).parts
        if len(parts) != 3 or not is_id(parts[1]):
            return None
        scene = self._store.scene(parts[1])
        found, status = self.lookup_path(path)
        if self._store.root.joinpath(*parts) != scene.report or not status or not S_ISREG(status.st_mode):
            return None
        page = Path(found).read_bytes()
        whole = with_agreement(page, scene)
        return HTMLResponse(whole) if whole != page else None


class _Pages:
    """The pages of the store that are made when they are opened, so that they show what is in the store then. (Each in
    a thread: it reads a file of each scene.)"""

    def __init__(self, root: Path) -> None:
        self._store, self._one_at_a_time = Store(root), threading.Lock()
        self._sources: list[MapSource] | None = None

    def all_scenes(self, request: Request) -> Response:
        """Return the page of all scenes."""
        location = str(self._store.root)
        return self._page(lambda gallery: gallery_page(gallery, location, thumbnail_href, linked=True, served=True))

    def plots(self, request: Request) -> Response:
        """Return the plots over the scenes."""
        return self._page(lambda gallery: plots_page(gallery, served=True))

    def zoomable_map(self, request: Request) -> Response:
        """Return the map of all scenes. Its tiles show the maps that it names."""

        def page(gallery: Gallery) -> bytes:
            self._sources = map_sources(self._store, gallery)
            return map_page(gallery, self._sources)

        return self._page(page)

    def tile(self, request: Request) -> Response:
        """Return a tile of the map: of the scenes until a day (`until`), or of one map (`show`)."""
        numbers = [request.path_params[name] for name in "zxy"]
        if not all(re.fullmatch("[0-9]{1,6}", number) for number in numbers):
            return PlainTextResponse("Not Found", 404, _HEADERS)
        z, x, y = map(int, numbers)
        if not (MIN_ZOOM <= z <= MAX_ZOOM and x < 2**z and y < 2**z):
            return PlainTextResponse("Not Found", 404, _HEADERS)
        if self._sources is None:  # a page that was opened before this server was started
            self.zoomable_map(request)
        show, until = (request.query_params.get(name, "") for name in ("show", "until"))
        chosen = [
            source
            for source in self._sources or ()
            if (source.key == show if show else source.moment and (not until or f"{source.moment:%Y-%m-%d}" <= until))
        ]
        return Response(tile_png(chosen, z, x, y), headers=_HEADERS, media_type="image/png")

    def _page(self, make: Callable[[Gallery], bytes]) -> Response:
        try:
            with self._one_at_a_time:
                return HTMLResponse(make(read_gallery(self._store)), headers=_HEADERS)
        except LandCoverError as error:
            return PlainTextResponse(f"{error}\n", 500, _HEADERS)


def file_app(root: Path) -> Starlette:
    """Return the server's application.

    Args:
        root: folder of the store.
    """
    pages = _Pages(root)
    return Starlette(
        routes=[
            Route("/", pages.all_scenes),
            Route(f"/{ALL_SCENES}", pages.all_scenes),
            Route(f"/{PLOTS}", pages.plots),
            Route(f"/{ZOOMABLE_MAP}", pages.zoomable_map),
            Route("/tiles/{z}/{x}/{y}.png", pages.tile),
            Mount("/", _StoreFiles(root)),
        ],
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
