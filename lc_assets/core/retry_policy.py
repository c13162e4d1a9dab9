"""Time-outs and retries of network requests: one policy for all of them."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """Time-outs and retries of one network operation.

    Attributes:
        tries: failed attempts in a row after which the operation fails.
        connect: time-out of a connection attempt in seconds.
        read: longest time between two parts of a response in seconds.
        backoff: wait before the second attempt in seconds. It doubles for each further attempt, with jitter.
        longest_wait: longest wait in seconds, even if `Retry-After` asks for more.
        seconds: seconds after which no new attempt starts.
    """

    tries: int = 5
    connect: float = 10.0
    read: float = 30.0
    backoff: float = 1.0
    longest_wait: float = 60.0
    seconds: float = 1800.0

    @property
    def timeout(self) -> tuple[float, float]:
        """(connect, read) in seconds, the form that `requests` expects."""
        return (min(self.connect, self.read), self.read)

    @property
    def head(self) -> float:
        """Seconds within which the status line and headers of a response must be complete."""
        return self.connect + 2 * self.read

    def wait(self, failed: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait before the next attempt.

        This is the larger of the backoff and `retry_after`, but at most `longest_wait`.

        Args:
            failed: failed attempts in a row.
            retry_after: seconds that the server asks to wait, if it does.
        """
        backoff = self.backoff * 2 ** (failed - 1) * random.uniform(0.75, 1.25)
        return min(max(backoff, retry_after or 0.0), self.longest_wait)


DEFAULT_POLICY = RetryPolicy()
"""The policy used unless the caller passes another one."""
