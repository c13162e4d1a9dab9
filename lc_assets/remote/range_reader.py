"""A file at a URL, read where it is needed: ranges over HTTP, each signed when it is sent, as a file object for GDAL.

GDAL's own /vsicurl would do most of this, but follows redirects to wherever they lead, remembers a failed open for the
life of the process, and tells of an expired token as "TIFFReadEncodedTile() failed". This speaks through the transport
of all other requests (`lc_assets.remote.http`): time-outs, bounded tries, redirects looked at, proxy and
certificates of the environment, and no URL with its token in any text.

GDAL turns what a file object raises into silence or into words of its own, so a fault is kept: whoever has asked GDAL
for pixels calls `RemoteFile.check` before he believes them.
"""

from __future__ import annotations

import io
import re
import time
from collections import OrderedDict
from functools import cached_property
from itertools import count
from typing import Any, NoReturn

from lc_assets.core.errors import BadBand
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.remote import signing
from lc_assets.remote.http import RefusedRedirect, TooLarge, describe_error, get_following_redirects, read_body, session
from lc_assets.remote.retry import PASSING_STATUS, retry_after
from lc_assets.remote.stac_page import RetryableError

PIECE = 1 << 19
"""Bytes of one request. A row of blocks of a reference's COG lies in one stretch, some hundred kB to a few MB long."""
KEPT = 64
"""Pieces that are remembered: 32 MB a file."""
_EXTENT = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class RemoteFile:
    """A file at a URL.

    Args:
        href: unsigned URL.
        retry_policy: bounds of a request.

    Attributes:
        received, requests: bytes that came, and HTTP requests.
    """

    def __init__(self, href: str, retry_policy: RetryPolicy = DEFAULT_POLICY) -> None:
        self.href, self.retry_policy = href, retry_policy
        self.received = self.requests = 0
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._size: int | None = None
        self._etag: str | None = None
        self._fault: BaseException | None = None

    def check(self) -> None:
        """Raise what a read has met, if any has met something.

        Raises:
            BadBand: the file is not there, or could not be read within the bounds (transient). KeyboardInterrupt.
        """
        if self._fault is not None:
            raise self._fault

    def opened(self, path: str, mode: str = "rb") -> io.RawIOBase:
        """A fresh view of it, from its beginning; what rasterio wants of an opener.

        Raises:
            FileNotFoundError: GDAL asks for a neighbour (a world file, say); or the file has failed already.
        """
        if not path.endswith(".tif") or self._fault is not None:
            raise FileNotFoundError(path)
        return _View(self)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from an offset on, fewer at the end. Never raises: after a fault there are none, see `check`."""
        found = b""
        try:
            while len(found) < size:
                number, begin = divmod(offset + len(found), PIECE)
                part = self._piece(number)[begin : begin + size - len(found)]
                if not part:
                    break
                found += part
        except BaseException as error:  # an interrupt too: it would be lost in GDAL
            self._fault = error
            return b""
        return found

    @property
    def size(self) -> int:
        """Bytes in all; 0 after a fault."""
        self.read(0, 1)
        return self._size or 0

    def _piece(self, number: int) -> bytes:
        self.check()
        if self._size is not None and number * PIECE >= self._size:
            return b""
        if number in self._pieces:
            self._pieces.move_to_end(number)
        else:
            self._pieces[number] = self._fetched(number * PIECE)
            if len(self._pieces) > KEPT:
                self._pieces.popitem(last=False)
        return self._pieces[number]

    def _fetched(self, begin: int) -> bytes:
        """The piece that begins there. It is asked for again while that may help.

        Raises:
            BadBand: it did not.
        """
        started = time.monotonic()
        for attempt in count(1):
            try:
                return self._asked(begin)
            except RetryableError as setback:
                spent = time.monotonic() - started
                if attempt >= self.retry_policy.tries or spent > self.retry_policy.seconds:
                    raise BadBand(
                        f"{self.href} cannot be read: {setback.what} ({attempt} attempts in vain, {spent:.0f} s)",
                        remedy="check the network and the service's status, then run it again",
                        transient=True,
                    ) from None
                seconds = self.retry_policy.wait(attempt, setback.asked)
            time.sleep(seconds)
        raise AssertionError  # count() does not end

    def _asked(self, begin: int) -> bytes:
        """One request.

        Raises:
            Setback: it may go better next time.
            BadBand: it will not.
        """
        import requests

        headers = {"Accept-Encoding": "identity", "Range": f"bytes={begin}-{begin + PIECE - 1}"}
        if self._etag:
            headers["If-Match"] = self._etag

        def get(href: str) -> Any:
            url = signing.signed(href)
            self.requests += 1
            return self._session.get(
                url, headers=headers, stream=True, timeout=self.retry_policy.timeout, allow_redirects=False
            )

        try:
            with get_following_redirects(get, self.href, self.retry_policy.head + signing.SECONDS) as answer:
                if answer.status_code != 206:
                    self._refused(answer)
                content = read_body(answer, PIECE, self.retry_policy.read)
        except signing.SigningFault as fault:
            if not fault.transient:
                self._bad(f"cannot be signed: {fault}", "check PC_SDK_SUBSCRIPTION_KEY, or unset it")
            raise RetryableError(str(fault)) from None
        except RefusedRedirect as refused:
            self._bad(str(refused), "choose another reference")
        except TooLarge:
            raise RetryableError("the server sent more than it was asked for") from None
        except ValueError as error:
            self._bad(f"is no usable URL ({type(error).__name__})", "check its spelling")
        except (requests.RequestException, ConnectionError) as error:  # no text of the error: it quotes the signed URL
            raise RetryableError(describe_error(error)) from None
        return self._taken(begin, content, answer.headers)

    def _taken(self, begin: int, content: bytes, headers: Any) -> bytes:
        match = _EXTENT.fullmatch(headers.get("Content-Range", ""))
        if not match or int(match[1]) != begin or int(match[2]) - begin + 1 != len(content):
            raise RetryableError("the server sent another part of the file than was asked for")
        size, etag = int(match[3]), headers.get("ETag")
        if self._size not in (None, size) or (self._etag and etag != self._etag):
            self._changed()
        self._size, self._etag = size, etag
        self.received += len(content)
        return content

    def _refused(self, answer: Any) -> NoReturn:
        status = answer.status_code
        if status in (401, 403):
            signing.forget(self.href)  # an expired token: the next request gets a fresh one
            raise RetryableError(f"the server answered {status} (its token has expired, perhaps)")
        if status == 412:
            self._changed()
        if status in PASSING_STATUS or status >= 500:
            raise RetryableError(f"the server answered {status}", retry_after(answer.headers))
        if status == 200:
            self._bad("lies on a server that sends whole files only", "fetch it and name the file")
        self._bad(f"is not to be had: the server answered {status}", "check the URL, or choose another reference")

    def _changed(self) -> NoReturn:
        self._bad("has changed at its source while it was read", "run it again")

    def _bad(self, problem: str, remedy: str) -> NoReturn:
        raise BadBand(f"{self.href} {problem}", remedy=remedy) from None

    @cached_property
    def _session(self) -> Any:
        return session()


class _View(io.RawIOBase):
    """A reading position in a `RemoteFile`."""

    def __init__(self, file: RemoteFile) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence, self._file.size)
        return self._at

    def readinto(self, buffer: Any) -> int:
        found = self._file.read(self._at, len(buffer))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
