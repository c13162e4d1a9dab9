"""Fetch one file, byte for byte: from a disk (linked, where that can be done) or over HTTP."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from lc_assets.core.errors import BadBand
from lc_assets.remote.download import Download
from lc_assets.remote.partial_file import CachedFile

CHUNK = 1 << 22


@dataclass(frozen=True)
class FetchResult:
    """What arrived.

    Attributes:
        size: bytes.
        sha256: hex.
        seconds: that it took.
        etag: version that an HTTP server gave the file.
        received: bytes that came over the network for it; 0 for a local file and one that was here already.
        requests: HTTP requests for it.
        origin: `linked`, `copied`, `downloaded`, `resumed` or `kept` (the server says that what is here is still the
            newest).
    """

    size: int
    sha256: str
    seconds: float
    etag: str | None = None
    received: int = 0
    requests: int = 0
    origin: str = "copied"


def fetch_local(href: str, target: Path, *, item: str, asset: str) -> FetchResult:
    """Bring a file to `target`, which does not exist yet.

    A file on the same disk is linked, not copied: a full tile is 1.4 GB. Whoever changes it in place later changes
    `target` too, which `lc_assets.sentinel2.bands.raw_bands.RawBands.open` notices.

    Raises:
        BadBand: the source is missing, empty, or cannot be read.
    """
    started = time.perf_counter()
    digest = hashlib.sha256()
    size = 0
    linked = _linked(Path(href), target)
    # A link is read too, for its checksum; by the name that its owner knows.
    with nullcontext() if linked else target.open("wb") as copy:
        for piece in _read(Path(href), item, asset):
            if copy:
                copy.write(piece)
            digest.update(piece)
            size += len(piece)
    if size == 0:
        raise BadBand("the file is empty", item=item, asset=asset, remedy=f"put the band's file back: {href}")
    origin = "linked" if linked else "copied"
    return FetchResult(size, digest.hexdigest(), time.perf_counter() - started, origin=origin)


def fetch_remote(transfer: Download, have: CachedFile | None) -> FetchResult:
    """Run a transfer; see `Download.run`."""
    started = time.perf_counter()
    got = transfer.run(have)
    seconds = time.perf_counter() - started
    return FetchResult(got.size, got.sha256, seconds, got.etag, got.received, got.requests, got.origin)


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
