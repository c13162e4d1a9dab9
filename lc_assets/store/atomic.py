"""Write files atomically: first into a local staging folder of this process, then move them into place.

For a target on a disk the staging folder is next to the target, and files are flushed and renamed. For an object store
it is in the scratch folder, and each file is uploaded as one object. A reader sees either the old file or the new one.
The next process that writes to the same target removes the staging folders of killed processes.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from lc_assets.core.errors import StoreError, naming
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath, move_into_place
from lc_assets.store.scratch import scratch_dir

_PART = ".part"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

ABANDONED_SECONDS = 24 * 3600
"""Seconds without a change after which temporary files of another machine, or of a failed fetch, count as abandoned."""


@contextmanager
def atomic_output(
    target: StorePath,
    *,
    item: str,
    asset: str,
    last: str | None = None,
    check: Callable[[], None] = lambda: None,
    place: str = "store (--store)",
) -> Iterator[Path]:
    """Yield a new local staging folder and move its files into `target` at the end of the context.

    After an error nothing is moved. The staging folder is removed in both cases. For a target on a disk the staging
    folder is next to it, at the same depth, so that relative paths inside the files are valid in both places. Each
    file is moved atomically: a concurrent reader sees either the old file or the new one.

    Args:
        target: folder for the files; it is created if necessary.
        item, asset: for messages.
        last: name of the file to move after all others. Its presence means that the folder is complete.
        check: called before each file is moved. If it raises, no further file is moved.
        place: what the target is, and the option that names it, for messages.

    Yields:
        The staging folder.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    local_target = scratch_dir(target)
    stage = local_target.with_name(stage_name(local_target.name))
    try:
        local_target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned_stages(local_target)
        stage.mkdir()
        yield stage
        if isinstance(target, Path):
            target.mkdir(exist_ok=True)
        for path in sorted(stage.iterdir(), key=lambda path: (path.name == last, path.name)):
            if isinstance(target, Path):
                _flush(path)
            check()
            move_into_place(path, target / path.name)
        if isinstance(target, Path):
            _flush(target)
    except (OSError, RasterioError, CPLE_BaseError) as error:
        with naming(item, asset):
            raise _store_error(error, target, place) from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def stage_name(target: str) -> str:
    """Return a unique name for a staging folder. It contains host and process id, which `is_abandoned` reads."""
    return f".{target}.{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{_PART}"


def put(path: StorePath, content: bytes, *, item: str, asset: str) -> None:
    """Write one small file atomically.

    Raises:
        StoreError: the disk is full, or the path cannot be written.
    """
    if isinstance(path, ObjectPath):
        try:
            path.write_bytes(content)
        except OSError as error:
            with naming(item, asset):
                raise _store_error(error, path) from None
        return
    with atomic_output(path.parent, item=item, asset=asset) as stage:
        (stage / path.name).write_bytes(content)


def _store_error(error: Exception, path: StorePath, place: str = "store (--store)") -> StoreError:
    reason = _reason(error)
    if isinstance(path, ObjectPath) and str(getattr(error, "filename", "")).startswith(path.bucket.url):
        denied = isinstance(error, PermissionError)
        return StoreError(
            f"{path} cannot be written ({reason})",
            remedy="check the credentials in the environment and their permissions in this store"
            if denied
            else "check that the object store can be reached and accepts writes, then run it again",
            transient=not denied,
        )
    what = "scratch folder (LC_ASSETS_SCRATCH)" if isinstance(path, ObjectPath) else place
    path = scratch_dir(path)
    if isinstance(error, IsADirectoryError):
        return StoreError(
            f"{error.filename2 or error.filename} is a folder where a file belongs",
            remedy="remove the folder, then run it again",
        )
    full = isinstance(error, OSError) and error.errno in _DISK_FULL
    full = full or "space" in reason or "too large" in reason.lower()
    with suppress(OSError):
        free = shutil.disk_usage(path.parent).free
        full = full or free < 1 << 20
        reason += f"; {free / 1e6:.0f} MB free"
    if isinstance(error, RasterioError | CPLE_BaseError) and not full:
        return StoreError(
            f"{path} cannot be created ({reason})",
            remedy="its input may be damaged: make it again (lc-assets classify; for a season map, lc-assets map)",
        )
    return StoreError(
        f"{path} cannot be written ({reason})",
        remedy=f"free some space on the disk, or name another {what}, then run it again"
        if full
        else f"check the permissions there, or name another {what}, then run it again",
    )


def _reason(error: BaseException) -> str:
    """Return the message of the original error, because rasterio wraps GDAL's message in a general one."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(getattr(error, "strerror", None) or error)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned_stages(target: Path) -> None:
    """Remove the abandoned staging folders of `target`."""
    for stage in target.parent.glob(f".{target.name}.*{_PART}"):
        if is_abandoned(stage):
            shutil.rmtree(stage, ignore_errors=True)


def is_abandoned(stage: Path) -> bool:
    """Return True if no process uses a staging folder any more.

    The folder's name is that of `stage_name` (`.<target>.<host>-<pid>-<random>.part`). A folder of this host is
    abandoned if its process is dead. Any folder is abandoned if it has not changed for `ABANDONED_SECONDS`.
    """
    try:
        host_part, pid, _ = stage.name.rsplit("-", 2)
        this_host = host_part.endswith(f".{socket.gethostname()}")
        changed = max([stage.stat().st_mtime, *(path.stat().st_mtime for path in stage.iterdir())])
        return (this_host and not is_alive(int(pid))) or time.time() - changed > ABANDONED_SECONDS
    except (ValueError, OverflowError, OSError):
        return False


def is_alive(pid: int, started: str = "") -> bool:
    """Return True if a process runs on this host. `started`, from `start_of`, tells it from a later one with its id."""
    if started and start_of(pid) not in ("", started):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # a process of another user
        pass
    return True


def start_of(pid: int) -> str:
    """Return when a process of this host started, in ticks since the start of the machine; empty where the system does
    not say (proc(5), field 22 of `stat`). A process id is used again, most of all in containers."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
