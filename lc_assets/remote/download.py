"""Download one file over HTTP, with retries, and receive each byte only once.

An interrupted download resumes where it stopped, in this process or in a later one, if the source still has the same
version (`lc_assets.remote.partial_file`). Each request is signed with a current token. No file, message or exception
contains a query string.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

from lc_assets.core.checksum import digests
from lc_assets.core.errors import BadBand, LandCoverError, naming
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.remote import signing
from lc_assets.remote.http import MinThroughput, content_length, md5_from_headers, read_available, session
from lc_assets.remote.partial_file import CachedFile, PartialDownload, RemoteVersion
from lc_assets.remote.retry import PASSING_STATUS, RetryableError, retry_after
from lc_assets.remote.signed_get import signed_get
from lc_assets.remote.threads import Cancelled, sleep_or_cancel

CHUNK = 1 << 18
LARGEST = 8 << 30
"""Largest accepted file in bytes. An uncompressed 10 m band of a tile has 241 MB, one of a 40,000 px mosaic 3.2 GB."""
SLOWEST = 1024
"""Lowest accepted rate in bytes a second. A slower connection is closed, and the request is repeated."""
WORTH = 1 << 20
"""Bytes received in one attempt that reset the count of failed attempts."""

_RASTERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
"""First bytes of TIFF, BigTIFF and JPEG 2000 files and of JPEG 2000 codestreams."""
_GONE = (404, 410)
_MAX_DAMAGED = 2
"""A file that arrives damaged this many times is considered damaged at its source."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


@dataclass(frozen=True)
class FetchResult:
    """A fetched file.

    Attributes:
        size: size in bytes.
        sha256: SHA-256 in hex.
        seconds: duration of the fetch.
        etag: ETag of the file's version, where an HTTP server sent one.
        received: bytes received over the network; 0 for a local file, and for a file that was already present.
        requests: number of HTTP requests.
        origin: `linked` or `copied` (a local file), `downloaded`, `resumed` (from what an earlier call has left),
            `part` (of the source), `kept` (by the server's answer, the present file is the newest version) or `stored`
            (the present file, because the source is gone).
        part: of a part: its window in the source, the source's size, and the fetched ranges with their SHA-256.
    """

    size: int
    sha256: str
    seconds: float
    etag: str | None = None
    received: int = 0
    requests: int = 0
    origin: str = "copied"
    part: dict[str, Any] | None = None


@dataclass(frozen=True)
class RetryNotice:
    """Why a file is delayed, the seconds until its next attempt, and the number of that attempt."""

    asset: str
    problem: str
    seconds: float
    attempt: int
    tries: int


def format_delays(delays: Sequence[RetryNotice]) -> list[str]:
    """Return one line for each different problem, because a problem of the service delays all files at once."""
    lines = []
    for problem in dict.fromkeys(delay.problem for delay in delays):
        same = [delay for delay in delays if delay.problem == problem]
        names = sorted({delay.asset for delay in same})
        files = ", ".join(names) if len(names) < 5 else f"{len(names)} files"
        seconds, last = max(delay.seconds for delay in same), max(same, key=lambda delay: delay.attempt)
        lines.append(f"{files}: {problem}; again in {seconds:.0f} s (attempt {last.attempt} of {last.tries})")
    return lines


@dataclass
class Download:
    """The download of one file.

    Attributes:
        href: unsigned URL.
        target: file to create; `<target>.part` and `<target>.part.json` are next to it during the download.
        asset: name of the band, for messages.
        retry_policy: time-outs and retries.
        stop: event that cancels the download soon after it is set.
        size, sha256, md5: what the item declares about the file, if it does (bytes, hex).
        most: largest possible size of the file in bytes.
        check: called with the file's path and whether a checksum has verified it; raises a `LandCoverError` if the
            file is not the expected one.
        on_bytes: called with the number of bytes of each chunk received.
        tell: called before each retry.
    """

    href: str
    target: Path
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
        self._session = session()
        self._started = time.monotonic()
        self._received = 0
        self._resumed = self._token_renewed = False
        self._damaged = 0

    def run(self, cached: CachedFile | None = None) -> FetchResult:
        """Download the file, unless a complete copy exists that still is the server's newest version.

        Args:
            cached: a copy in another folder. A copy that an earlier call left at `target` is found without it.

        Raises:
            BadBand: the file does not exist or did not arrive. `transient` says whether a later call may succeed.
            Cancelled: `stop` was set.
        """
        failed = 0
        cached = next((copy for copy in (self._partial.complete_copy(), cached) if copy and copy.is_whole()), None)
        self._resumed = self._partial.resume_info() is not None
        with naming(asset=self.asset), self._session:
            while True:
                before = self._received
                try:
                    return self._attempt(cached)
                except RetryableError as error:
                    failed = 1 if self._received - before >= WORTH else failed + 1
                    if error.restart:
                        self._partial.drop()
                    late = time.monotonic() - self._started > self.retry_policy.seconds
                    if failed >= self.retry_policy.tries or late:
                        self._fail(error.problem, failed)
                    seconds = 0.0 if error.at_once else self.retry_policy.wait(failed, error.retry_after)
                    self.tell(RetryNotice(self.asset, error.problem, seconds, failed + 1, self.retry_policy.tries))
                sleep_or_cancel(seconds, self.stop)

    def _attempt(self, cached: CachedFile | None) -> FetchResult:
        """Send one request and process the response.

        Raises:
            RetryableError: another attempt may succeed.
            BadBand: another attempt cannot succeed.
        """
        resume = self._partial.resume_info()
        size = self._partial.part.stat().st_size if resume else 0
        if resume and size == resume.size:  # complete, but not yet verified
            return self._verify_and_commit(resume.etag, resume.md5)
        headers = {"Accept-Encoding": "identity"}  # not compressed, so that lengths can be compared
        if resume:
            headers |= {"Range": f"bytes={size}-", "If-Match": resume.etag}
        elif cached:
            headers["If-None-Match"] = cached.etag
        with signed_get(self._session, self.href, headers, self.retry_policy, "another item") as response:
            gone = response.status_code in _GONE
            if cached and (gone or (response.status_code == 304 and not resume)):
                self._partial.reuse(cached)
                return self._result(cached.size, cached.sha256, cached.etag, "stored" if gone else "kept")
            if response.status_code not in (200, 206):
                self._raise_for_status(response)
            etag, md5 = self._receive(response, resume)
        return self._verify_and_commit(etag, md5)

    def _raise_for_status(self, response: Any) -> NoReturn:
        status, wait = response.status_code, retry_after(response.headers)
        if status in _GONE:
            raise BadBand(
                f"the server answered {status} for {self.href}",
                remedy="the file is gone or was never there: choose another item, or fetch this one again from its "
                "catalog",
            )
        if signing.is_refusal(status, response.headers):
            # Probably an expired token. The next request gets a new one, the first time without a wait.
            signing.forget(self.href)
            first, self._token_renewed = not self._token_renewed, True
            remedy = signing.remedy_for_refusal(self.href)
            if remedy and not first:
                raise BadBand(f"the server answered {status} for {self.href}", remedy=remedy)
            why = "" if remedy else " (its token has expired, perhaps)"
            raise RetryableError(f"the server answered {status}{why}", wait, at_once=first)
        if status in (412, 416):
            raise RetryableError("the file has changed at its source meanwhile", restart=True)
        if status in PASSING_STATUS or status >= 500:
            raise RetryableError(f"the server answered {status}", wait)
        raise BadBand(
            f"the server answered {status} for {self.href}",
            remedy="look at the item in its catalog, or choose another one",
        )

    def _receive(self, response: Any, resume: RemoteVersion | None) -> tuple[str | None, str | None]:
        """Append the body to the existing part, and return ETag and MD5 of the complete file, if they are known."""
        begin, total = self._extent(response, resume)
        etag = response.headers.get("ETag")
        md5 = self.md5 or (resume.md5 if resume and begin else None) or md5_from_headers(response.headers)
        self._raise_if_cancelled()
        if begin == 0:
            self._partial.start(etag, total, md5)
        self._write(response, begin, total)
        return etag, md5

    def _extent(self, response: Any, resume: RemoteVersion | None) -> tuple[int, int | None]:
        """Return (offset of the body's first byte, size of the complete file if known)."""
        begin, total = 0, content_length(response.headers)
        if response.status_code == 206:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if not resume or not match or int(match[1]) != self._partial.part.stat().st_size:
                raise RetryableError("the server sent another part of the file than was asked for", restart=True)
            begin, total = int(match[1]), int(match[2])
            # A server or a cache may ignore If-Match, so the response's own ETag is compared too.
            if total != resume.size or response.headers.get("ETag") != resume.etag:
                raise RetryableError("the file has changed at its source meanwhile", restart=True)
        if total is not None and self.size is not None and total != self.size:
            self._raise_damaged(f"the server sends {total} bytes, the item promises {self.size}")
        if (total or 0) > self.most:
            raise BadBand(
                f"{self.href} has {total} bytes, more than such a band can have", remedy="choose another item"
            )
        return begin, total

    def _write(self, response: Any, begin: int, total: int | None) -> None:
        self._raise_if_cancelled()
        with self._partial.part.open("ab") as part:
            end = begin
            throughput = MinThroughput(self.retry_policy.read, SLOWEST)
            while chunk := read_available(response, CHUNK):
                self._raise_if_cancelled()
                if end == 0 and not any(chunk[: len(magic)] == magic[: len(chunk)] for magic in _RASTERS):
                    raise self._no_raster(response.headers.get("Content-Type"))
                part.write(chunk)
                end += len(chunk)
                self._received += len(chunk)
                self.on_bytes(len(chunk))
                if throughput.is_too_slow(len(chunk)):
                    raise RetryableError(f"the server sent fewer than {SLOWEST} bytes a second")
                most = self.size or self.most
                if end > most:
                    self._partial.drop()
                    raise BadBand(f"{self.href} does not end after {most} bytes", remedy="choose another item")
        if total is not None and end != total:
            raise RetryableError(f"the answer ended after {end} of {total} bytes")

    def _verify_and_commit(self, etag: str | None, md5: str | None) -> FetchResult:
        """Verify the complete file and rename it to its final name."""
        sha256, actual_md5, size = digests(self._partial.part, with_md5=md5 is not None)
        self._raise_if_cancelled()
        if size == 0:
            raise RetryableError("the file is empty", restart=True)
        with self._partial.part.open("rb") as part:
            if not part.read(16).startswith(_RASTERS):
                raise self._no_raster(None)
        if self.size is not None and size != self.size:
            self._raise_damaged(f"it has {size} bytes, the item promises {self.size}")
        for name, expected, actual in (("SHA-256", self.sha256, sha256), ("MD5", md5, actual_md5)):
            if expected and expected != actual:
                self._raise_damaged(f"its {name} is not the promised one")
        try:
            self.check(self._partial.part, bool(self.sha256 or md5))
        except LandCoverError as error:
            self._raise_damaged(error.problem)
        self._raise_if_cancelled()
        self._partial.commit(etag, size, sha256)
        return self._result(size, sha256, etag, "resumed" if self._resumed else "downloaded")

    def _result(self, size: int, sha256: str, etag: str | None, origin: str) -> FetchResult:
        seconds = time.monotonic() - self._started
        return FetchResult(size, sha256, seconds, etag, self._received, self._session.sent, origin)

    def _raise_if_cancelled(self) -> None:
        """Keep the thread of a cancelled download from changing files that another attempt may already use.

        Raises:
            Cancelled: `stop` was set.
        """
        if self.stop.is_set():
            raise Cancelled

    def _no_raster(self, content_type: str | None) -> RetryableError:
        media_type = (content_type or "unknown").split(";")[0][:40]
        return RetryableError(f"what the server sends is no raster ({media_type})", restart=True)

    def _raise_damaged(self, problem: str) -> NoReturn:
        self._damaged += 1
        self._partial.drop()
        if self._damaged >= _MAX_DAMAGED:
            raise BadBand(
                f"{self.href} arrived {self._damaged} times, and each time: {problem}",
                remedy="at its source it is damaged, or not the file that the item promises: choose another item",
            ) from None
        raise RetryableError(f"{problem}, perhaps damaged on the way", restart=True) from None

    def _fail(self, problem: str, failed: int) -> NoReturn:
        elapsed = time.monotonic() - self._started
        raise BadBand(
            f"{self.href} did not arrive: {problem} ({failed} failed attempts, {elapsed:.0f} s)",
            remedy="check the network and the service's status, then run it again: it goes on where it stopped",
            transient=True,
        ) from None
