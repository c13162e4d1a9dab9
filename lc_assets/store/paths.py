"""Places: names in the store, on a disk or in an object store, by one interface.

A place on a disk is a `pathlib.Path`. One in an object store is an `ObjectPath`, which has the part of Path's interface
that the project uses, and raises what Path would raise. An object is seen whole or not at all, which is what renaming a
finished file gives on a disk. Rasters are not read through here: GDAL reads them where they lie (`gdal_path`), by
ranges.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from lc_assets.core.urls import is_url
from lc_assets.store.object_path import ONE_PIECE, ObjectPath, Status, as_os_error, status_of
from lc_assets.store.object_store import parse_url

StorePath: TypeAlias = Path | ObjectPath


def parse_path(text: str | Path) -> StorePath:
    """The place that a setting names: a URL of an object store, or a path.

    Raises:
        StoreError: it looks like a URL, but is none of an object store.
        OSError, RuntimeError, ValueError: it is no path.
    """
    if isinstance(text, str) and is_url(text):
        return ObjectPath(*parse_url(text))
    return Path(text).expanduser().resolve()


def gdal_path(place: StorePath) -> str:
    """What GDAL opens."""
    if isinstance(place, ObjectPath):
        place.bucket.client()  # sets GDAL up
        return f"{place.bucket.gdal}/{place.key}"
    return str(place)


def move_into_place(source: Path, target: StorePath) -> None:
    """Put a finished local file at its place, whole; on a disk it is moved there.

    Raises:
        OSError: it cannot be written.
    """
    if isinstance(target, Path):
        source.replace(target)
        return
    import obstore

    with as_os_error(target):
        whole = source.stat().st_size <= ONE_PIECE
        obstore.put(target.bucket.client(), target.key, source, use_multipart=not whole)


def list_files(folder: StorePath) -> dict[str, Status]:
    """Name -> status of the files directly in a folder, by one request; none where there is no folder."""
    import obstore

    if isinstance(folder, ObjectPath):
        with as_os_error(folder):
            found = obstore.list_with_delimiter(folder.bucket.client(), folder.key or None)
        return {str(entry["path"]).rsplit("/", 1)[-1]: status_of(entry) for entry in found["objects"]}
    try:
        return {path.name: _local_status(path) for path in folder.iterdir() if path.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def walk_files(folder: StorePath) -> Iterator[tuple[StorePath, int]]:
    """(file, bytes) of everything below a folder, hidden files too; nothing where there is no folder."""
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


def remove_tree(place: StorePath) -> None:
    """Remove a file, or a folder with all that is in it; what is not there is removed already.

    Raises:
        OSError: it cannot be removed.
    """
    import obstore

    if isinstance(place, ObjectPath):
        keys = [file.key for file, _ in walk_files(place) if isinstance(file, ObjectPath)]
        with suppress(FileNotFoundError), as_os_error(place):
            for start in range(0, len(keys), 1000):
                obstore.delete(place.bucket.client(), keys[start : start + 1000])
        place.unlink(missing_ok=True)
    elif place.is_dir() and not place.is_symlink():
        with suppress(FileNotFoundError):
            shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def etag(place: StorePath) -> str | None:
    """Another one whenever the content is; None where there is nothing."""
    try:
        return place.stat().version if isinstance(place, ObjectPath) else _local_status(place).version
    except FileNotFoundError:
        return None


def compare_and_swap(place: StorePath, content: bytes, expected: str | None) -> bool:
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
            with as_os_error(place):
                obstore.put(place.bucket.client(), place.key, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True
    from filelock import FileLock

    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f".{place.name}.lock")):
        if etag(place) != expected:
            return False
        beside = place.with_name(f".{place.name}.new")
        beside.write_bytes(content)
        beside.replace(place)
    return True


def _local_status(path: Path) -> Status:
    found = path.stat()
    return Status(found.st_size, found.st_mtime_ns, f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}", False)
