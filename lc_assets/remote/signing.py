"""Sign URLs at the time of each request: the Planetary Computer's blobs with SAS tokens from Microsoft's SDK, files of
the Copernicus Data Space with the user's S3 keys (`lc_assets.remote.eodata`).

The SDK sets no time-out, retries for minutes, and sends one request per thread while its cache is empty. So this module
calls it from one thread at a time. A call that takes too long is abandoned on its own thread. If a call fails, all
threads that waited for it fail with the same error.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as StillRunning
from typing import Any
from urllib.parse import urlsplit

from lc_assets.remote import eodata
from lc_assets.remote.threads import run_in_daemon_thread

SECONDS = 30.0
"""Seconds to wait for the token service. The next attempt sends a new request."""

_SDK_RETRIES = 1
"""One retry, so that the SDK obeys a `Retry-After`. The caller makes further attempts and reports them to the user."""

_PERMANENT_STATUS = (400, 401, 403)
_CHECK_SDK = "check PC_SDK_SUBSCRIPTION_KEY (or unset it) and PC_SDK_SAS_URL, then run it again"
_GET_KEYS = (
    f"make S3 keys at {eodata.KEYS_PAGE} and set CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY (or AWS_ACCESS_KEY_ID and "
    f"AWS_SECRET_ACCESS_KEY, with AWS_ENDPOINT_URL={eodata.ENDPOINT})"
)

_sdk_lock = threading.Lock()
_without_token: set[tuple[str, str]] = set()
"""(account, container) pairs for which the token service has no token."""
_last_failure: tuple[float, SigningFault] | None = None


class SigningFault(Exception):
    """There is no token or no key. The message contains neither URL nor token.

    Args:
        message: what happened.
        transient: True if another attempt may succeed.
        remedy: what the user can do about it.
    """

    def __init__(self, message: str, *, transient: bool = True, remedy: str = _CHECK_SDK) -> None:
        super().__init__(message)
        self.transient = transient
        self.remedy = remedy


def signed(href: str) -> str:
    """Return `href` with a signature if it is a blob of the Planetary Computer or a file of the Copernicus Data Space,
    otherwise unchanged.

    The result is a secret: it must not be stored, displayed or logged.

    Raises:
        SigningFault: the token service sent no token, or the environment has no S3 keys.
    """
    if eodata.is_eodata(href):
        try:
            return eodata.presign(href, eodata.keys_from_environment())
        except eodata.MissingKeys as missing:
            text = f"the Copernicus Data Space asks for S3 keys, and {missing}"
            raise SigningFault(text, transient=False, remedy=_GET_KEYS) from None
    account, container = _container(href)
    if not account:
        return href
    token = _token(account, container)
    return str(token.sign(href).href) if token else href


def forget(href: str) -> None:
    """Remove the token for `href` from the cache after a server refused it.

    (The token's own expiry time may be wrong, or clocks may differ.)
    """
    from planetary_computer.sas import TOKEN_CACHE

    account, container = _container(href)
    for key in [key for key in TOKEN_CACHE if key.endswith(f"/{account}/{container}")]:
        TOKEN_CACHE.pop(key, None)


def is_refusal(status: int, headers: Mapping[str, str]) -> bool:
    """Return True if an answer means that the credentials of a request do not suffice: 401, 403, or the 409 with which
    an Azure account without public access answers a request without a token (Azure's "Common REST API error codes")."""
    return status in (401, 403) or (status == 409 and headers.get("x-ms-error-code") == "PublicAccessNotPermitted")


def remedy_for_refusal(href: str) -> str:
    """Return what a user can do if a server refuses `href` (see `is_refusal`); empty if a new token may help."""
    if eodata.is_eodata(href):
        return f"its S3 keys are wrong or have expired, or their quota is used up: {_GET_KEYS}"
    if eodata.needs_login(href):
        return (
            "it is given out only for the token of a login, which is not sent: use an item whose hrefs are s3://eodata"
        )
    if _container(href) in _without_token:
        return (
            "its container is private, and the Planetary Computer has no token for it (for one of Planetary Computer "
            "Pro, its GeoCatalog has): download the files, and name the items' JSON beside them"
        )
    return ""


def _container(href: str) -> tuple[str, str]:
    """Return (account, container) of a blob's URL, both empty for another URL.

    (As in the SDK, a host with a port is not blob storage.)
    """
    from planetary_computer.sas import BLOB_STORAGE_DOMAIN

    parts = urlsplit(href)
    if not parts.netloc.endswith(BLOB_STORAGE_DOMAIN):
        return "", ""
    return parts.netloc.removesuffix(BLOB_STORAGE_DOMAIN), parts.path.lstrip("/").partition("/")[0]


def _token(account: str, container: str) -> Any | None:
    """Return the SDK's token, or None if the service does not know the container (it is public or does not exist).

    Raises:
        SigningFault: the token service sent no token.
    """
    import requests
    from planetary_computer.sas import get_token

    global _last_failure
    started = time.monotonic()
    with _sdk_lock:
        if _last_failure and _last_failure[0] >= started:  # another thread's call failed while this thread waited
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
                _without_token.add((account, container))
                return None
            # The error's own text is left out, because it contains URLs and responses.
            reached = not isinstance(error, requests.ConnectionError)
            what = f"answered {status}" if status else "gave no usable answer" if reached else "cannot be reached"
            fault = SigningFault(f"the token service {what}", transient=status not in _PERMANENT_STATUS)
        _last_failure = (time.monotonic(), fault)
        raise fault


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    retried = re.search(r"too many (\d{3}) error", str(error))  # urllib3's message after its own retries
    return status or (int(retried[1]) if retried else None)
