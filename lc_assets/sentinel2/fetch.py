"""Fetch one file, byte for byte: from a disk (linked, where that can be done) or over HTTP, signed when it is read.

Nothing that is returned or raised holds a query string: tokens never leave this module.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from lc_assets.errors import BadBand
from lc_assets.sentinel2.item import is_remote

CHUNK = 1 << 22
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two pieces of an answer."""

_PASSING_STATUS = frozenset({401, 403, 408, 409, 425, 429, 500, 502, 503, 504})
"""HTTP answers that may differ next time: 403 is an expired token, 409 and 503 a storage account under load."""


@dataclass(frozen=True)
class Fetched:
    """What arrived: size in bytes, SHA-256 (hex), seconds."""

    size: int
    sha256: str
    seconds: float


def fetch(href: str, target: Path, *, item: str, asset: str) -> Fetched:
    """Bring `href` to `target`, a file that does not exist yet.

    A file on the same disk is linked, not copied: a full tile is 1.4 GB. Whoever changes it in place later changes
    `target` too, which `lc_assets.sentinel2.raw.RawBands.open` notices.

    Raises:
        BadBand: the source is missing, cannot be read, or ended early. `transient` tells whether trying again can help.
    """
    started = time.perf_counter()
    digest = hashlib.sha256()
    size = 0
    remote = is_remote(href)
    linked = not remote and _linked(Path(href), target)
    # A link is read too, for its checksum; by the name that its owner knows.
    pieces = _download(href, item, asset) if remote else _read(Path(href), item, asset)
    with nullcontext() if linked else target.open("wb") as copy:
        for piece in pieces:
            if copy:
                copy.write(piece)
            digest.update(piece)
            size += len(piece)
    if size == 0:
        raise BadBand("the file is empty", item=item, asset=asset, remedy=f"put the band's file back: {href}")
    return Fetched(size, digest.hexdigest(), time.perf_counter() - started)


def _linked(source: Path, target: Path) -> bool:
    """Give a plain file a second name; false where that cannot be done (another disk, no permission, no such file)."""
    try:
        source = source.resolve(strict=True)
        if not source.is_file():
            return False
        os.link(source, target)
    except (OSError, RuntimeError):
        return False
    return True


def _read(path: Path, item: str, asset: str) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            while piece := source.read(CHUNK):
                yield piece
    except FileNotFoundError:
        raise BadBand(
            f"the file {path} is missing", item=item, asset=asset, remedy="put it back, or mend the item's href"
        ) from None
    except OSError as error:
        raise BadBand(
            f"the file {path} cannot be read ({error.strerror})",
            item=item,
            asset=asset,
            remedy="check the disk and the permissions",
        ) from None


def _download(href: str, item: str, asset: str) -> Iterator[bytes]:
    import planetary_computer
    import requests

    try:
        signed = planetary_computer.sign_url(href)
        # identity: a byte-for-byte copy must not be unpacked on the way, and its length must be comparable.
        headers = {"Accept-Encoding": "identity"}
        with requests.get(signed, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code != 200:
                raise _refused(answer.status_code, href, item, asset)
            got = 0
            for piece in answer.iter_content(CHUNK):
                got += len(piece)
                yield piece
            expected = answer.headers.get("Content-Length")
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
        raise BadBand(
            f"{href} is no usable URL ({type(error).__name__})", item=item, asset=asset, remedy="mend the item's href"
        ) from None
    except (requests.RequestException, OSError) as error:
        # `from None` and the type alone: the error's text quotes the signed URL.
        raise BadBand(
            f"{href} did not arrive ({type(error).__name__})",
            item=item,
            asset=asset,
            remedy="check the network and run it again",
            transient=True,
        ) from None
    if expected is not None and int(expected) != got:
        raise BadBand(
            f"{href} ended after {got} of {expected} bytes",
            item=item,
            asset=asset,
            remedy="run it again",
            transient=True,
        )


def _refused(status: int, href: str, item: str, asset: str) -> BadBand:
    if status in _PASSING_STATUS:
        return BadBand(
            f"the server answered {status} for {href}", item=item, asset=asset, remedy="run it again", transient=True
        )
    return BadBand(
        f"the server answered {status} for {href}",
        item=item,
        asset=asset,
        remedy="the file is gone or was never there: choose another item, or look whether the catalog has mended it",
    )
