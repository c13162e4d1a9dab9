"""How long to wait for a service, and how often to ask it again: one rule for everything that goes over the network."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

PASSING_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""HTTP answers that may differ next time: 409, 500 and 503 are a storage account under load (Azure Blob's error codes
"ServerBusy", "OperationTimedOut"), 429 is a quota. (401 and 403 depend on who answers: see
`lc_assets.remote.download`.)"""


@dataclass(frozen=True)
class Patience:
    """Bounds of one piece of network work.

    Attributes:
        tries: attempts in a row that brought nothing, before it is given up.
        connect: seconds to connect.
        read: seconds between two pieces of an answer.
        backoff: seconds before the second attempt; doubled for each one after, with jitter.
        longest_wait: no wait is longer, whatever `Retry-After` says.
        seconds: no new attempt is begun after so many seconds.
    """

    tries: int = 5
    connect: float = 10.0
    read: float = 30.0
    backoff: float = 1.0
    longest_wait: float = 60.0
    seconds: float = 1800.0

    @property
    def timeout(self) -> tuple[float, float]:
        """As `requests` wants it."""
        return (min(self.connect, self.read), self.read)

    @property
    def head(self) -> float:
        """Seconds in which the head of an answer must have come, however slowly."""
        return self.connect + 2 * self.read

    def wait(self, failed: int, asked: float | None = None) -> float:
        """Seconds to wait after `failed` attempts in a row: what the server asked for, at least the backoff."""
        own = self.backoff * 2 ** (failed - 1) * random.uniform(0.75, 1.25)
        return min(max(own, asked or 0.0), self.longest_wait)


PATIENCE = Patience()
"""What is in force where nothing else is said."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait (RFC 9110, 10.2.3: a number, or a date); None if it does not say."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        return max((parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds(), 0.0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
