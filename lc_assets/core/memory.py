"""Give memory that this process no longer uses back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def release_free_memory() -> None:
    """Return freed memory to the system, where the C library is glibc; elsewhere nothing happens.

    glibc keeps what a thread has freed, for that thread's next allocation (malloc_trim(3)). Pixels are computed on many
    threads, which each scene starts again, so a process that classifies several scenes would grow with each of them.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library, or another system
        ctypes.CDLL(None).malloc_trim(0)
