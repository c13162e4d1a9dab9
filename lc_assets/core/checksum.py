"""SHA-256 of a file, read in pieces."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol


class Readable(Protocol):
    """A path, or what opens like one."""

    def open(self, mode: str) -> Any:
        """A file object."""


def sha256_of(path: Readable) -> str:
    """Lower-case hex digest. (`hashlib.file_digest` is not in Python 3.10.)

    Raises:
        OSError: the file cannot be read.
    """
    return digests(path, with_md5=False)[0]


def digests(path: Readable, *, with_md5: bool) -> tuple[str, str, int]:
    """(SHA-256, MD5 or "", size) of a file; MD5 because that is what Azure keeps, not for security."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as source:
        while piece := source.read(1 << 22):
            sha256.update(piece)
            if with_md5:
                md5.update(piece)
            size += len(piece)
    return sha256.hexdigest(), md5.hexdigest() if with_md5 else "", size
