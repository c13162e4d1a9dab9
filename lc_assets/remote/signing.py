"""SAS tokens for the Planetary Computer's blobs, by Microsoft's own SDK, at the moment of each request.

The SDK sets no time-out, tries for minutes, and asks once per thread when its cache is empty. So it is asked one at a
time, on a thread that is left behind when it takes too long, and whoever waited for an answer that failed fails with
it.
"""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import TimeoutError as StillRunning
from typing import Any
from urllib.parse import urlsplit

from lc_assets.remote.threads import run_in_daemon_thread

SECONDS = 30.0
"""The token service is given up on after so long; the next attempt asks anew."""

_SDK_RETRIES = 1
"""One, so that the SDK obeys a `Retry-After` by itself; further attempts are the transfer's, which tells of them."""

_REFUSED = (400, 401, 403)

_asking = threading.Lock()
_last_failure: tuple[float, SigningFault] | None = None


class SigningFault(Exception):
    """The token service gave no token. The message holds no URL and no token; `transient`: asking again may help."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


def signed(href: str) -> str:
    """`href` with a token if it is a blob of the Planetary Computer, as it is otherwise. Not to be kept, shown or
    logged.

    Raises:
        SigningFault: no token was to be had.
    """
    account, container = _container(href)
    if not account:
        return href
    token = _token(account, container)
    return str(token.sign(href).href) if token else href


def forget(href: str) -> None:
    """Drop the cached token for `href`: it was refused. (What it says of its own end may be wrong, or clocks
    differ.)"""
    from planetary_computer.sas import TOKEN_CACHE

    account, container = _container(href)
    for key in [key for key in TOKEN_CACHE if key.endswith(f"/{account}/{container}")]:
        TOKEN_CACHE.pop(key, None)


def _container(href: str) -> tuple[str, str]:
    """Account and container of a blob, empty for anything else. (A host with a port is no blob storage to the SDK
    either.)"""
    from planetary_computer.sas import BLOB_STORAGE_DOMAIN

    parts = urlsplit(href)
    if not parts.netloc.endswith(BLOB_STORAGE_DOMAIN):
        return "", ""
    return parts.netloc.removesuffix(BLOB_STORAGE_DOMAIN), parts.path.lstrip("/").partition("/")[0]


def _token(account: str, container: str) -> Any | None:
    """The SDK's token; None where the service knows no such container, which then is public or does not exist."""
    import requests
    from planetary_computer.sas import get_token

    global _last_failure
    asked = time.monotonic()
    with _asking:
        if _last_failure and _last_failure[0] >= asked:  # it failed while we waited for our turn
            raise _last_failure[1]
        try:
            return run_in_daemon_thread(lambda: get_token(account, container, retry_total=_SDK_RETRIES)).result(
                timeout=SECONDS
            )
        except StillRunning:
            fault = SigningFault(f"the token service did not answer within {SECONDS:.0f} s")
        except Exception as error:
            status = _status(error)
            if status == 404:
                return None
            # Not the error's own text: it quotes URLs and answers.
            reached = not isinstance(error, requests.ConnectionError)
            what = f"answered {status}" if status else "gave no usable answer" if reached else "cannot be reached"
            fault = SigningFault(f"the token service {what}", transient=status not in _REFUSED)
        _last_failure = (time.monotonic(), fault)
        raise fault


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    retried = re.search(r"too many (\d{3}) error", str(error))  # urllib3's words when its own retries are used up
    return status or (int(retried[1]) if retried else None)
