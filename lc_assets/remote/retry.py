"""Errors after which a request is repeated, and the `Retry-After` header. The waits: `lc_assets.core.retry_policy`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

PASSING_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""HTTP status codes of errors that may be temporary.

409, 500 and 503 come from a storage account under load (Azure Blob's error codes "ServerBusy", "OperationTimedOut");
429 is a quota. 401 and 403 are not here, because their meaning depends on the server: see `lc_assets.remote.download`.
"""


class RetryableError(Exception):
    """A request failed, but may succeed when it is repeated.

    Attributes:
        problem: what went wrong, without any query string.
        retry_after: seconds that the server asks to wait, if it does.
        restart: True if the next attempt must start at the first byte.
        at_once: True if the next attempt may start without a wait.
    """

    def __init__(
        self, problem: str, retry_after: float | None = None, *, restart: bool = False, at_once: bool = False
    ) -> None:
        super().__init__(problem)
        self.problem, self.retry_after, self.restart, self.at_once = problem, retry_after, restart, at_once


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by the `Retry-After` header, or None if it is missing or malformed.

    The header contains a number of seconds or a date (RFC 9110, 10.2.3).
    """
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        return max((parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds(), 0.0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
