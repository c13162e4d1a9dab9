"""A host that answers with the files of a folder, whole or by ranges, as blob storage does."""

from __future__ import annotations

import re
from pathlib import Path

from loopback.wire import Answer, Handler, Request

HOST = "tiles.example.com"
"""A public name. The Planetary Computer's token service is not asked for it."""


def files_of(folder: Path, *, ranges: bool = True) -> Handler:
    """Return a handler for `Relay.add_host`: the path of a request is that of a file below the folder.

    Args:
        folder: the folder.
        ranges: whether range requests are answered as such; otherwise with the whole file.
    """

    def answer(request: Request) -> Answer:
        path = folder / request.path.lstrip("/")
        if not path.is_file():
            return Answer(404)
        status = path.stat()
        etag = f'"{status.st_mtime_ns}"'
        if request.headers.get("If-Match", etag) != etag:
            return Answer(412)
        if request.headers.get("If-None-Match") == etag:
            return Answer(304)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")) if ranges else None
        with path.open("rb") as file:
            if not asked:
                return Answer(200, {"ETag": etag}, file.read())
            begin = int(asked[1])
            end = min(int(asked[2] or status.st_size), status.st_size - 1)
            file.seek(begin)
            where = f"bytes {begin}-{end}/{status.st_size}"
            return Answer(206, {"ETag": etag, "Content-Range": where}, file.read(end - begin + 1))

    return answer
