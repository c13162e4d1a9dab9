"""HTTP/1.1 as the relay speaks it: reading a client's request, asking a back end, writing the head of an answer."""

from __future__ import annotations

import email.parser
import http
import http.client
import io
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "upgrade"}
_LONGEST = 65536


@dataclass(frozen=True)
class Request:
    """A client's request, its body read.

    Attributes:
        method: GET, HEAD, POST ...
        host: the public host that the client means, lower case, without port.
        path: without query, percent-encoded as it came.
        query: without question mark.
        headers: case-insensitive.
        body: bytes.
    """

    method: str
    host: str
    path: str
    query: str
    headers: http.client.HTTPMessage
    body: bytes = b""

    @property
    def url(self) -> str:
        """The public URL."""
        return f"https://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")

    @property
    def keeps_alive(self) -> bool:
        """True unless the client wants its connection closed."""
        return "close" not in self.headers.get("Connection", "").lower()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Answer:
    """What a handler of the tests answers by itself."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of_json(cls, document: Any, status: int = 200, **headers: str) -> Answer:
        """A JSON document."""
        return cls(status, {"Content-Type": "application/json", **headers}, json.dumps(document).encode())


@dataclass(frozen=True)
class Backend:
    """A server on loopback that answers for a public host.

    Attributes:
        address: where it listens.
        strip: the beginning of the public path that it does not know of.
        hide: names, in lower case, of headers of its answers that the public service would not send.
    """

    address: tuple[str, int]
    strip: str = ""
    hide: frozenset[str] = frozenset()


Handler = Callable[[Request], "Answer | Backend"]


@dataclass
class Reply:
    """An answer on its way to the client: its head, and its body as a stream.

    Attributes:
        status: three digits.
        headers: in order; neither Content-Length nor Transfer-Encoding is among them.
        length: of the body, as Content-Length will say it; None if only its end will tell.
        body: the bytes; a HEAD's is empty.
    """

    status: int
    headers: list[tuple[str, str]]
    length: int | None
    body: BinaryIO | http.client.HTTPResponse

    @classmethod
    def of(cls, answer: Answer, method: str) -> Reply:
        """A handler's answer."""
        body = b"" if method == "HEAD" else answer.body
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "content-length"]
        return cls(answer.status, headers, len(answer.body), io.BytesIO(body))

    @property
    def first_byte(self) -> int:
        """Where in the whole resource the body begins: a 206 says it."""
        for name, value in self.headers:
            if self.status == 206 and name.lower() == "content-range":
                with suppress(ValueError):
                    return int(value.split()[1].partition("-")[0])
        return 0

    def head(self) -> bytes:
        """Status line and headers."""
        try:
            reason = http.HTTPStatus(self.status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in self.headers)]
        if self.length is not None:
            lines.append(f"Content-Length: {self.length}")
        elif self.chunked:
            lines.append("Transfer-Encoding: chunked")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @property
    def chunked(self) -> bool:
        """True when the body's end is told by chunks."""
        return self.length is None and self.status not in (204, 304)


def peel_connect(sock: socket.socket) -> bytes:
    """The head of a connection's first request, if it is CONNECT; not a byte more is taken, for TLS follows."""
    while True:
        seen = sock.recv(_LONGEST, socket.MSG_PEEK)
        if not seen or not seen.startswith(b"CONNECT "[: len(seen)]):
            return b""
        end = seen.find(b"\r\n\r\n")
        if end >= 0:
            return sock.recv(end + 4)
        time.sleep(0.001)


def read_request(reader: BinaryIO, write: Callable[[bytes], Any], host: str = "") -> Request | None:
    """The next request of a connection; None where it has ended.

    Args:
        reader: the client's bytes.
        write: sends to the client, for `100 Continue`.
        host: what the client has CONNECTed to; without, the absolute URI or the Host header says it.
    """
    line = reader.readline(_LONGEST)
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(maxsplit=2)
    raw = b""
    while (header := reader.readline(_LONGEST)) not in (b"\r\n", b"\n", b""):
        raw += header
    headers = email.parser.Parser(_class=http.client.HTTPMessage).parsestr(raw.decode("latin-1"))
    parts = urlsplit(target)
    host = host or parts.hostname or headers.get("Host", "").partition(":")[0]
    if headers.get("Expect", "").lower() == "100-continue":
        write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = reader.read(int(headers.get("Content-Length", 0)))
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        while size := int(reader.readline(_LONGEST).partition(b";")[0], 16):
            body += reader.read(size)
            reader.readline(_LONGEST)
        while reader.readline(_LONGEST).strip():
            pass
    return Request(method, host.lower(), parts.path or "/", parts.query, headers, body)


def ask(backend: Backend, request: Request) -> tuple[Reply, http.client.HTTPConnection]:
    """Pass a request on, as a reverse proxy does; the caller closes the connection when the body is read."""
    connection = http.client.HTTPConnection(*backend.address, timeout=60)
    target = request.path.removeprefix(backend.strip) or "/"
    target += f"?{request.query}" if request.query else ""
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    skipped = _HOP_BY_HOP | {"host", "content-length", "transfer-encoding", "expect"}
    for name, value in request.headers.items():
        if name.lower() not in skipped:
            connection.putheader(name, value)
    connection.putheader("Host", request.host)
    connection.putheader("X-Forwarded-Host", request.host)
    connection.putheader("X-Forwarded-Proto", "https")
    if request.body or request.method in ("POST", "PUT"):
        connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body or None)
    response = connection.getresponse()
    length = response.getheader("Content-Length")
    kept = [
        (name, value)
        for name, value in response.getheaders()
        if name.lower() not in _HOP_BY_HOP | {"content-length", "transfer-encoding"} | backend.hide
    ]
    return Reply(response.status, kept, int(length) if length is not None else None, response), connection


def prompt(sock: socket.socket) -> None:
    """Acknowledge what comes next at once: urllib3 sends head and body of a POST one after the other, and through a
    proxy it waits for that (Nagle's algorithm) 40 ms."""
    if hasattr(socket, "TCP_QUICKACK"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def close(sock: socket.socket) -> None:
    """Close, saying goodbye as TLS has it, without waiting for the other side's; not where RST is to end it."""
    lingers = struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0]
    if isinstance(sock, ssl.SSLSocket) and not lingers:
        with suppress(OSError, ValueError):
            sock.settimeout(0)
            sock.unwrap()
    sock.close()
