"""What lies on the disk of a file that is under way: its part, and notes on which version of the source it is of.

<name>             complete
<name>.json        its version: href, ETag, size, SHA-256
<name>.part        what has arrived so far
<name>.part.json   of which version: href, ETag, size, MD5
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
    """A path, or an object that opens like one."""

    def stat(self) -> Any:
        """Has `st_size`, in bytes."""


@dataclass(frozen=True)
class CachedFile:
    """A complete copy of a file: where it is, which version the server called it, size in bytes, SHA-256 (hex)."""

    path: File
    etag: str
    size: int
    sha256: str

    def is_whole(self) -> bool:
        """True when the file is still what it was. (Whether an object is, shows when it is taken.)"""
        with suppress(OSError):
            whole: bool = self.path.stat().st_size == self.size
            return whole and (not isinstance(self.path, Path) or sha256_of(self.path) == self.sha256)
        return False


@dataclass(frozen=True)
class RemoteVersion:
    """The version of the source that a part is of: ETag, size of the whole in bytes, MD5 (hex) if the server gave
    one."""

    etag: str
    size: int
    md5: str | None


class PartialDownload:
    """The place where one file lands.

    Args:
        target: path of the complete file.
        href: unsigned URL of the source; what is noted of another one does not count.
    """

    def __init__(self, target: Path, href: str) -> None:
        self.target = target
        self.href = href
        self.part = target.with_name(f"{target.name}.part")
        self._part_note = target.with_name(f"{target.name}.part.json")
        self._note = target.with_name(f"{target.name}.json")

    def resume_info(self) -> RemoteVersion | None:
        """The version of the part that is there, if it can be gone on with."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._part_note.read_text(encoding="utf-8"))
            if note["href"] == self.href and note["etag"] and 0 < self.part.stat().st_size <= note["size"]:
                return RemoteVersion(note["etag"], note["size"], note["md5"])
        return None

    def start(self, etag: str | None, size: int | None, md5: str | None) -> None:
        """Start anew. Without a version a part cannot be told from a part of something else: then nothing is noted,
        and it is not gone on with. (A weak one, W/"...", says that two files mean the same, not that they are the
        same bytes: RFC 9110, 8.8.1.)"""
        self.drop()
        if etag and not etag.startswith("W/") and size is not None:
            note = {"href": self.href, "etag": etag, "size": size, "md5": md5}
            self._part_note.write_text(json.dumps(note), encoding="utf-8")

    def drop(self) -> None:
        """Forget the part."""
        self._part_note.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)

    def complete_copy(self) -> CachedFile | None:
        """The complete copy that an earlier attempt has left."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if note["href"] == self.href:
                return CachedFile(self.target, note["etag"], note["size"], note["sha256"])
        return None

    def commit(self, etag: str | None, size: int, sha256: str) -> None:
        """The part is complete, and right: give it its name."""
        self._note.unlink(missing_ok=True)
        self.part.replace(self.target)
        self._part_note.unlink(missing_ok=True)
        self._remember(etag, size, sha256)

    def reuse(self, copy: CachedFile) -> None:
        """Take a copy that is elsewhere, or here already.

        Raises:
            OSError: it cannot be read, or is not what it was.
        """
        self.drop()
        if copy.path != self.target:
            self.target.unlink(missing_ok=True)
            if not isinstance(copy.path, Path):
                with copy.path.open("rb") as source, self.target.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 22)
                if sha256_of(self.target) != copy.sha256:
                    self.target.unlink()
                    raise OSError(errno.EIO, "it has been changed in place", str(copy.path))
            else:
                try:
                    os.link(copy.path, self.target)
                except OSError:
                    shutil.copyfile(copy.path, self.target)
        self._remember(copy.etag, copy.size, copy.sha256)

    def _remember(self, etag: str | None, size: int, sha256: str) -> None:
        if etag:
            note = {"href": self.href, "etag": etag, "size": size, "sha256": sha256}
            self._note.write_text(json.dumps(note), encoding="utf-8")
