"""Let one process at a time write a folder of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lc_assets.core.errors import StoreError
from lc_assets.store.lease import SECONDS as LEASE_SECONDS
from lc_assets.store.lease import lease
from lc_assets.store.object_path import ObjectPath

MAX_WAIT = 3600
"""Longest wait for another process, in seconds."""


@contextmanager
def exclusive(
    incoming: Path,
    item: str,
    asset: str,
    shared: ObjectPath | None = None,
    *,
    wait: float = MAX_WAIT,
    lease_seconds: float = LEASE_SECONDS,
) -> Iterator[Callable[[], None]]:
    """Let only one process at a time write a folder. A second process waits until the first one has finished.

    Args:
        incoming: a local folder for unfinished files; the lock is a file beside it.
        item: STAC item id of the scene or name of the map, for messages.
        asset: name of the asset, for messages.
        shared: the lease that all machines share, where the store is an object store. A lock on a disk works on one
            machine only.
        wait: longest wait for another process, in seconds.
        lease_seconds: the lease expires after this many seconds without renewal.

    Yields:
        A function to call before each file is written. It raises StoreError if the lease has been lost.

    Raises:
        StoreError: the other process takes too long, or the store cannot be written.
    """
    try:
        incoming.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as taken:
            taken.enter_context(FileLock(incoming.with_name(f"{incoming.name}.lock"), timeout=wait))
            check = _nothing
            if shared:
                check = taken.enter_context(lease(shared, wait=wait, seconds=lease_seconds)).ensure_held
            held = taken.pop_all()
    except (Timeout, TimeoutError):
        raise StoreError(
            f"another process has been writing it for more than {wait:.0f} s",
            item=item,
            asset=asset,
            remedy="look what that process does, then run it again",
            transient=True,
        ) from None
    except OSError as error:
        denied = isinstance(error, PermissionError)
        remedy = f"check {'the credentials, and what they may do' if denied else 'the store'}, then run it again"
        is_scratch = shared is not None and "://" not in str(error.filename or "://")
        raise StoreError(
            f"{error.filename or incoming} cannot be written ({error.strerror or error})",
            item=item,
            asset=asset,
            remedy="set LC_ASSETS_SCRATCH to a folder that you may write" if is_scratch else remedy,
            transient=not denied and not is_scratch,
        ) from None
    with held:
        yield check


def _nothing() -> None:
    """Do nothing: a lock on a disk cannot be lost."""
