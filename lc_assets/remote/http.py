"""Small readings of HTTP answers: where they lead, what has arrived, what went wrong, what a checksum header says."""

from __future__ import annotations

import base64
import binascii
import logging
import re
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as StillRunning
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urljoin

from lc_assets.core.errors import without_query
from lc_assets.remote.ssrf import check_url_allowed
from lc_assets.remote.threads import run_in_daemon_thread

_QUERY = re.compile(r"\?[^\s'\"<>]*")


class _Unsigned(logging.Filter):
    """Takes the query out of what urllib3 logs: it names the URLs that it asks, tokens and all, in its warnings too."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _QUERY.sub("", without_query(record.getMessage())), ()
        return True


for _name in ("connectionpool", "connection", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_Unsigned())

SLOWEST = 64
"""Bytes a second: a document that comes more slowly is taken for a connection that hangs."""
_PIECE = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5


class RefusedRedirect(Exception):
    """An answer that leads to where nobody should be led. The message says where, without its query."""


class TooLarge(Exception):
    """An answer that is longer than anything that was meant. The message says than what."""


def get_following_redirects(get: Callable[[str], Any], href: str, seconds: float) -> Any:
    """The answer to `get(href)`, redirects followed one by one to where the first URL's owner might have pointed
    himself.

    Args:
        get: sends one request.
        href: where to begin.
        seconds: for each answer's head. (A time-out is met by a byte now and then: the request is left behind on its
            thread.)

    Raises:
        ConnectionError: no head within that time.
        RefusedRedirect: they lead inside a network, or in circles.
    """
    first = href
    for _ in range(_MOST_REDIRECTS + 1):
        try:
            answer = run_in_daemon_thread(partial(get, href)).result(timeout=seconds)
        except StillRunning:
            raise ConnectionError("ReadTimeout") from None
        except ValueError as error:
            if type(error) is not ValueError:
                raise
            raise RefusedRedirect("redirects to what is no URL") from None  # `requests` parses it on its own
        if answer.status_code not in _REDIRECTS or not answer.headers.get("Location"):
            return answer
        answer.close()
        try:
            href = urljoin(href, answer.headers["Location"])
        except ValueError:
            raise RefusedRedirect("redirects to what is no URL") from None
        refusal = check_url_allowed(href, first)
        if refusal:
            raise RefusedRedirect(f"redirects to {without_query(href)[:200]}, which is refused: {refusal}")
    raise RefusedRedirect(f"redirects more than {_MOST_REDIRECTS} times")


def next_piece(answer: Any, most: int) -> bytes:
    """What has arrived, `most` bytes at most; empty at the end. (`read1`, not `read`: what came before a break is not
    lost.)"""
    import urllib3.exceptions

    try:
        return bytes(answer.raw.read1(most, decode_content=False))
    except urllib3.exceptions.HTTPError as error:
        raise ConnectionError(type(error).__name__) from None


class MinThroughput:
    """Watches that bytes keep coming: a time-out alone is met by a byte now and then.

    Args:
        seconds: looked at so often.
        slowest: bytes a second that must come meanwhile.
    """

    def __init__(self, seconds: float, slowest: int) -> None:
        self._seconds, self._slowest = seconds, slowest
        self._looked, self._before, self._size = time.monotonic(), 0, 0

    def hangs(self, arrived: int) -> bool:
        """True when, with `arrived` bytes more, too few have come since the last look."""
        self._size += arrived
        now = time.monotonic()
        if now - self._looked <= self._seconds:
            return False
        slow = self._size - self._before < self._slowest * (now - self._looked)
        self._looked, self._before = now, self._size
        return slow


def read_body(answer: Any, most: int, seconds: float) -> bytes:
    """The whole body of an answer, unpacked where it is gzip or deflate.

    Args:
        answer: a streamed one of `requests`.
        most: bytes.
        seconds: after so many without `SLOWEST` bytes for each it is given up.

    Raises:
        ConnectionError: it broke off, or hardly moves, or cannot be unpacked; see `describe_error`.
        TooLarge: it has more than `most` bytes.
    """
    pieces: list[bytes] = []
    size, pace = 0, MinThroughput(seconds, SLOWEST)
    while piece := next_piece(answer, _PIECE):  # as it comes: unpacking waits for a whole block
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise TooLarge(f"answers with more than {most >> 20} MB")
        if pace.hangs(len(piece)):
            raise ConnectionError("ReadTimeout")
    packed = b"".join(pieces)
    if (answer.headers.get("Content-Encoding") or "identity").strip().lower() == "identity":
        return packed
    unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it is
    try:
        content = unpacker.decompress(packed, most + 1)
    except zlib.error:
        raise ConnectionError("DecodeError") from None
    if len(content) > most:
        raise TooLarge(f"answers with more than {most >> 20} MB")
    if not unpacker.eof:
        raise ConnectionError("IncompleteRead")
    return content


def session() -> Any:
    """A session of `requests` that leaves redirects to `get_following_redirects`. (Told not to follow them,
    `requests` still reads the whole body of such an answer and parses where it leads.)"""
    import requests

    class OneStep(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    return OneStep()


def describe_error(error: BaseException) -> str:
    """What went wrong with a connection, in words for a person."""
    names = {type(error).__name__, str(error)}
    if names & {"ReadTimeoutError", "ReadTimeout"}:
        return "the server sent nothing for too long"
    if names & {"ConnectTimeout", "ConnectTimeoutError"}:
        return "no connection within the time limit"
    if names & {"IncompleteRead", "ProtocolError", "ConnectionResetError", "ChunkedEncodingError"}:
        return "the connection broke"
    return f"no connection ({type(error).__name__})"


def promised_md5(headers: Mapping[str, str]) -> str | None:
    """The MD5 (hex) that an answer gives for the whole file, if any. Azure gives it in the second header when a part
    was asked for ("Get Blob", response headers)."""
    name = "x-ms-blob-content-md5" if "Content-Range" in headers else "Content-MD5"
    with suppress(binascii.Error, ValueError):
        digest = base64.b64decode(headers.get(name) or "", validate=True)
        return digest.hex() if len(digest) == 16 else None
    return None
