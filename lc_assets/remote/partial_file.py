"""Files on the disk during a download: the part received so far, and notes on the version of its source.

<name>             complete file
<name>.json        version of the complete file: href, ETag, size, SHA-256
<name>.part        bytes received so far
<name>.part.json   version that the part belongs to: href, ETag, size, MD5
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lc_assets.core.checksum import Readable, sha256_of


class File(Readable, Protocol):
    """A path, or another object with the same `open` and `stat` methods."""

    def stat(self) -> Any:
        """Return a status with `st_size` in bytes."""


@dataclass(frozen=True)
class CachedFile:
    """A complete copy of a remote file.

    Attributes:
        path: the copy.
        etag: ETag of its version at the source.
        size: bytes.
        sha256: hex.
    """

    path: File
    etag: str
    size: int
    sha256: str

    def is_whole(self) -> bool:
        """Return True if the copy is unchanged.

        For an object in an object store only the size is compared; `PartialDownload.reuse` verifies its checksum.
        """
        with suppress(OSError):
            same_size: bool = self.path.stat().st_size == self.size
            return same_size and (not isinstance(self.path, Path) or sha256_of(self.path) == self.sha256)
        return False


@dataclass(frozen=True)
class RemoteVersion:
    """The version of the source that a part belongs to.

    Attributes:
        etag: ETag.
        size: size of the complete file in bytes.
        md5: MD5 of the complete file (hex), if the server sent one.
    """

    etag: str
    size: int
    md5: str | None


class PartialDownload:
    """The local files of one download.

    Args:
        target: path of the complete file.
        href: unsigned URL of the source. Notes about another URL are ignored.
    """

    def __init__(self, target: Path, href: str) -> None:
        self.target = target
        self.href = href
        self.part = target.with_name(f"{target.name}.part")
        self._part_note = target.with_name(f"{target.name}.part.json")
        self._note = target.with_name(f"{target.name}.json")

    def resume_info(self) -> RemoteVersion | None:
        """Return the version of the existing part if the download can resume with it, else None."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._part_note.read_text(encoding="utf-8"))
            if note["href"] == self.href and note["etag"] and 0 < self.part.stat().st_size <= note["size"]:
                return RemoteVersion(note["etag"], note["size"], note["md5"])
        return None

    def start(self, etag: str | None, size: int | None, md5: str | None) -> None:
        """Delete the existing part and note the version of the new one.

        A part can only be resumed if its version is known, so without an ETag or a size no note is written. The same
        holds for a weak ETag (W/"..."), which does not guarantee equal bytes (RFC 9110, 8.8.1).
        """
        self.drop()
        if etag and not etag.startswith("W/") and size is not None:
            note = {"href": self.href, "etag": etag, "size": size, "md5": md5}
            self._part_note.write_text(json.dumps(note), encoding="utf-8")

    def drop(self) -> None:
        """Delete the part and its note."""
        self._part_note.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)

    def complete_copy(self) -> CachedFile | None:
        """Return the complete copy at `target` that an earlier call left, or None."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if note["href"] == self.href:
                return CachedFile(self.target, note["etag"], note["size"], note["sha256"])
        return None

    def commit(self, etag: str | None, size: int, sha256: str) -> None:
        """Rename the part, which is complete and verified, to `target`, and note its version."""
        self._note.unlink(missing_ok=True)
        self.part.replace(self.target)
        self._part_note.unlink(missing_ok=True)
        self._write_note(etag, size, sha256)

    def reuse(self, copy: CachedFile) -> None:
        """Use an existing copy as the complete file. It is linked or copied to `target` if it is elsewhere.

        Raises:
            OSError: the copy cannot be read, or an object has changed since it was noted.
        """
        self.drop()
        if copy.path != self.target:
            self.target.unlink(missing_ok=True)
            link_or_copy(copy, self.target)
        self._write_note(copy.etag, copy.size, copy.sha256)

    def _write_note(self, etag: str | None, size: int, sha256: str) -> None:
        if etag:
            note = {"href": self.href, "etag": etag, "size": size, "sha256": sha256}
            self._note.write_text(json.dumps(note), encoding="utf-8")


def link_or_copy(copy: CachedFile, target: Path) -> None:
    """Link an existing copy to `target`, which must not exist yet. It is copied where that is not possible.

    Raises:
        OSError: the copy cannot be read, or an object has changed since it was noted.
    """
    if not isinstance(copy.path, Path):
        with copy.path.open("rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 22)
        if sha256_of(target) != copy.sha256:
            target.unlink()
            raise OSError(errno.EIO, "it has been changed in place", str(copy.path))
        return
    try:
        os.link(copy.path, target)
    except OSError:
        shutil.copyfile(copy.path, target)
