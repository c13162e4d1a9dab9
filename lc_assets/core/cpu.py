"""What this machine gives: how many threads a process takes, and how many processes may compute at the same time.

LC_ASSETS_THREADS          threads of one process            all CPUs that it may use
LC_ASSETS_INFERENCE_SLOTS  processes in inference at a time  no limit

Slots are locked files in a folder of the user's own below the temporary one: the system opens the lock of a process
that was killed. Workers that are to share slots must see the same temporary folder (no PrivateTmp= in their units).
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lc_assets.core.errors import LandCoverError, StoreError

_POLL_SECONDS = 0.2
_MOST = 4096
"""Threads or processes of a machine; what is more is a slip."""
_DIGITS = 10
"""A longer text is not even read as a number."""
_SHOWN = 40


def cores() -> int:
    """Threads that this process is to compute with.

    Raises:
        LandCoverError: LC_ASSETS_THREADS is no number of threads.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _positive("LC_ASSETS_THREADS") or available


@contextmanager
def inference_slot(waiting: Callable[[], None] = lambda: None) -> Iterator[int | None]:
    """Hold one of this machine's LC_ASSETS_INFERENCE_SLOTS; without that setting, nothing is waited for.

    Args:
        waiting: called once, if no slot is free.

    Yields:
        The slot's number, or None without a limit.

    Raises:
        LandCoverError: LC_ASSETS_INFERENCE_SLOTS is no number of processes.
        StoreError: the folder of the slots is not this user's alone.
    """
    slots = _positive("LC_ASSETS_INFERENCE_SLOTS")
    if slots is None:
        yield None
        return
    lock, number = _acquired(_folder(), slots, waiting)
    try:
        yield number
    finally:
        lock.release()


def _acquired(folder: Path, slots: int, waiting: Callable[[], None]) -> tuple[FileLock, int]:
    told = False
    while True:
        for number in range(slots):
            lock = FileLock(folder / f"slot-{number}")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return lock, number
        if not told:
            waiting()
            told = True
        time.sleep(_POLL_SECONDS)


def own_folder(name: str) -> Path:
    """This user's own folder of a name below the temporary one; made if need be.

    Raises:
        PermissionError: it is somebody else's: anybody may have made it before us, where everybody may write.
    """
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise PermissionError(errno.EACCES, "it is not this user's own", str(folder))
    return folder


def _folder() -> Path:
    try:
        return own_folder("lc_assets-slots")
    except PermissionError as error:
        raise StoreError(
            f"{error.filename} is not this user's own folder", remedy="remove it, or set TMPDIR to another place"
        ) from None


def _positive(name: str) -> int | None:
    text = os.environ.get(name)
    if not text:
        return None
    if text.isdecimal() and len(text) <= _DIGITS and 0 < int(text) <= _MOST:
        return int(text)
    shown = repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}... ({len(text)} characters)"
    raise LandCoverError(f"{name} is {shown}", remedy=f"set it to a whole number from 1 to {_MOST}, or unset it")
