"""A place in an object store, with the methods of `pathlib.Path` that this project uses."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

from lc_assets.core.errors import without_query
from lc_assets.store.object_store import Bucket

ONE_PIECE = 1 << 30
"""Bytes up to which a file is put in one request: parts of an upload that dies would lie in the bucket, unseen and
paid for. A band of a tile has 0.3 GB; S3 takes 5 GB at once, Azure 5,000 MiB."""


@dataclass(frozen=True)
class Status:
    """What a place holds.

    Attributes:
        st_size: bytes.
        st_mtime_ns: last change, nanoseconds since 1970; object stores tell it in whole seconds.
        version: another one whenever the content is (ETag).
        is_object: it is one of an object store.
    """

    st_size: int
    st_mtime_ns: int
    version: str
    is_object: bool = True


@dataclass(frozen=True)
class ObjectPath:
    """A name in a bucket. As with Path, `OSError` (`FileNotFoundError`, `PermissionError`) says what went wrong."""

    bucket: Bucket
    key: str

    def __str__(self) -> str:
        return f"{self.bucket.url}/{self.key}" if self.key else self.bucket.url

    def __truediv__(self, other: str) -> ObjectPath:
        parts: list[str] = []
        for part in f"{self.key}/{other}".split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return ObjectPath(self.bucket, "/".join(parts))

    def __lt__(self, other: ObjectPath) -> bool:
        return str(self) < str(other)

    def joinpath(self, *others: str) -> ObjectPath:
        """As `/`."""
        return self / "/".join(others)

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.key).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.key).stem

    @property
    def suffix(self) -> str:
        """The name's suffix, with its dot."""
        return PurePosixPath(self.key).suffix

    @property
    def parent(self) -> ObjectPath:
        """The folder around it."""
        return self / ".."

    def with_name(self, name: str) -> ObjectPath:
        """Its neighbour of that name."""
        return self.parent / name

    def exists(self) -> bool:
        """Whether there is an object of this name. (There are no folders; see `is_dir`.)"""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_file(self) -> bool:
        """As `exists`."""
        return self.exists()

    def is_dir(self) -> bool:
        """Whether anything lies below."""
        return any(True for _ in self.iterdir())

    def stat(self) -> Status:
        """Size, time, version."""
        import obstore

        with as_os_error(self):
            return status_of(obstore.head(self.bucket.client(), self.key))

    def iterdir(self) -> Iterator[ObjectPath]:
        """Names directly below, files and folders; none where there is nothing."""
        import obstore

        with as_os_error(self):
            found = obstore.list_with_delimiter(self.bucket.client(), self.key or None)
        for path in sorted([*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]):
            yield ObjectPath(self.bucket, str(path))

    def open(self, mode: str = "rb") -> IO[bytes]:
        """A file object to read bytes from, with `read` and `seek`."""
        import obstore

        if mode != "rb":
            raise io.UnsupportedOperation(f"{mode}: objects are put whole")
        with as_os_error(self):
            return io.BufferedReader(_Raw(obstore.open_reader(self.bucket.client(), self.key)), 1 << 20)

    def read_bytes(self) -> bytes:
        """The content."""
        import obstore

        with as_os_error(self):
            return bytes(obstore.get(self.bucket.client(), self.key).bytes())

    def read_text(self, encoding: str = "utf-8") -> str:
        """The content as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> int:
        """Put the object, whole."""
        import obstore

        with as_os_error(self):
            obstore.put(self.bucket.client(), self.key, content, use_multipart=False)
        return len(content)

    def write_text(self, content: str, encoding: str = "utf-8") -> int:
        """Put a text, whole."""
        return self.write_bytes(content.encode(encoding))

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        import obstore

        if not missing_ok:
            self.stat()
        with suppress(FileNotFoundError), as_os_error(self):
            obstore.delete(self.bucket.client(), self.key)


class _Raw(io.RawIOBase):
    """obstore's reader as a raw stream, so that the standard library buffers it."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._reader.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        piece = bytes(self._reader.read(len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def status_of(entry: Any) -> Status:
    """Of what obstore lists."""
    stamp = entry["last_modified"]
    return Status(int(entry["size"]), int(stamp.timestamp()) * 10**9, str(entry["e_tag"]))


@contextmanager
def as_os_error(place: ObjectPath) -> Iterator[None]:
    """obstore's errors as the OSErrors that a disk would give; they may name URLs with signatures, which are left
    out. (A missing object is a FileNotFoundError already.)"""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except FileNotFoundError as error:
        missing = any(code in str(error) for code in ("NoSuchBucket", "ContainerNotFound"))
        words = f"there is no bucket or container {place.bucket.name}" if missing else "there is no such object"
        raise FileNotFoundError(errno.ENOENT, words, str(place)) from None
    except (AlreadyExistsError, PreconditionError):
        raise
    except (BaseError, PermissionError, OSError) as error:
        words = without_query(" ".join(str(error).split("\n\nDebug source")[0].split()))[:300]
        refused = "PermissionDenied" in type(error).__name__ or "Unauthenticated" in type(error).__name__
        number = errno.EACCES if refused or isinstance(error, PermissionError) else errno.EIO
        raise OSError(number, words, str(place)) from None
    except BaseException as error:
        # obstore's Rust panics at what it did not think of, which no `except Exception` sees.
        if type(error).__name__ != "PanicException":
            raise
        raise OSError(errno.EIO, "its library gave up: check the store's URL and credentials", str(place)) from None
