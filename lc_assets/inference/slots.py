"""Limit the number of processes of this machine that compute maps at the same time (LC_ASSETS_INFERENCE_SLOTS).

A slot is a locked file in the user's own folder below the temporary folder. If a process is killed, the system
releases its lock. Workers that share slots must see the same temporary folder (no PrivateTmp= in their units).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lc_assets.core.cpu import positive_setting
from lc_assets.core.errors import StoreError
from lc_assets.store.scratch import user_temp_dir

_POLL_SECONDS = 0.2


@contextmanager
def inference_slot(on_wait: Callable[[], None] = lambda: None) -> Iterator[int | None]:
    """Hold one of this machine's slots. Without LC_ASSETS_INFERENCE_SLOTS there is no limit.

    Args:
        on_wait: called once if no slot is free.

    Yields:
        The slot's number, or None without a limit.

    Raises:
        LandCoverError: LC_ASSETS_INFERENCE_SLOTS is not a positive number.
        StoreError: the folder of the slots does not belong to this user.
    """
    slots = positive_setting("LC_ASSETS_INFERENCE_SLOTS")
    if slots is None:
        yield None
        return
    lock, number = _acquire(_folder(), slots, on_wait)
    try:
        yield number
    finally:
        lock.release()


def _acquire(folder: Path, slots: int, on_wait: Callable[[], None]) -> tuple[FileLock, int]:
    notified = False
    while True:
        for number in range(slots):
            lock = FileLock(folder / f"slot-{number}")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return lock, number
        if not notified:
            on_wait()
            notified = True
        time.sleep(_POLL_SECONDS)


def _folder() -> Path:
    try:
        return user_temp_dir("lc_assets-slots")
    except PermissionError as error:
        raise StoreError(
            f"the folder {error.filename} belongs to another user, or is a link",
            remedy="remove it, or set TMPDIR to another folder",
        ) from None
