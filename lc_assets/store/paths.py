"""Places: names in the store, on a disk or in an object store, by one interface.

A place on a disk is a `pathlib.Path`. One in an object store is an `ObjectPath`, which has the part of Path's interface
that the project uses, and raises what Path would raise. An object is seen whole or not at all, which is what renaming a
finished file gives on a disk. Rasters are not read through here: GDAL reads them where they lie (`gdal_name`), by
ranges.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeAlias

from lc_assets.store.object_store import SCHEMES, Bucket, parse_url
from lc_assets.core.errors import StoreError, without_query
from lc_assets.core.cpu import own_folder

_ONE_PIECE = 1 << 30
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

        with _told(self):
            return _status(obstore.head(self.bucket.client(), self.key))

    def iterdir(self) -> Iterator[ObjectPath]:
        """Names directly below, files and folders; none where there is nothing."""
        import obstore

        with _told(self):
            found = obstore.list_with_delimiter(self.bucket.client(), self.key or None)
        for path in sorted([*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]):
            yield ObjectPath(self.bucket, str(path))

    def open(self, mode: str = "rb") -> IO[bytes]:
        """A file object to read bytes from, with `read` and `seek`."""
        import obstore

        if mode != "rb":
            raise io.UnsupportedOperation(f"{mode}: objects are put whole")
        with _told(self):
            return io.BufferedReader(_Raw(obstore.open_reader(self.bucket.client(), self.key)), 1 << 20)

    def read_bytes(self) -> bytes:
        """The content."""
        import obstore

        with _told(self):
            return bytes(obstore.get(self.bucket.client(), self.key).bytes())

    def read_text(self, encoding: str = "utf-8") -> str:
        """The content as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> int:
        """Put the object, whole."""
        import obstore

        with _told(self):
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
        with suppress(FileNotFoundError), _told(self):
            obstore.delete(self.bucket.client(), self.key)


Place: TypeAlias = Path | ObjectPath


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


def is_url(text: str) -> bool:
    """Whether a setting is meant as a URL, be it well written or not."""
    return "://" in text or text.startswith(tuple(f"{scheme}:" for scheme in SCHEMES))


def place_of(text: str | Path) -> Place:
    """The place that a setting names: a URL of an object store, or a path.

    Raises:
        StoreError: it looks like a URL, but is none of an object store.
        OSError, RuntimeError, ValueError: it is no path.
    """
    if isinstance(text, str) and is_url(text):
        return ObjectPath(*parse_url(text))
    return Path(text).expanduser().resolve()


def gdal_name(place: Place) -> str:
    """What GDAL opens."""
    if isinstance(place, ObjectPath):
        place.bucket.client()  # sets GDAL up
        return f"{place.bucket.gdal}/{place.key}"
    return str(place)


def put_file(source: Path, target: Place) -> None:
    """Put a finished local file at its place, whole; on a disk it is moved there.

    Raises:
        OSError: it cannot be written.
    """
    if isinstance(target, Path):
        source.replace(target)
        return
    import obstore

    with _told(target):
        whole = source.stat().st_size <= _ONE_PIECE
        obstore.put(target.bucket.client(), target.key, source, use_multipart=not whole)


def files_in(folder: Place) -> dict[str, Status]:
    """Name -> status of the files directly in a folder, by one request; none where there is no folder."""
    import obstore

    if isinstance(folder, ObjectPath):
        with _told(folder):
            found = obstore.list_with_delimiter(folder.bucket.client(), folder.key or None)
        return {str(entry["path"]).rsplit("/", 1)[-1]: _status(entry) for entry in found["objects"]}
    try:
        return {path.name: _local_status(path) for path in folder.iterdir() if path.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def files_below(folder: Place) -> Iterator[tuple[Place, int]]:
    """(file, bytes) of everything below a folder, hidden files too; nothing where there is no folder."""
    import obstore

    if isinstance(folder, ObjectPath):
        with _told(folder):
            for page in obstore.list(folder.bucket.client(), folder.key or None):
                for entry in page:
                    yield ObjectPath(folder.bucket, str(entry["path"])), int(entry["size"])
        return
    for directory, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(directory, name)
            with suppress(FileNotFoundError):
                yield path, path.lstat().st_size


def remove_tree(place: Place) -> None:
    """Remove a file, or a folder with all that is in it; what is not there is removed already.

    Raises:
        OSError: it cannot be removed.
    """
    import obstore

    if isinstance(place, ObjectPath):
        keys = [file.key for file, _ in files_below(place) if isinstance(file, ObjectPath)]
        with suppress(FileNotFoundError), _told(place):
            for start in range(0, len(keys), 1000):
                obstore.delete(place.bucket.client(), keys[start : start + 1000])
        place.unlink(missing_ok=True)
    elif place.is_dir() and not place.is_symlink():
        with suppress(FileNotFoundError):
            shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def version(place: Place) -> str | None:
    """Another one whenever the content is; None where there is nothing."""
    try:
        return place.stat().version if isinstance(place, ObjectPath) else _local_status(place).version
    except FileNotFoundError:
        return None


def replace_if(place: Place, content: bytes, expected: str | None) -> bool:
    """Write a file only if its version is still the expected one (None: if it is not there); whether it was.

    On a disk this is done under a lock beside the file, in an object store by the server (If-Match, If-None-Match).

    Raises:
        OSError: it cannot be written.
    """
    import obstore
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    if isinstance(place, ObjectPath):
        mode: Any = "create" if expected is None else {"e_tag": expected}
        try:
            with _told(place):
                obstore.put(place.bucket.client(), place.key, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f".{place.name}.lock")):
        if version(place) != expected:
            return False
        beside = place.with_name(f".{place.name}.new")
        beside.write_bytes(content)
        beside.replace(place)
    return True


def work_folder(place: Place) -> Path:
    """The local folder for files that are on their way to `place`: itself on a disk; else its like in a scratch folder
    (LC_ASSETS_SCRATCH, default: the system's folder for temporary files), which has room for a scene."""
    if isinstance(place, Path):
        return place
    chosen = os.environ.get("LC_ASSETS_SCRATCH")
    try:
        base = Path(chosen).expanduser() if chosen else own_folder("lc_assets")
    except (RuntimeError, OSError) as error:  # no such user's home; somebody else's folder
        raise StoreError(
            f"LC_ASSETS_SCRATCH is no folder to work in ({error})", remedy="set it to a folder that you may write"
        ) from None
    return (base / place.bucket.scheme / place.bucket.name / place.key).absolute()


def _status(entry: Any) -> Status:
    stamp = entry["last_modified"]
    return Status(int(entry["size"]), int(stamp.timestamp()) * 10**9, str(entry["e_tag"]))


def _local_status(path: Path) -> Status:
    found = path.stat()
    return Status(found.st_size, found.st_mtime_ns, f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}", False)


@contextmanager
def _told(place: ObjectPath) -> Iterator[None]:
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
