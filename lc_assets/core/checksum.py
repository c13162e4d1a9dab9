"""Checksums of files, which are read in chunks of 4 MiB."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol


class Readable(Protocol):
    """A path, or another object with the same `open` method."""

    def open(self, mode: str) -> Any:
        """Return a file object."""


def sha256_of(path: Readable) -> str:
    """Return the SHA-256 digest of a file in lower-case hex. (Python 3.10 has no `hashlib.file_digest`.)

    Raises:
        OSError: the file cannot be read.
    """
    return digests(path, with_md5=False)[0]


def sha256_of_files(paths: Iterable[Path]) -> str:
    """Return one SHA-256 digest of several files: of their names and contents.

    Raises:
        OSError: a file cannot be read.
    """
    return sha256_of_values({path.name: sha256_of(path) for path in paths})


def sha256_of_tree(folder: Path, pattern: str) -> str:
    """Return one SHA-256 digest of the files below a folder whose names match a pattern: of their paths and contents.

    Raises:
        OSError: a file cannot be read.
    """
    return sha256_of_values({path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob(pattern)})


def sha256_of_values(values: Mapping[str, str]) -> str:
    """Return one SHA-256 digest of named values, whatever their order."""
    lines = (f"{name} {values[name]}\n" for name in sorted(values))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digests(path: Readable, *, with_md5: bool) -> tuple[str, str, int]:
    """Return (SHA-256 in hex, MD5 in hex, size in bytes) of a file.

    The MD5 is "" without `with_md5`. It serves no security purpose: it is the checksum that Azure Blob Storage keeps.

    Raises:
        OSError: the file cannot be read.
    """
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as source:
        while chunk := source.read(1 << 22):
            sha256.update(chunk)
            if with_md5:
                md5.update(chunk)
            size += len(chunk)
    return sha256.hexdigest(), md5.hexdigest() if with_md5 else "", size
