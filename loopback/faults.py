"""What goes wrong on the way: faults that the relay puts into answers, on HTTP's or on TCP's level."""

from __future__ import annotations

import contextlib
import fcntl
import io
import random
import re
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from loopback.wire import Answer, Reply, Request

KINDS = (
    *("status", "refuse"),
    *("reset", "truncate", "stall", "slow", "html", "wrong_length", "flip", "garbage"),
)
_SPOIL_A_BODY = KINDS[2:]
"""These leave HEAD alone, which has none."""

_CHUNK = 65536

_AZURE_CODES = {
    403: ("AuthenticationFailed", "Server failed to authenticate the request."),
    404: ("BlobNotFound", "The specified blob does not exist."),
    429: ("TooManyRequests", "Too many requests."),
    500: ("InternalError", "Server encountered an internal error. Please try again after some time."),
    503: ("ServerBusy", "The server is busy."),
}
_PORTAL = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to the network</h1></body></html>"
_GARBAGE = b'{"type": "FeatureCollection", "features": [{"type": "Feature", "id": "S2A_'


@dataclass
class Fault:
    """One thing that goes wrong.

    Attributes:
        where: regular expression, searched in `host/path` (the query is not part of it).
        kind: `status`: answers `status` with `headers` and an Azure-like XML body, without asking the back end.
            `refuse`: closes before any answer. `html`: status 200 and a web page. `garbage`: status 200 and broken
            JSON. `reset`: RST after `after` body bytes. `truncate`: full Content-Length, closes in order after `after`
            body bytes. `stall`: `after` body bytes, then nothing. `slow`: `after` body bytes, then one a second.
            `wrong_length`: the body lacks its last `after` bytes and Content-Length agrees (Content-Range does not).
            `flip`: one bit is other in the byte at position `after` of the whole blob; answers without that byte are
            left alone, and not counted.
            For reset, truncate, stall and slow, `after` counts in this answer's body, and at least one byte stays away.
        times: how many matching requests are hit; -1 is all.
        after, status, headers: see `kind`.
        chance: probability per matching request.
        hits: how many have been hit.
    """

    where: str
    kind: str
    times: int = 1
    after: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chance: float = 1.0
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is none of {KINDS}")
        if self.kind == "status" and not self.status:
            raise ValueError("kind='status' wants a status")

    def answer(self) -> Answer | None:
        """What is answered in the back end's place, if anything is."""
        if self.kind == "html":
            return Answer(200, {"Content-Type": "text/html"}, _PORTAL)
        if self.kind == "garbage":
            return Answer(200, {"Content-Type": "application/json"}, _GARBAGE)
        if self.kind != "status":
            return None
        code, message = _AZURE_CODES.get(self.status, ("InjectedFault", "Injected by the rig."))
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        body = f'\ufeff<?xml version="1.0" encoding="utf-8"?>{error}'
        headers = {"Content-Type": "application/xml", "x-ms-error-code": code}
        return Answer(self.status, {**headers, **self.headers}, body.encode())


class Faults:
    """The faults that are laid out, in order; the first that matches strikes."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self.clear()

    def clear(self) -> None:
        """Take all away, and begin the row of random numbers anew."""
        with self._lock:
            self._faults: list[Fault] = []
            self._random = random.Random(self._seed)

    def add(self, fault: Fault) -> Fault:
        """Lay one out."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def strike(self, request: Request) -> Fault | None:
        """The fault that hits a request; one of its times is used up, that of a `flip` by `spoil` only."""
        place = request.host + request.path
        with self._lock:
            for fault in self._faults:
                if fault.hits == fault.times or not re.search(fault.where, place):
                    continue
                if request.method == "HEAD" and fault.kind in _SPOIL_A_BODY:
                    continue
                if fault.chance < 1 and self._random.random() >= fault.chance:
                    continue
                if fault.kind != "flip":
                    fault.hits += 1
                return fault
        return None

    def spoil(self, reply: Reply, fault: Fault) -> bool:
        """Change a reply as `flip` and `wrong_length` do; False when the fault does not hit it.

        A `flip` is counted here, where its byte is known to be in the reply: of several requests at the same time,
        those without the byte must not use its times up.
        """
        if fault.kind == "wrong_length":
            body = reply.body.read()
            body = body[: max(len(body) - fault.after, 0)]
            reply.length, reply.body = len(body), io.BytesIO(body)
        elif fault.kind == "flip":
            position = fault.after - reply.first_byte
            if (
                reply.status not in (200, 206)
                or position < 0
                or (reply.length is not None and position >= reply.length)
            ):
                return False
            with self._lock:
                if fault.hits == fault.times:
                    return False
                fault.hits += 1
            reply.body = _Flipped(reply.body, position)  # type: ignore[assignment]
        return True


class _Flipped:
    """A stream with one bit flipped."""

    def __init__(self, stream: Any, position: int) -> None:
        self._stream, self._position = stream, position

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if 0 <= self._position < len(data):
            data = bytearray(data)
            data[self._position] ^= 1
            data = bytes(data)
        self._position -= len(data)
        return data


def chunks(reply: Reply, fault: Fault | None, wait: Callable[[float], bool]) -> Iterator[bytes]:
    """The body piece by piece; a fault that cuts it ends it early, `slow` stretches it.

    Args:
        reply: whose body.
        fault: None or one that cuts.
        wait: sleeps so many seconds and is True when the client or the relay has gone.
    """
    limit = None
    if fault and fault.kind in ("reset", "truncate", "stall", "slow"):
        limit = fault.after if not reply.length else min(fault.after, reply.length - 1)
    while limit is None or limit > 0:
        data = reply.body.read(_CHUNK if limit is None else min(limit, _CHUNK))
        if not data:
            return
        limit = None if limit is None else limit - len(data)
        yield data
    while fault and fault.kind == "slow" and not wait(1.0):
        data = reply.body.read(1)
        if not data:
            return
        yield data


def gone(sock: socket.socket, stopping: threading.Event, seconds: float) -> bool:
    """Sleep; True as soon as the client has closed or the relay stops."""
    deadline = time.monotonic() + seconds
    while not stopping.is_set():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if select.select([sock], [], [], min(left, 0.1))[0]:
            try:
                sock.settimeout(0.5)
                if not sock.recv(1):
                    return True
            except TimeoutError:  # no whole TLS record yet
                continue
            except OSError:
                return True
            finally:
                sock.settimeout(None)
    return True


def reset(sock: socket.socket) -> None:
    """Make closing send RST, once what has been sent has arrived: RST throws away what is still under way."""
    with contextlib.suppress(OSError):
        for _ in range(200):
            if not struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]:
                break
            time.sleep(0.01)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
