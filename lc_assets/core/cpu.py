"""The CPUs of this process: how many threads it computes with (LC_ASSETS_THREADS, by default one per CPU), and what
they are."""

from __future__ import annotations

import os
import platform
from pathlib import Path

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


_CPUINFO = Path("/proc/cpuinfo")
_MODEL_FIELDS = frozenset(
    {"vendor_id", "cpu family", "model", "model name", "stepping", "flags"}
    | {"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features"}
)
"""Fields of /proc/cpuinfo that depend on nothing but the model of the CPU; the second line is that of ARM."""


def cpu_model() -> str:
    """Return a text that is the same for CPUs of one model with the same instructions, and for no others.

    On a system other than Linux it is less exact.
    """
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    fields = (line.partition(":") for line in lines)
    return ", ".join(f"{name.strip()} {value.strip()}" for name, _, value in fields if name.strip() in _MODEL_FIELDS)


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
