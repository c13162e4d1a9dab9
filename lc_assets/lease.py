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

from lc_assets.errors import StoreError
from lc_assets.places import ObjectPath, replace_if, version

SECONDS = 30.0
"""After so long without renewal a lease is free."""
_LOOK = 1.0


@contextmanager
def lease(place: ObjectPath, *, wait: float, seconds: float = SECONDS) -> Iterator[None]:
    """Hold a lease while the body runs.

    Args:
        place: its object.
        wait: seconds to wait for another holder, at most.
        seconds: see `SECONDS`.

    Raises:
        TimeoutError: another one holds and renews it.
        StoreError: on leaving, where it was lost meanwhile: it could not be renewed in time.
        OSError: the object store fails.
    """
    held = _acquire(place, wait, seconds)
    done = threading.Event()
    lost = threading.Event()

    def renew() -> None:
        nonlocal held
        renewed = time.monotonic()
        while not done.wait(seconds / 4):
            try:
                content = _note()
                if not replace_if(place, content, held):
                    lost.set()
                    return
                found = version(place)
                if found is None:
                    lost.set()
                    return
                held, renewed = found, time.monotonic()
            except OSError:
                if time.monotonic() - renewed > seconds:
                    lost.set()
                    return

    keeper = threading.Thread(target=renew, name="lease", daemon=True)
    keeper.start()
    try:
        yield
        if lost.is_set():
            raise _lost(place)
    finally:
        done.set()
        keeper.join(timeout=seconds)
        if not lost.is_set():
            with suppress(OSError):
                if version(place) == held:
                    place.unlink(missing_ok=True)


def _acquire(place: ObjectPath, wait: float, seconds: float) -> str:
    started = since = time.monotonic()
    seen: str | None = None
    while True:
        if replace_if(place, _note(), None):
            break
        now, found = time.monotonic(), version(place)
        if found != seen:
            seen, since = found, now
        elif found is not None and now - since > seconds and replace_if(place, _note(), found):
            break
        if now - started > wait:
            raise TimeoutError(f"the lease {place} is held")
        time.sleep(_LOOK)
    held = version(place)
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
