"""`ObjectPath`: the path of an object in an object store, with the methods of `pathlib.Path` that this project uses."""

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

MAX_SINGLE_UPLOAD = 1 << 30
"""Largest file in bytes that is uploaded in one request; a larger file is uploaded in parts.

A multipart upload that is interrupted leaves invisible parts in the bucket, which cost money. A band of a tile has
0.3 GB; one request may carry 5 GB to S3 and 5,000 MiB to Azure.
"""


@dataclass(frozen=True)
class Status:
    """Status of a file or an object.

    Attributes:
        st_size: size in bytes.
        st_mtime_ns: time of the last change in nanoseconds since 1970; object stores report whole seconds.
        is_object: True for an object in an object store, False for a local file.
    """

    st_size: int
    st_mtime_ns: int
    is_object: bool = True


@dataclass(frozen=True)
class ObjectPath:
    """The path of an object in a bucket.

    As with `pathlib.Path`, the methods raise `OSError` (`FileNotFoundError`, `PermissionError`).

    Attributes:
        bucket: the bucket.
        key: the object's key in it.
    """

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
        """Append parts to the path, like `/`."""
        return self / "/".join(others)

    @property
    def name(self) -> str:
        """The last part of the key."""
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
        """The path without its last part."""
        return self / ".."

    def with_name(self, name: str) -> ObjectPath:
        """Return the path with another last part."""
        return self.parent / name

    def exists(self) -> bool:
        """Return True if there is an object with this key. (Object stores have no folders.)"""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_file(self) -> bool:
        """Return True if there is an object with this key."""
        return self.exists()

    def stat(self) -> Status:
        """Return size and time of the last change of the object."""
        return status_of(self._head())

    def version(self) -> str:
        """Return a text that differs whenever the content differs, by which the server compares versions; see
        `Bucket.version_field`."""
        return str(self._head()[self.bucket.version_field])

    def _head(self) -> Any:
        import obstore

        with as_os_error(self):
            return obstore.head(self.bucket.client(), self.key)

    def iterdir(self) -> Iterator[ObjectPath]:
        """Yield the paths directly below in sorted order, of objects and of common prefixes."""
        import obstore

        with as_os_error(self):
            listing = obstore.list_with_delimiter(self.bucket.client(), self.key or None)
        for path in sorted([*listing["common_prefixes"], *(entry["path"] for entry in listing["objects"])]):
            yield ObjectPath(self.bucket, str(path))

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Return a binary file object with `read` and `seek`.

        Raises:
            io.UnsupportedOperation: the mode is not "rb".
        """
        import obstore

        if mode != "rb":
            raise io.UnsupportedOperation(
                f"mode {mode!r}: an object can only be opened with 'rb'; write it with write_bytes"
            )
        with as_os_error(self):
            return io.BufferedReader(_ReaderStream(obstore.open_reader(self.bucket.client(), self.key)), 1 << 20)

    def read_bytes(self) -> bytes:
        """Return the content as bytes."""
        import obstore

        with as_os_error(self):
            return bytes(obstore.get(self.bucket.client(), self.key).bytes())

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the content as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> int:
        """Write the object in one request and return the number of bytes."""
        import obstore

        with as_os_error(self):
            obstore.put(self.bucket.client(), self.key, content, use_multipart=False)
        return len(content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object.

        Raises:
            FileNotFoundError: there is no such object, unless `missing_ok`.
        """
        import obstore

        if not missing_ok:
            self.stat()
        with suppress(FileNotFoundError), as_os_error(self):
            obstore.delete(self.bucket.client(), self.key)


class _ReaderStream(io.RawIOBase):
    """obstore's reader as a raw stream, so that `io.BufferedReader` can buffer it."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._reader.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        data = bytes(self._reader.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)


def status_of(entry: Any) -> Status:
    """Convert an entry of an obstore listing (`ObjectMeta`) to a `Status`."""
    stamp = entry["last_modified"]
    return Status(int(entry["size"]), int(stamp.timestamp()) * 10**9)


@contextmanager
def as_os_error(path: ObjectPath) -> Iterator[None]:
    """Inside the context, raise obstore's errors as the OSErrors that a local file would raise.

    URLs in obstore's messages may contain signatures, so their queries are removed. AlreadyExistsError and
    PreconditionError of obstore are raised unchanged.
    """
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except FileNotFoundError as error:
        missing = any(code in str(error) for code in ("NoSuchBucket", "ContainerNotFound"))
        message = f"there is no bucket or container {path.bucket.name}" if missing else "there is no such object"
        raise FileNotFoundError(errno.ENOENT, message, str(path)) from None
    except (AlreadyExistsError, PreconditionError):
        raise
    except (BaseError, PermissionError, OSError) as error:
        message = without_query(" ".join(str(error).split("\n\nDebug source")[0].split()))[:300]
        denied = "PermissionDenied" in type(error).__name__ or "Unauthenticated" in type(error).__name__
        number = errno.EACCES if denied or isinstance(error, PermissionError) else errno.EIO
        raise OSError(number, message, str(path)) from None
    except BaseException as error:
        # A panic in obstore's Rust code is a BaseException, so `except Exception` does not catch it.
        if type(error).__name__ != "PanicException":
            raise
        raise OSError(
            errno.EIO, "the object-store library failed: check the store's URL and credentials", str(path)
        ) from None
