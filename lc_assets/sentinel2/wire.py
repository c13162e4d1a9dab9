"""Small readings of HTTP answers: what has arrived, what went wrong, what a checksum header says."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin

from lc_assets.errors import without_query
from lc_assets.sentinel2.origin import check_remote

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5


class RefusedRedirect(Exception):
    """An answer that leads to where nobody should be led. The message says where, without its query."""


def following(get: Callable[[str], Any], href: str) -> Any:
    """The answer to `get(href)`, redirects followed one by one to where the first URL's owner might have pointed
    himself.

    Raises:
        RefusedRedirect: they lead inside a network, or in circles.
    """
    first = href
    for _ in range(_MOST_REDIRECTS + 1):
        answer = get(href)
        if answer.status_code not in _REDIRECTS or not answer.headers.get("Location"):
            return answer
        answer.close()
        href = urljoin(href, answer.headers["Location"])
        refusal = check_remote(href, first)
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


def kind_of(error: BaseException) -> str:
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
