"""Paths in the store, on a disk or in an object store, with one interface.

A path on a disk is a `pathlib.Path`. A path in an object store is an `ObjectPath`, which has the methods of `Path` that
the project uses and raises the same exceptions. A reader sees a complete object or none. On a disk, files are
written under another name and renamed, which has the same effect. GDAL does not read rasters with these functions. It
reads ranges of them directly from the store (`gdal_path`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, TypeVar

from lc_assets.core.errors import StoreError
from lc_assets.core.json_values import parse_json
from lc_assets.core.urls import is_url
from lc_assets.store.object_path import MAX_SINGLE_UPLOAD, ObjectPath, Status, as_os_error, status_of
from lc_assets.store.object_store import parse_url

StorePath: TypeAlias = Path | ObjectPath

_READERS = 16
_In = TypeVar("_In")
_Out = TypeVar("_Out")


def parse_path(text: str | Path) -> StorePath:
    """Return the path for the URL of an object store or for a local path.

    Raises:
        StoreError: it looks like a URL, but not like one of an object store.
        OSError, RuntimeError, ValueError: it is not a valid local path.
    """
    if isinstance(text, str) and is_url(text):
        return ObjectPath(*parse_url(text))
    return Path(text).expanduser().resolve()


def gdal_path(path: StorePath) -> str:
    """Return the name under which GDAL opens the file, for example `/vsis3/bucket/key`."""
    if isinstance(path, ObjectPath):
        path.bucket.client()  # sets GDAL's variables
        return f"{path.bucket.gdal}/{path.key}"
    return str(path)


@contextmanager
def reading(path: StorePath) -> Iterator[None]:
    """Raise an `OSError` of the body, which reads a file or a folder of the store, as a `StoreError`."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror or error})",
            remedy="check that the store (--store) exists and that you can read it, then run it again",
            transient=not isinstance(error, PermissionError),
        ) from None


def move_into_place(source: Path, target: StorePath) -> None:
    """Move a finished local file to `target` on a disk, or upload it to `target` in an object store, atomically.

    Raises:
        OSError: the target cannot be written.
    """
    if isinstance(target, Path):
        source.replace(target)
        return
    import obstore

    with as_os_error(target):
        multipart = source.stat().st_size > MAX_SINGLE_UPLOAD
        obstore.put(target.bucket.client(), target.key, source, use_multipart=multipart)


def read_json_object(path: StorePath) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if the file is missing or damaged, or has another value."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_parallel(read: Callable[[_In], _Out], values: Iterable[_In]) -> list[_Out]:
    """Return what `read` returns for each value, several at a time: each needs a round trip to an object store."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="read") as pool:
        return list(pool.map(read, values))


def list_files(folder: StorePath) -> dict[str, Status]:
    """Return name -> status of the files directly in a folder, with one request. It is empty for a missing folder."""
    if isinstance(folder, ObjectPath):
        import obstore

        with as_os_error(folder):
            listing = obstore.list_with_delimiter(folder.bucket.client(), folder.key or None)
        return {str(entry["path"]).rsplit("/", 1)[-1]: status_of(entry) for entry in listing["objects"]}
    try:
        return {path.name: _local_status(path) for path in folder.iterdir() if path.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def walk_files(folder: StorePath) -> Iterator[tuple[StorePath, int]]:
    """Yield (path, size in bytes) of all files below a folder, also hidden ones. A missing folder yields nothing."""
    import obstore

    if isinstance(folder, ObjectPath):
        with as_os_error(folder):
            for page in obstore.list(folder.bucket.client(), folder.key or None):
                for entry in page:
                    yield ObjectPath(folder.bucket, str(entry["path"])), int(entry["size"])
        return
    for directory, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(directory, name)
            with suppress(FileNotFoundError):
                yield path, path.lstat().st_size


def is_link(path: StorePath) -> TypeGuard[Path]:
    """Return whether a path is a symbolic link. An object store has no links."""
    return isinstance(path, Path) and path.is_symlink()


def remove_tree(path: StorePath) -> None:
    """Delete a file, or a folder with its content. A missing path is not an error.

    Raises:
        OSError: it cannot be deleted.
    """
    import obstore

    if isinstance(path, ObjectPath):
        keys = [file.key for file, _ in walk_files(path) if isinstance(file, ObjectPath)]
        with suppress(FileNotFoundError), as_os_error(path):
            for start in range(0, len(keys), 1000):
                obstore.delete(path.bucket.client(), keys[start : start + 1000])
        path.unlink(missing_ok=True)
    elif path.is_dir() and not path.is_symlink():
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def etag(path: StorePath) -> str | None:
    """Return a text that changes whenever the content changes; None if the file does not exist.

    It is the ETag or the generation of an object, and inode, time and size of a local file.
    """
    try:
        if isinstance(path, ObjectPath):
            return path.version()
        status = path.stat()
        return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
    except FileNotFoundError:
        return None


def compare_and_swap(path: StorePath, content: bytes, expected: str | None) -> str | None:
    """Write a file only if its `etag` is still `expected`. Return its new one, or None if it was not written.

    On a disk a lock file next to the file protects the comparison. In an object store the server compares (If-Match,
    If-None-Match; Google's: x-goog-if-generation-match).

    Args:
        path: the file.
        content: its new content.
        expected: result of `etag` for the content to replace; None if the file must not exist.

    Raises:
        OSError: the file cannot be written.
    """
    import obstore
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    if isinstance(path, ObjectPath):
        field = path.bucket.version_field
        mode: Any = "create" if expected is None else {field: expected}
        try:
            with as_os_error(path):
                written = obstore.put(path.bucket.client(), path.key, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return None
        return str(dict(written)[field])
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if etag(path) != expected:
            return None
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(content)
        new.replace(path)
        return etag(path)


def _local_status(path: Path) -> Status:
    status = path.stat()
    return Status(status.st_size, status.st_mtime_ns, False)
