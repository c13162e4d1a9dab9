"""How many threads this process computes with (LC_ASSETS_THREADS; all CPUs that it may use where it is not set)."""

from __future__ import annotations

import os

from lc_assets.core.errors import LandCoverError

_MOST = 4096
"""Threads or processes of a machine; what is more is a slip."""
_DIGITS = 10
"""A longer text is not even read as a number."""
_SHOWN = 40


def cpu_count() -> int:
    """Threads that this process is to compute with.

    Raises:
        LandCoverError: LC_ASSETS_THREADS is no number of threads.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return positive_setting("LC_ASSETS_THREADS") or available


def positive_setting(name: str) -> int | None:
    """A whole number of threads or processes from the environment; None where it is not set.

    Raises:
        LandCoverError: it is no such number.
    """
    text = os.environ.get(name)
    if not text:
        return None
    if text.isdecimal() and len(text) <= _DIGITS and 0 < int(text) <= _MOST:
        return int(text)
    shown = repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}... ({len(text)} characters)"
    raise LandCoverError(f"{name} is {shown}", remedy=f"set it to a whole number from 1 to {_MOST}, or unset it")
