"""Number of threads this process computes with: LC_ASSETS_THREADS, by default all CPUs available to the process."""

from __future__ import annotations

import os

from lc_assets.core.environment import variable
from lc_assets.core.errors import LandCoverError

_MAX_COUNT = 4096
"""Largest accepted number of threads or processes."""
_MAX_DIGITS = 10
"""A longer text is rejected without converting it to a number."""
_MAX_SHOWN = 40
"""Characters of a wrong value that the error message shows."""


def cpu_count() -> int:
    """Return the number of threads this process should compute with.

    Raises:
        LandCoverError: LC_ASSETS_THREADS is not a whole number from 1 to 4096.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return positive_setting("LC_ASSETS_THREADS") or available


def positive_setting(name: str) -> int | None:
    """Return a number of threads or processes from an environment variable, or None if it is unset or empty.

    Raises:
        LandCoverError: the value is not a whole number from 1 to 4096.
    """
    text = variable(name)
    if not text:
        return None
    if text.isdecimal() and len(text) <= _MAX_DIGITS and 0 < int(text) <= _MAX_COUNT:
        return int(text)
    shown = repr(text) if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]!r}... ({len(text)} characters)"
    raise LandCoverError(f"{name} is {shown}", remedy=f"set it to a whole number from 1 to {_MAX_COUNT}, or unset it")
