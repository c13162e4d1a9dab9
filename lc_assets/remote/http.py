"""Functions for HTTP responses: follow redirects, read the body, describe errors, and read headers."""

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
    """Removes queries from the log records of urllib3, which contain the requested URLs with their tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _QUERY.sub("", without_query(record.getMessage())), ()
        return True


for _name in ("connectionpool", "connection", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_Unsigned())

SLOWEST = 64
"""Lowest accepted rate of a document in bytes a second. A slower connection is closed."""
_CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5


class RefusedRedirect(Exception):
    """A redirect to a URL that is not allowed. The message contains the URL without its query."""


class TooLarge(Exception):
    """A response body that is larger than the limit. The message contains the limit."""


def get_following_redirects(get: Callable[[str], Any], href: str, seconds: float) -> Any:
    """Return the response to `get(href)` after following redirects one by one.

    Each redirect must lead to a URL that `check_url_allowed` allows for the first URL.

    Args:
        get: sends one request and returns its response.
        href: first URL.
        seconds: limit for the headers of each response. (The time-out of a socket is not enough: a byte now and then
            resets it. A request over the limit is abandoned on its own thread.)

    Raises:
        ConnectionError: no headers within that time.
        RefusedRedirect: a redirect leads into a private network or to an invalid URL, or there are too many.
    """
    first = href
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            response = run_in_daemon_thread(partial(get, href)).result(timeout=seconds)
        except StillRunning:
            raise ConnectionError("ReadTimeout") from None
        except ValueError as error:
            if type(error) is not ValueError:
                raise
            # `requests` parses the target itself.
            raise RefusedRedirect("redirects to what is no URL") from None
        if response.status_code not in _REDIRECTS or not response.headers.get("Location"):
            return response
        response.close()
        try:
            href = urljoin(href, response.headers["Location"])
        except ValueError:
            raise RefusedRedirect("redirects to what is no URL") from None
        refusal = check_url_allowed(href, first)
        if refusal:
            raise RefusedRedirect(f"redirects to {without_query(href)[:200]}, which is refused: {refusal}")
    raise RefusedRedirect(f"redirects more than {_MAX_REDIRECTS} times")


def read_available(response: Any, most: int) -> bytes:
    """Return the bytes that have arrived, at most `most`; empty at the end of the body.

    `read1` is used instead of `read`, because `read` loses the bytes received before a connection breaks.

    Raises:
        ConnectionError: the connection broke or timed out.
    """
    import urllib3.exceptions

    try:
        return bytes(response.raw.read1(most, decode_content=False))
    except urllib3.exceptions.HTTPError as error:
        raise ConnectionError(type(error).__name__) from None


class MinThroughput:
    """Checks that a connection keeps a minimum rate. (The time-out of a socket is not enough: each byte resets it.)

    Args:
        seconds: length of the intervals in which the rate is measured.
        slowest: minimum rate in bytes a second.
    """

    def __init__(self, seconds: float, slowest: int) -> None:
        self._seconds, self._slowest = seconds, slowest
        self._interval_start, self._size_at_start, self._size = time.monotonic(), 0, 0

    def is_too_slow(self, arrived: int) -> bool:
        """Count `arrived` more bytes; at the end of an interval, return True if its rate is below the minimum."""
        self._size += arrived
        now = time.monotonic()
        if now - self._interval_start <= self._seconds:
            return False
        slow = self._size - self._size_at_start < self._slowest * (now - self._interval_start)
        self._interval_start, self._size_at_start = now, self._size
        return slow


def read_body(response: Any, most: int, seconds: float) -> bytes:
    """Return the complete body of a response, decompressed if it is gzip or deflate.

    Args:
        response: a streamed response of `requests`.
        most: largest accepted size in bytes, compressed and decompressed.
        seconds: interval in which the rate must reach `SLOWEST` on average.

    Raises:
        ConnectionError: the connection broke or is too slow, or the body cannot be decompressed; see `describe_error`.
        TooLarge: the body has more than `most` bytes.
    """
    chunks: list[bytes] = []
    size, throughput = 0, MinThroughput(seconds, SLOWEST)
    while chunk := read_available(response, _CHUNK):  # still compressed: zlib returns whole blocks only
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            raise TooLarge(f"answers with more than {most >> 20} MB")
        if throughput.is_too_slow(len(chunk)):
            raise ConnectionError("ReadTimeout")
    packed = b"".join(chunks)
    if (response.headers.get("Content-Encoding") or "identity").strip().lower() == "identity":
        return packed
    unpacker = zlib.decompressobj(wbits=47)  # detects gzip or zlib
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
    """Return a `requests` session that ignores redirects, so that `get_following_redirects` can follow them. Its
    attribute `sent` is the number of requests.

    (With `allow_redirects=False` alone, `requests` still reads the whole body of a redirect and parses its target.)
    """
    import requests

    class SessionWithoutRedirects(requests.Session):
        sent = 0

        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            self.sent += 1
            return super().send(request, **options)

        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    return SessionWithoutRedirects()


def describe_error(error: BaseException) -> str:
    """Return a readable description of a connection error."""
    names = {type(error).__name__, str(error)}
    if names & {"ReadTimeoutError", "ReadTimeout"}:
        return "the server sent nothing for too long"
    if names & {"ConnectTimeout", "ConnectTimeoutError"}:
        return "no connection within the time limit"
    if names & {"IncompleteRead", "ProtocolError", "ConnectionResetError", "ChunkedEncodingError"}:
        return "the connection broke"
    return f"no connection ({type(error).__name__})"


def content_length(headers: Mapping[str, str]) -> int | None:
    """Return the `Content-Length` in bytes, or None if it is missing or malformed."""
    value = headers.get("Content-Length")
    return int(value) if value and value.isascii() and value.isdecimal() and len(value) < 20 else None


def md5_from_headers(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 (hex) of the complete file from a response's headers, or None.

    For a range request, Azure sends it as `x-ms-blob-content-md5` ("Get Blob", response headers).
    """
    name = "x-ms-blob-content-md5" if "Content-Range" in headers else "Content-MD5"
    with suppress(binascii.Error, ValueError):
        digest = base64.b64decode(headers.get(name) or "", validate=True)
        return digest.hex() if len(digest) == 16 else None
    return None
