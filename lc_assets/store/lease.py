"""Leases: one process at a time, among machines that share nothing but an object store.

Whoever makes the lease's object first has it, and renews it; a lease that nobody renews for a while is free again. No
two clocks are compared: the one who waits looks whether the object changes, and for how long by its own clock it has
not.
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
"""After so long without renewal a lease is free."""
_LOOK = 1.0


class Lease:
    """A lease that this process holds, as far as it knows."""

    def __init__(self, place: ObjectPath, held: str, seconds: float) -> None:
        self._place, self._held, self._seconds = place, held, seconds
        self._renewed = time.monotonic()
        self._done, self._lost = threading.Event(), threading.Event()
        self._keeper = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._keeper.start()

    def check(self) -> None:
        """To be called before each thing that nobody else may do meanwhile. A process that was stopped for a while
        finds out here: by the clock, for its threads may not have run yet.

        Raises:
            StoreError: the lease is lost: it could not be renewed in time.
        """
        if self._lost.is_set() or time.monotonic() - self._renewed > self._seconds:
            self._lost.set()
            raise _lost(self._place)

    def release(self) -> None:
        """Give it back, if it is ours still."""
        self._done.set()
        self._keeper.join(timeout=self._seconds)
        if not self._lost.is_set():
            with suppress(OSError):
                if etag(self._place) == self._held:
                    self._place.unlink(missing_ok=True)

    def _renew(self) -> None:
        while not self._done.wait(self._seconds / 4):
            before = time.monotonic()
            try:
                if not compare_and_swap(self._place, _note(), self._held):
                    return self._lost.set()
                found = etag(self._place)
                if found is None:
                    return self._lost.set()
                self._held, self._renewed = found, before
            except OSError:
                continue  # whether it is too late is seen by `check`
        return None


@contextmanager
def lease(place: ObjectPath, *, wait: float, seconds: float = SECONDS) -> Iterator[Lease]:
    """Hold a lease while the body runs.

    Args:
        place: its object.
        wait: seconds to wait for another holder, at most.
        seconds: see `SECONDS`.

    Raises:
        TimeoutError: another one holds and renews it.
        StoreError: on leaving, where it was lost meanwhile; see `Lease.check`.
        OSError: the object store fails.
    """
    held = Lease(place, _acquire(place, wait, seconds), seconds)
    try:
        yield held
        held.check()
    finally:
        held.release()


def _acquire(place: ObjectPath, wait: float, seconds: float) -> str:
    started = since = time.monotonic()
    seen: str | None = None
    while True:
        if compare_and_swap(place, _note(), None):
            break
        now, found = time.monotonic(), etag(place)
        if found != seen:
            seen, since = found, now
        elif found is not None and now - since > seconds and compare_and_swap(place, _note(), found):
            break
        if now - started > wait:
            raise TimeoutError(f"the lease {place} is held")
        time.sleep(_LOOK)
    held = etag(place)
    if held is None:
        raise _lost(place)
    return held


def _lost(place: ObjectPath) -> StoreError:
    return StoreError(
        f"the lease {place} was lost to another process, for it could not be renewed",
        remedy="run it again",
        transient=True,
    )


def _note() -> bytes:
    """Who holds it, for a person who looks; and different each time, so that its version is."""
    who = {"host": socket.gethostname(), "pid": os.getpid(), "renewed": time.time(), "nonce": uuid.uuid4().hex}
    return json.dumps(who).encode()
