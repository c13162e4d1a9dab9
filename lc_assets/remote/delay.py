"""What holds a scene's files up, told in few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryNotice:
    """What holds a file up: what went wrong, seconds until it is asked for again, which attempt of how many that will
    be."""

    asset: str
    what: str
    seconds: float
    attempt: int
    tries: int


def format_delays(delays: Sequence[RetryNotice]) -> list[str]:
    """A line for each thing that went wrong: what ails the service ails all files at once."""
    lines = []
    for what in dict.fromkeys(delay.what for delay in delays):
        alike = [delay for delay in delays if delay.what == what]
        names = sorted({delay.asset for delay in alike})
        who = ", ".join(names) if len(names) < 5 else f"{len(names)} files"
        seconds, last = max(delay.seconds for delay in alike), max(alike, key=lambda delay: delay.attempt)
        lines.append(f"{who}: {what}; again in {seconds:.0f} s (attempt {last.attempt} of {last.tries})")
    return lines
