"""How long to wait for a service, and how often to ask it again: one rule for everything that goes over the network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

PASSING_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""HTTP answers that may differ next time: 409, 500 and 503 are a storage account under load (Azure Blob's error codes
"ServerBusy", "OperationTimedOut"), 429 is a quota. (401 and 403 depend on who answers: see
`lc_assets.remote.download`.)"""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait (RFC 9110, 10.2.3: a number, or a date); None if it does not say."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        return max((parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds(), 0.0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
