"""How long to wait for a service, and how often to ask it again: one rule for everything that goes over the network."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
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


DEFAULT_POLICY = RetryPolicy()
"""What is in force where nothing else is said."""
