"""Fetch one file of this machine unchanged, as a hard link where possible."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from lc_assets.core.errors import BadBand
from lc_assets.remote.download import FetchResult

CHUNK = 1 << 22


def fetch_local(href: str, target: Path) -> FetchResult:
    """Link or copy a local file to `target`, which must not exist yet.

    A file on the same disk is linked, not copied: a full tile has 1.4 GB. A later change of the source in place also
    changes `target`; `lc_assets.sentinel2.bands.raw_bands.RawBands.open` detects this.

    Raises:
        BadBand: the source is missing, empty, or cannot be read.
    """
    started = time.perf_counter()
    digest = hashlib.sha256()
    size = 0
    linked = _linked(Path(href), target)
    # A linked file is read too, for its checksum, under the source's name, which the messages then give.
    with nullcontext() if linked else target.open("wb") as copy:
        for piece in _read(Path(href)):
            if copy:
                copy.write(piece)
            digest.update(piece)
            size += len(piece)
    if size == 0:
        raise BadBand("the file is empty", remedy=f"put the band's file back: {href}")
    origin = "linked" if linked else "copied"
    return FetchResult(size, digest.hexdigest(), time.perf_counter() - started, origin=origin)


def _linked(source: Path, target: Path) -> bool:
    """Hard-link a regular file to `target`. False where this is not possible (other disk, no permission, no file)."""
    try:
        source = source.resolve(strict=True)
        if not source.is_file():
            return False
        os.link(source, target)
    except (OSError, RuntimeError):
        return False
    return True


def _read(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            while piece := source.read(CHUNK):
                yield piece
    except FileNotFoundError:
        raise BadBand(f"the file {path} is missing", remedy="put it back, or correct the item's href") from None
    except OSError as error:
        raise BadBand(
            f"the file {path} cannot be read ({error.strerror})", remedy="check the disk and the permissions"
        ) from None
