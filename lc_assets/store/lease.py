"""Leases: mutual exclusion of processes on machines that share only an object store.

The first process to create the lease's object holds the lease and renews it regularly. A lease without renewal for
some time is free again. Clocks of different machines are never compared: a waiting process measures by its own clock
for how long the object has not changed.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lc_assets.core.errors import StoreError
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import compare_and_swap, etag

SECONDS = 30.0
"""Seconds without renewal after which a lease is free."""
_POLL_SECONDS = 1.0


class Lease:
    """A lease that this process has acquired. A thread renews it until `release`.

    Args:
        path: the lease's object.
        etag: ETag of the object that this process wrote.
        seconds: see `SECONDS`.
    """

    def __init__(self, path: ObjectPath, etag: str, seconds: float) -> None:
        self._path, self._etag, self._seconds = path, etag, seconds
        self._renewed_at = time.monotonic()
        self._released, self._lost = threading.Event(), threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewer.start()

    def ensure_held(self) -> None:
        """Raise an error if the lease is lost. Call this before each action that the lease protects.

        This method also checks the clock: after a suspended process continues, the renewing thread may not run at once.

        Raises:
            StoreError: the lease is lost, because it could not be renewed in time.
        """
        if self._lost.is_set() or time.monotonic() - self._renewed_at > self._seconds:
            self._lost.set()
            raise _lease_lost(self._path)

    def release(self) -> None:
        """Stop the renewal, and delete the lease's object if this process still holds the lease."""
        self._released.set()
        self._renewer.join(timeout=self._seconds)
        if not self._lost.is_set():
            with suppress(OSError):
                if etag(self._path) == self._etag:
                    self._path.unlink(missing_ok=True)

    def _renew(self) -> None:
        while not self._released.wait(self._seconds / 4):
            before = time.monotonic()
            with suppress(OSError):  # `ensure_held` raises an error if this lasts too long
                renewed = compare_and_swap(self._path, _lease_content(), self._etag)
                if renewed is None:
                    return self._lost.set()
                self._etag, self._renewed_at = renewed, before
        return None


@contextmanager
def lease(path: ObjectPath, *, wait: float, seconds: float = SECONDS) -> Iterator[Lease]:
    """Hold a lease inside the context.

    Args:
        path: the lease's object.
        wait: longest time to wait for another holder in seconds.
        seconds: see `SECONDS`.

    Yields:
        The lease; call its `ensure_held` before each action that it protects.

    Raises:
        TimeoutError: another process holds the lease and renews it.
        StoreError: at the end of the context, if the lease was lost inside it; see `Lease.ensure_held`.
        OSError: the object store fails.
    """
    acquired = Lease(path, _acquire(path, wait, seconds), seconds)
    try:
        yield acquired
        acquired.ensure_held()
    finally:
        acquired.release()


def _acquire(path: ObjectPath, wait: float, seconds: float) -> str:
    """Wait until the lease is free, take it, and return the ETag of its object."""
    started = unchanged_since = time.monotonic()
    last_seen: str | None = None
    while True:
        if acquired := compare_and_swap(path, _lease_content(), None):
            return acquired
        now, current = time.monotonic(), etag(path)
        if current != last_seen:
            last_seen, unchanged_since = current, now
        elif (
            current is not None
            and now - unchanged_since > seconds
            and (acquired := compare_and_swap(path, _lease_content(), current))
        ):
            return acquired
        if now - started > wait:
            raise TimeoutError(f"another process holds the lease {path}")
        time.sleep(_POLL_SECONDS)


def _lease_lost(path: ObjectPath) -> StoreError:
    return StoreError(
        f"the lease {path} is lost, because it was not renewed in time",
        remedy="run it again",
        transient=True,
    )


def _lease_content() -> bytes:
    """Return the content of the lease's object.

    Host, process id and time help a person who inspects the object. The nonce makes each content and ETag unique.
    """
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "renewed": time.time(), "nonce": uuid.uuid4().hex}
    return json.dumps(holder).encode()
