"""Read parts of a file at a URL with HTTP range requests, as a file object for GDAL. Each request is signed when sent.

GDAL's own /vsicurl does most of this. But it follows redirects to any host, caches a failed open until the process
ends, and reports an expired token as "TIFFReadEncodedTile() failed". This module uses the same functions as all other
requests (`lc_assets.remote.http`): time-outs, a limited number of retries, checked redirects, the proxy and the
certificates of the environment, and no signed URL in any text.

GDAL hides an exception of a file object or replaces its message. So `RemoteFile` stores the exception, and the caller
must call `RemoteFile.check` before it uses pixels that GDAL has read.
"""

from __future__ import annotations

import io
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from threading import Event, Lock
from typing import Any, NoReturn

from lc_assets.core.errors import BadBand
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.remote import signing
from lc_assets.remote.http import TooLarge, read_body, session
from lc_assets.remote.retry import PASSING_STATUS, RetryableError, retry_after
from lc_assets.remote.signed_get import signed_get
from lc_assets.remote.threads import run_parallel, sleep_or_cancel

PIECE = 1 << 19
"""Bytes per request. In the COG of a reference map, a row of blocks is contiguous and has 100 kB to a few MB."""
KEPT = 64
"""Cached pieces per file: 32 MB."""
LONGEST = 8 << 20
"""Largest request of `RemoteFile.fetch`, in bytes. A request that fails is repeated from its beginning."""
_GAP = 1 << 12
"""Bytes between two ranges that are fetched too, in place of a second request."""
_CONNECTIONS = 8
"""Requests of `RemoteFile.fetch` at the same time."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class NoRanges(BadBand):
    """The server sends whole files only."""


class RemoteFile:
    """A file at a URL that is read in pieces; the last `KEPT` pieces are cached.

    Args:
        href: unsigned URL.
        retry_policy: time-outs and retries of a request.
        piece: bytes per request; 0 means `PIECE`.
        another: what the user may choose instead, for messages.

    Attributes:
        etag: ETag of the file's version; None if the server sends none, or before the first request.
        received: bytes received from the network.
    """

    def __init__(
        self,
        href: str,
        retry_policy: RetryPolicy = DEFAULT_POLICY,
        *,
        piece: int = 0,
        another: str = "another reference",
    ) -> None:
        self.href, self.retry_policy = href, retry_policy
        self.received = 0
        self.etag: str | None = None
        self._piece_bytes, self._another = piece or PIECE, another
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._ranges: list[tuple[int, bytes]] = []
        self._size: int | None = None
        self._error: BaseException | None = None
        self._lock = Lock()

    def check(self) -> None:
        """Raise the exception of an earlier read, if one failed.

        Raises:
            BadBand: the file does not exist; or (transient) it could not be read within the limits.
            KeyboardInterrupt: the user interrupted a read.
        """
        if self._error is not None:
            raise self._error

    def opened(self, path: str, mode: str = "rb") -> io.RawIOBase:
        """Return a new file object at position 0. This method is an `opener` for `rasterio.open`.

        Raises:
            FileNotFoundError: GDAL looks for a sidecar file (a world file, for example), or an earlier read failed.
        """
        if not path.endswith(".tif") or self._error is not None:
            raise FileNotFoundError(path)
        return _View(self)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`, fewer at the end of the file.

        An exception is stored instead of raised; the result is empty then, see `check`.
        """
        data = b""
        try:
            while len(data) < size:
                part = self._next(offset + len(data), size - len(data))
                if not part:
                    break
                data += part
        except BaseException as error:  # KeyboardInterrupt too, which GDAL would hide
            self._error = error
            return b""
        return data

    def fetch(
        self, ranges: Iterable[tuple[int, int]], meanwhile: Callable[[], None] = lambda: None
    ) -> list[tuple[int, int]]:
        """Fetch the ranges and nothing else, several at a time, and keep them in place of those of the last call.

        Args:
            ranges: (first byte, size) of each. Ranges that are close together are fetched as one.
            meanwhile: called every half second.

        Returns:
            (first byte, size) of each range that was fetched, in the order of the file.

        Raises:
            BadBand: as `check`.
        """
        joined = joined_ranges(ranges)
        self._ranges = []
        stop = Event()

        def one(first: int) -> list[tuple[int, bytes]]:
            return [(begin, self._fetch(begin, size, stop)) for begin, size in joined[first::_CONNECTIONS]]

        works = [partial(one, first) for first in range(min(_CONNECTIONS, len(joined)))]
        self._ranges = sorted(found for each in run_parallel(works, stop, meanwhile) for found in each)
        return joined

    @property
    def requests(self) -> int:
        """Number of HTTP requests sent."""
        sent: int = self._session.sent
        return sent

    @property
    def size(self) -> int:
        """Size of the file in bytes; 0 if a read failed."""
        self.read(0, 1)
        return self._size or 0

    def _next(self, offset: int, size: int) -> bytes:
        """Return at least one and up to `size` bytes from `offset`; none at the end of the file."""
        for begin, content in self._ranges:
            if begin <= offset < begin + len(content):
                return content[offset - begin : offset - begin + size]
        number, begin = divmod(offset, self._piece_bytes)
        return self._piece(number)[begin : begin + size]

    def _piece(self, number: int) -> bytes:
        self.check()
        if self._size is not None and number * self._piece_bytes >= self._size:
            return b""
        if number in self._pieces:
            self._pieces.move_to_end(number)
        else:
            self._pieces[number] = self._fetch(number * self._piece_bytes, self._piece_bytes)
            if len(self._pieces) > KEPT:
                self._pieces.popitem(last=False)
        return self._pieces[number]

    def _fetch(self, begin: int, size: int, stop: Event | None = None) -> bytes:
        """Return `size` bytes from an offset, fewer at the end of the file, with retries.

        Raises:
            BadBand: the last attempt failed, or another attempt cannot succeed.
            Cancelled: `stop` was set.
        """
        started, attempt, stop = time.monotonic(), 0, stop or Event()
        while True:
            attempt += 1
            sleep_or_cancel(0, stop)
            try:
                return self._request(begin, size)
            except RetryableError as error:
                elapsed = time.monotonic() - started
                if attempt >= self.retry_policy.tries or elapsed > self.retry_policy.seconds:
                    raise BadBand(
                        f"{self.href} cannot be read: {error.problem} ({attempt} failed attempts, {elapsed:.0f} s)",
                        remedy="check the network and the service's status, then run it again",
                        transient=True,
                    ) from None
                seconds = self.retry_policy.wait(attempt, error.retry_after)
            sleep_or_cancel(seconds, stop)

    def _request(self, begin: int, size: int) -> bytes:
        """Send one request and return its bytes.

        Raises:
            RetryableError: another attempt may succeed.
            BadBand: another attempt cannot succeed.
        """
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={begin}-{begin + size - 1}"}
        if self.etag and not self.etag.startswith("W/"):  # which a server never takes for a match (RFC 9110, 13.1.1)
            headers["If-Match"] = self.etag

        with signed_get(self._session, self.href, headers, self.retry_policy, self._another) as response:
            if response.status_code != 206:
                self._raise_for_status(response)
            try:
                content = read_body(response, size, self.retry_policy.read)
            except TooLarge:
                raise RetryableError("the server sent more than it was asked for") from None
        return self._accept(begin, size, content, response.headers)

    def _accept(self, begin: int, size: int, content: bytes, headers: Any) -> bytes:
        """Check that the response is the requested range of the same version of the file, and return its content."""
        match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        first, end, total = (int(match[1]), int(match[2]) + 1, int(match[3])) if match else (-1, -1, 0)
        if first != begin or end != min(begin + size, total) or end - begin != len(content):
            raise RetryableError("the server sent another part of the file than was asked for")
        etag = headers.get("ETag")
        with self._lock:
            if self._size not in (None, total) or (self.etag and etag != self.etag):
                self._raise_changed()
            self._size, self.etag = total, etag
            self.received += len(content)
        return content

    def _raise_for_status(self, response: Any) -> NoReturn:
        status = response.status_code
        if signing.is_refusal(status, response.headers):
            signing.forget(self.href)  # probably an expired token: the next request gets a new one
            if remedy := signing.remedy_for_refusal(self.href):
                self._fail(f"is not to be had: the server answered {status}", remedy)
            raise RetryableError(f"the server answered {status} (its token has expired, perhaps)")
        if status == 412:
            self._raise_changed()
        if status in PASSING_STATUS or status >= 500:
            raise RetryableError(f"the server answered {status}", retry_after(response.headers))
        if status == 200:
            raise NoRanges(
                f"{self.href} lies on a server that sends whole files only", remedy="fetch it and name the file"
            )
        self._fail(f"is not to be had: the server answered {status}", f"check the URL, or choose {self._another}")

    def _raise_changed(self) -> NoReturn:
        self._fail("has changed at its source while it was read", "run it again")

    def _fail(self, problem: str, remedy: str) -> NoReturn:
        raise BadBand(f"{self.href} {problem}", remedy=remedy) from None

    @cached_property
    def _session(self) -> Any:
        return session()


def joined_ranges(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges of bytes, each (first byte, size), that are close together, up to `LONGEST` bytes."""
    joined: list[tuple[int, int]] = []
    for begin, size in sorted(ranges):
        first, before = joined[-1] if joined else (0, 0)
        end = max(begin + size, first + before)
        if joined and begin - (first + before) <= _GAP and end - first <= LONGEST:
            joined[-1] = (first, end - first)
        else:
            joined.append((begin, size))
    return joined


class _View(io.RawIOBase):
    """A file object with its own position in a `RemoteFile`."""

    def __init__(self, file: RemoteFile) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence, self._file.size)
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
