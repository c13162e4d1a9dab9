"""Files are written whole: in a local folder of the process's own, then put where they belong.

On a disk that folder lies beside the target, and files are flushed and renamed; for an object store it is a scratch
folder, and files are put whole. A reader sees the old file, or the new one. What a killed process has left behind is
removed by the next one that writes there."""

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

from lc_assets.core.errors import StoreError
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath, move_into_place
from lc_assets.store.scratch import scratch_dir

_PART = ".part"


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


ABANDONED_SECONDS = 24 * 3600
"""Without a change for so long, a left-over of another machine, or of a failed fetch, is nobody's any more."""


@contextmanager
def atomic_output(
    target: StorePath, *, item: str, asset: str, last: str | None = None, check: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """A fresh local folder; on leaving without an error its files are put into `target`, in any case it is removed.

    For a target on a disk the folder lies beside it, at the same depth, so that relative paths inside the files hold in
    both places. Each file is put whole: whoever reads meanwhile sees the old file, or the new one.

    Args:
        target: place that is to hold the files; made if need be.
        item, asset: for messages.
        last: name of the file that is put after all others, because its presence says that they are there.
        check: called before each file is put; what it raises ends that.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    beside = scratch_dir(target)
    stage = beside.with_name(stage_name(beside.name))
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        _sweep(beside)
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
        raise _store_error(error, target, item, asset) from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def stage_name(target: str) -> str:
    """A name for a folder of this process's own, by which `is_abandoned` tells whose it is."""
    return f".{target}.{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{_PART}"


def put(path: StorePath, content: bytes, *, item: str, asset: str) -> None:
    """Put one small file whole.

    Raises:
        StoreError: the disk is full, or the place cannot be written.
    """
    if isinstance(path, ObjectPath):
        try:
            path.write_bytes(content)
        except OSError as error:
            raise _store_error(error, path, item, asset) from None
        return
    with atomic_output(path.parent, item=item, asset=asset) as stage:
        (stage / path.name).write_bytes(content)


def _store_error(error: Exception, path: StorePath, item: str, asset: str) -> StoreError:
    reason = _reason(error)
    if (
        isinstance(path, ObjectPath)
        and isinstance(error, OSError)
        and str(error.filename or "").startswith(path.bucket.url)
    ):
        denied = isinstance(error, PermissionError)
        return StoreError(
            f"{path} cannot be written ({reason})",
            item=item,
            asset=asset,
            remedy="check the credentials in the environment and what they may do in this store"
            if denied
            else "look whether the object store is there and takes what is written, then run it again",
            transient=not denied,
        )
    what = "scratch folder (LC_ASSETS_SCRATCH)" if isinstance(path, ObjectPath) else "store (--store)"
    path = scratch_dir(path)
    full = (isinstance(error, OSError) and error.errno in _FULL) or "space" in reason or "too large" in reason.lower()
    with suppress(OSError):
        free = shutil.disk_usage(path.parent).free
        full = full or free < 1 << 20
        reason += f"; {free / 1e6:.0f} MB free"
    if isinstance(error, RasterioError | CPLE_BaseError) and not full:
        return StoreError(
            f"{path} cannot be made ({reason})",
            item=item,
            asset=asset,
            remedy="what it is made from may be damaged: materialise the assets before it again",
        )
    return StoreError(
        f"{path} cannot be written ({reason})",
        item=item,
        asset=asset,
        remedy=f"free some space on the disk, or name another {what}, then run it again"
        if full
        else f"check the permissions there, or name another {what}, then run it again",
    )


def _reason(error: BaseException) -> str:
    """The innermost message: rasterio wraps GDAL's own words in a general sentence."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(getattr(error, "strerror", None) or error)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(target: Path) -> None:
    """Remove what dead processes left of earlier attempts at `target`; what lives, here or on another host, is left
    alone."""
    for left in target.parent.glob(f".{target.name}.*{_PART}"):
        if is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def is_abandoned(stage: Path) -> bool:
    """Whether the process is dead that made a folder named by `stage_name` (`.<target>.<host>-<pid>-<random>.part`);
    of another machine's, whether it has not changed for a day."""
    try:
        head, pid, _ = stage.name.rsplit("-", 2)
        here = head.endswith(f".{socket.gethostname()}")
        changed = max([stage.stat().st_mtime, *(path.stat().st_mtime for path in stage.iterdir())])
        return (here and not is_alive(int(pid))) or time.time() - changed > ABANDONED_SECONDS
    except (ValueError, OverflowError, OSError):
        return False


def is_alive(pid: int) -> bool:
    """True when a process of this id runs on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
