"""An HTTPS forward proxy in the tests' own process: every host that a client CONNECTs to is answered from loopback.

It ends TLS with certificates of its own authority, writes down every request, and puts faults into answers. Clients
need `HTTPS_PROXY` and the authority's certificate, and no change.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from loopback.faults import Fault, Faults, chunks, gone, reset
from loopback.wire import (
    Answer,
    Backend,
    Handler,
    Reply,
    Request,
    ask,
    close,
    peel_connect,
    prompt,
    read_request,
)

_BURST_SECONDS = 0.05
"""A sleep that lasts too long is made good by what follows it, up to this time."""


@dataclass
class Exchange:
    """One request and what became of it; it is written down when the request has come, and filled in.

    Attributes:
        host: public host.
        method: GET, HEAD ...
        path: without query.
        range: the Range header, or "".
        status: of the answer; 0 while there is none.
        body_bytes_sent: so far.
        signed: the query has a SAS signature.
        time: when the request had come, `time.time()`.
        ended: when the last of its answer so far went out, or it was broken off.
        query: without question mark.
        fault: the kind of fault that hit it, or "".
        connection: a number; requests of one kept-alive connection share it.
    """

    host: str
    method: str
    path: str
    range: str
    status: int
    body_bytes_sent: int
    signed: bool
    time: float
    ended: float = 0.0
    query: str = ""
    fault: str = ""
    connection: int = 0


class _Line:
    """A network whose rate all connections share.

    Args:
        rate: bytes per second; None has no limit.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free = 0.0

    def wait(self, size: int) -> None:
        """Wait until the line has carried so many bytes."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free = max(now - _BURST_SECONDS, self._free) + size / self._rate
            seconds = self._free - now
        if seconds > 0:
            time.sleep(seconds)


class Relay:
    """The proxy.

    Attributes:
        url: for HTTPS_PROXY.
        exchanges: every request since start or `forget`.
        errors: what handlers have raised.
    """

    def __init__(self, *, seed: int = 0, rate: float | None = None) -> None:
        """Start it at a free port of loopback.

        Args:
            seed: for faults with a chance.
            rate: bytes per second of all answers' bodies together; None has no limit.
        """
        self.exchanges: list[Exchange] = []
        self.errors: list[BaseException] = []
        self._faults = Faults(seed)
        self._line = _Line(rate)
        self._authority = trustme.CA(organization_name="lc_assets test rig")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._hosts: dict[str, Backend | Handler] = {}
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True, name="relay").start()

    def write_authority(self, path: Path) -> Path:
        """Write the certificate that clients must trust."""
        self._authority.cert_pem.write_to_path(str(path))
        return path

    def client_environment(self, authority: Path) -> dict[str, str]:
        """Variables with which clients (requests, urllib, curl, GDAL) go through it and trust the certificate."""
        proxies = {"HTTPS_PROXY": self.url, "HTTP_PROXY": self.url, "NO_PROXY": "127.0.0.1,localhost"}
        lower = {name.lower(): value for name, value in proxies.items()}  # they win where a user has set them
        trust = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "GDAL_CURL_CA_BUNDLE")
        return {**proxies, **lower, **dict.fromkeys(trust, str(authority))}

    def add_host(self, host: str, answers: Backend | Handler | tuple[str, int]) -> None:
        """Answer for a public host, from now on: by a server on loopback, or by a function.

        A function gets a `Request` and returns an `Answer`, or the `Backend` that the request is passed on to.
        """
        self._hosts[host.lower()] = Backend(answers) if isinstance(answers, tuple) else answers

    def inject(self, fault: Fault) -> Fault:
        """Lay out a fault; its `hits` counts."""
        return self._faults.add(fault)

    def clear(self) -> None:
        """Take all faults away."""
        self._faults.clear()

    def forget(self) -> None:
        """Forget the exchanges and errors so far."""
        self.exchanges, self.errors = [], []

    def hang_up(self) -> None:
        """Close the connections of all clients, also what stalls; they may come again."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Close everything."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopping.is_set():
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True, name="relay-client").start()

    def _serve(self, sock: socket.socket) -> None:
        """One client's connection, to its end."""
        number = next(self._numbers)
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._track(None, sock)
            host = ""
            try:
                if head := peel_connect(sock):
                    host = head.split()[1].decode("latin-1").rpartition(":")[0].strip("[]").lower()
                    sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    plain, sock = sock, self._context(host).wrap_socket(sock, server_side=True)
                    self._track(plain, sock)
                with sock.makefile("rb") as reader:
                    prompt(sock)
                    while request := read_request(reader, sock.sendall, host):
                        if not self._answer(sock, request, number):
                            break
                        prompt(sock)
            finally:
                self._track(sock, None)
                close(sock)

    def _track(self, old: socket.socket | None, new: socket.socket | None) -> None:
        with self._lock:
            self._open.discard(old)
            if new is not None:
                self._open.add(new)

    def _context(self, host: str) -> ssl.SSLContext:
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                context.set_alpn_protocols(["http/1.1"])
                self._contexts[host] = context
            return self._contexts[host]

    def _answer(self, sock: socket.socket, request: Request, number: int) -> bool:
        """Answer one request; True when the connection can take another."""
        spoken = request.headers.get("Range", "")
        signed = "sig=" in request.query
        exchange = Exchange(request.host, request.method, request.path, spoken, 0, 0, signed, time.time())
        exchange.query, exchange.connection = request.query, number
        self.exchanges.append(exchange)
        fault = self._faults.strike(request)
        upstream = None
        try:
            if fault and fault.kind == "refuse":
                exchange.fault = fault.kind
                return False
            answer = fault.answer() if fault else None
            reply, upstream = self._reply(request) if answer is None else (Reply.of(answer, request.method), None)
            if fault and not self._faults.spoil(reply, fault):
                fault = None
            exchange.fault = fault.kind if fault else ""
            return self._send(sock, request, reply, fault, exchange) and request.keeps_alive
        finally:
            exchange.ended = time.time()
            if upstream:
                upstream.close()

    def _reply(self, request: Request) -> tuple[Reply, http.client.HTTPConnection | None]:
        """The honest reply: a back end's, a handler's, or 502 for hosts that nobody answers for."""
        answer: Any = self._hosts.get(request.host, Answer(502, {}, f"no such host: {request.host}\n".encode()))
        try:
            if callable(answer):
                answer = answer(request)
            return ask(answer, request) if isinstance(answer, Backend) else (Reply.of(answer, request.method), None)
        except BaseException as error:  # whatever a test's handler raises must reach the test
            self.errors.append(error)
            return Reply.of(Answer(502, {}, f"{type(error).__name__}: {error}\n".encode()), request.method), None

    def _send(
        self, sock: socket.socket, request: Request, reply: Reply, fault: Fault | None, exchange: Exchange
    ) -> bool:
        """Stream a reply; False when the connection is at its end."""
        exchange.status, exchange.ended = reply.status, time.time()
        sock.sendall(reply.head())
        if request.method == "HEAD":
            return True
        for data in chunks(reply, fault, lambda seconds: gone(sock, self._stopping, seconds)):
            self._line.wait(len(data))
            # Before it is sent: a client that has read all must find it counted.
            exchange.body_bytes_sent, exchange.ended = exchange.body_bytes_sent + len(data), time.time()
            try:
                sock.sendall(b"%x\r\n%b\r\n" % (len(data), data) if reply.chunked else data)
            except OSError:
                exchange.body_bytes_sent -= len(data)
                raise
        cut = fault is not None and fault.kind in ("reset", "truncate", "stall")
        if fault and fault.kind == "stall":
            gone(sock, self._stopping, 86400)
        elif fault and fault.kind == "reset":
            reset(sock)
        elif reply.chunked and not cut:
            sock.sendall(b"0\r\n\r\n")
        return not cut
