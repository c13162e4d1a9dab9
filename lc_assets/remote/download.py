"""One file over HTTP: each byte once, whatever happens on the way.

A broken transfer goes on where it stopped, in this process or in a later one, as long as the source is still that
version (`lc_assets.remote.partial_file`). A token is asked for at each request. Nothing that is kept, told or raised
holds a query string.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

from lc_assets.core.checksum import digests
from lc_assets.core.errors import BadBand, LandCoverError
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.remote import signing
from lc_assets.remote.delay import RetryNotice
from lc_assets.remote.http import (
    MinThroughput,
    RefusedRedirect,
    describe_error,
    get_following_redirects,
    next_piece,
    promised_md5,
    session,
)
from lc_assets.remote.partial_file import CachedFile, PartialDownload, RemoteVersion
from lc_assets.remote.retry import PASSING_STATUS, retry_after
from lc_assets.remote.threads import Cancelled, sleep_or_cancel

CHUNK = 1 << 18
LARGEST = 8 << 30
"""Bytes: no band is larger. An uncompressed 10 m band of a tile has 241 MB, one of a 40,000 px mosaic 3.2 GB."""
SLOWEST = 1024
"""Bytes a second: what is slower is taken for a connection that hangs."""
WORTH = 1 << 20
"""An attempt that brought so many bytes was worth it: the count of attempts in vain starts again."""

_RASTERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
"""How TIFF, BigTIFF, JPEG 2000 files and codestreams begin."""
_GONE = (404, 410)
_MOST_DAMAGED = 2
"""A file that arrives damaged so often is damaged where it lies."""
_TOTAL = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


@dataclass(frozen=True)
class DownloadResult:
    """A complete file.

    Attributes:
        size: bytes.
        sha256: hex.
        etag: the version that the server gave it, if it did.
        received: bytes that came over the wire for it, in this call.
        requests: HTTP requests for it, in this call.
        origin: `downloaded`, `resumed` (of a part that an earlier call had left) or `kept` (the copy that was here
            already is still the newest version).
    """

    size: int
    sha256: str
    etag: str | None
    received: int
    requests: int
    origin: str


@dataclass
class _Setback(Exception):
    """One attempt failed in a way that may pass: what to tell, how long the server asks to wait, whether to start
    anew."""

    what: str
    asked: float | None = None
    again: bool = False
    at_once: bool = False


@dataclass
class Download:
    """The transfer of one file.

    Attributes:
        href: unsigned URL.
        target: file to make; `<target>.part` and `<target>.part.json` lie beside it meanwhile.
        item, asset: for messages.
        retry_policy: bounds.
        stop: ends it soon after it is set.
        size, sha256, md5: what the item promises of the file, where it does (bytes, hex).
        most: bytes that the file cannot have more of.
        check: raises a `LandCoverError` when the file (a path, and whether its checksum is known to be right) is not
            what was meant.
        on_bytes: called with the number of bytes of each piece.
        tell: called on each setback.
    """

    href: str
    target: Path
    item: str
    asset: str
    retry_policy: RetryPolicy = DEFAULT_POLICY
    stop: Event = field(default_factory=Event)
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    most: int = LARGEST
    check: Callable[[Path, bool], None] = lambda path, verified: None
    on_bytes: Callable[[int], None] = lambda count: None
    tell: Callable[[RetryNotice], None] = lambda delay: None

    def __post_init__(self) -> None:
        self._partial = PartialDownload(self.target, self.href)
        self._received = self._requests = 0
        self._begun = False
        self._renewed = False
        self._damaged = 0

    def run(self, have: CachedFile | None = None) -> DownloadResult:
        """Fetch it, unless there is a complete copy that the server calls the newest version still.

        Args:
            have: a copy elsewhere; one that an earlier call has left at `target` is found without it.

        Raises:
            BadBand: it is not there, or did not arrive within the bounds. `transient` tells whether trying again can
            help. Interrupted: `stop` was set.
        """
        started = time.monotonic()
        failed = 0
        have = next((copy for copy in (self._partial.complete_copy(), have) if copy and copy.is_whole()), None)
        self._begun = self._partial.resume_info() is not None
        with session() as connection:
            while True:
                before = self._received
                try:
                    return self._attempt(connection, have)
                except _Setback as setback:
                    failed = 1 if self._received - before >= WORTH else failed + 1
                    if setback.again:
                        self._partial.drop()
                    late = time.monotonic() - started > self.retry_policy.seconds
                    if failed >= self.retry_policy.tries or late:
                        self._fail(setback.what, started, failed)
                    seconds = 0.0 if setback.at_once else self.retry_policy.wait(failed, setback.asked)
                    self.tell(RetryNotice(self.asset, setback.what, seconds, failed + 1, self.retry_policy.tries))
                sleep_or_cancel(seconds, self.stop)

    def _attempt(self, connection: Any, have: CachedFile | None) -> DownloadResult:
        """One request, and what comes of it.

        Raises:
            _Setback: it may go better next time.
            BadBand: it will not.
        """
        import requests

        begun = self._partial.resume_info()
        size = self._partial.part.stat().st_size if begun else 0
        if begun and size == begun.size:  # all there, and not yet looked at
            return self._whole(begun.etag, begun.md5)
        headers = {"Accept-Encoding": "identity"}  # byte for byte, and of a length that can be compared
        if begun:
            headers |= {"Range": f"bytes={size}-", "If-Match": begun.etag}
        elif have:
            headers["If-None-Match"] = have.etag
        try:
            with self._ask(connection, headers) as answer:
                if answer.status_code == 304 and have and not begun:
                    self._partial.reuse(have)
                    return DownloadResult(have.size, have.sha256, have.etag, self._received, self._requests, "kept")
                if answer.status_code not in (200, 206):
                    self._refused(answer)
                return self._take(answer, begun)
        except signing.SigningFault as fault:
            if not fault.transient:
                raise self._bad(
                    f"{fault}, so {self.href} cannot be signed",
                    "check PC_SDK_SUBSCRIPTION_KEY (or unset it) and PC_SDK_SAS_URL, then run it again",
                ) from None
            raise _Setback(str(fault)) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
            raise self._bad(f"{self.href} is no usable URL ({type(error).__name__})", "mend the item's href") from None
        except (requests.RequestException, ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError) as error:
            # (Other OSErrors are our own disk's.) `from None`, and no text of the error: it quotes the signed URL.
            raise _Setback(describe_error(error)) from None

    def _ask(self, connection: Any, headers: dict[str, str]) -> Any:
        """The answer to a request that is signed now."""

        def get(href: str) -> Any:
            url = signing.signed(href)
            self._requests += 1
            return connection.get(
                url, headers=headers, stream=True, timeout=self.retry_policy.timeout, allow_redirects=False
            )

        try:
            return get_following_redirects(get, self.href, self.retry_policy.head + signing.SECONDS)
        except RefusedRedirect as refused:
            raise self._bad(f"{self.href} {refused}", "choose another item") from None

    def _refused(self, answer: Any) -> NoReturn:
        status, asked = answer.status_code, retry_after(answer.headers)
        if status in _GONE:
            raise self._bad(
                f"the server answered {status} for {self.href}",
                "the file is gone or was never there: choose another item, or look whether the catalog has mended it",
            )
        if status in (401, 403):
            # An expired token: the next request gets a fresh one, and the first time there is nothing to wait for.
            signing.forget(self.href)
            first, self._renewed = not self._renewed, True
            raise _Setback(f"the server answered {status} (its token has expired, perhaps)", asked, at_once=first)
        if status in (412, 416):
            raise _Setback("the file has changed at its source meanwhile", again=True)
        if status in PASSING_STATUS or status >= 500:
            raise _Setback(f"the server answered {status}", asked)
        raise self._bad(
            f"the server answered {status} for {self.href}", "look at the item in its catalog, or choose another one"
        )

    def _take(self, answer: Any, begun: RemoteVersion | None) -> DownloadResult:
        """Write the body behind the part that is there, then hold the whole against what is known of it."""
        begin, total = self._extent(answer, begun)
        etag = answer.headers.get("ETag")
        md5 = self.md5 or (begun.md5 if begun and begin else None) or promised_md5(answer.headers)
        self._go_on()
        if begin == 0:
            self._partial.start(etag, total, md5)
        self._write(answer, begin, total)
        return self._whole(etag, md5)

    def _extent(self, answer: Any, begun: RemoteVersion | None) -> tuple[int, int | None]:
        """(byte at which the body begins, size of the whole file if it is known)."""
        begin, total = 0, _number(answer.headers.get("Content-Length"))
        if answer.status_code == 206:
            match = _TOTAL.fullmatch(answer.headers.get("Content-Range", ""))
            if not begun or not match or int(match[1]) != self._partial.part.stat().st_size:
                raise _Setback("the server sent another part of the file than was asked for", again=True)
            begin, total = int(match[1]), int(match[2])
            # A server or a cache may not know of If-Match: then its word on the version decides.
            if total != begun.size or answer.headers.get("ETag") != begun.etag:
                raise _Setback("the file has changed at its source meanwhile", again=True)
        if total is not None and self.size is not None and total != self.size:
            self._is_damaged(f"the server sends {total} bytes, the item promises {self.size}")
        if (total or 0) > self.most:
            raise self._bad(f"{self.href} has {total} bytes, more than such a band can have", "choose another item")
        return begin, total

    def _write(self, answer: Any, begin: int, total: int | None) -> None:
        self._go_on()
        with self._partial.part.open("ab") as part:
            at = begin
            pace = MinThroughput(self.retry_policy.read, SLOWEST)
            while piece := next_piece(answer, CHUNK):
                self._go_on()
                if at == 0 and not any(piece[: len(magic)] == magic[: len(piece)] for magic in _RASTERS):
                    raise self._no_raster(answer.headers.get("Content-Type"))
                part.write(piece)
                at += len(piece)
                self._received += len(piece)
                self.on_bytes(len(piece))
                if pace.hangs(len(piece)):
                    raise _Setback(f"the server sent fewer than {SLOWEST} bytes a second")
                most = self.size or self.most
                if at > most:
                    self._partial.drop()
                    raise self._bad(f"{self.href} does not end after {most} bytes", "choose another item")
        if total is not None and at != total:
            raise _Setback(f"the answer ended after {at} of {total} bytes")

    def _whole(self, etag: str | None, md5: str | None) -> DownloadResult:
        """The complete file, held against what is known of it, under its name."""
        sha256, found_md5, size = digests(self._partial.part, with_md5=md5 is not None)
        self._go_on()
        if size == 0:
            raise _Setback("the file is empty", again=True)
        with self._partial.part.open("rb") as part:
            if not part.read(16).startswith(_RASTERS):
                raise self._no_raster(None)
        if self.size is not None and size != self.size:
            self._is_damaged(f"it has {size} bytes, the item promises {self.size}")
        for name, promised, found in (("SHA-256", self.sha256, sha256), ("MD5", md5, found_md5)):
            if promised and promised != found:
                self._is_damaged(f"its {name} is not the promised one")
        try:
            self.check(self._partial.part, bool(self.sha256 or md5))
        except LandCoverError as error:
            self._is_damaged(error.problem)
        self._go_on()
        self._partial.commit(etag, size, sha256)
        origin = "resumed" if self._begun else "downloaded"
        return DownloadResult(size, sha256, etag, self._received, self._requests, origin)

    def _go_on(self) -> None:
        """Whoever was left behind when the work was ended must touch nothing: another attempt may be under way.

        Raises:
            Interrupted: the work was ended.
        """
        if self.stop.is_set():
            raise Cancelled

    def _no_raster(self, kind: str | None) -> _Setback:
        told = (kind or "unknown").split(";")[0][:40]
        return _Setback(f"what the server sends is no raster ({told})", again=True)

    def _is_damaged(self, what: str) -> NoReturn:
        self._damaged += 1
        self._partial.drop()
        if self._damaged >= _MOST_DAMAGED:
            raise self._bad(
                f"{self.href} arrived {self._damaged} times, and each time: {what}",
                "at its source it is damaged, or not the file that the item promises: choose another item",
            ) from None
        raise _Setback(f"{what}, perhaps damaged on the way", again=True) from None

    def _fail(self, what: str, started: float, failed: int) -> NoReturn:
        spent = time.monotonic() - started
        raise BadBand(
            f"{self.href} did not arrive: {what} ({failed} attempts in vain, {spent:.0f} s)",
            item=self.item,
            asset=self.asset,
            remedy="check the network and the service's status, then run it again: it goes on where it stopped",
            transient=True,
        ) from None

    def _bad(self, problem: str, remedy: str) -> BadBand:
        return BadBand(problem, item=self.item, asset=self.asset, remedy=remedy)


def _number(header: str | None) -> int | None:
    return int(header) if header and header.isascii() and header.isdecimal() and len(header) < 20 else None
