"""Give memory that this process no longer uses back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_ARENA_MAX = -8
"""Number of glibc's parameter `M_ARENA_MAX` (mallopt(3))."""


def share_one_heap() -> None:
    """Let all threads use one heap, where the C library is glibc; elsewhere nothing happens.

    By default, glibc gives eight heaps to each core. What a thread has freed stays in its heap, and the threads of
    another one cannot use it, so a process that computes pixels on many threads needs a quarter more memory. Call it
    before the process has started many threads: a heap that exists stays.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library, or another system
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def release_free_memory() -> None:
    """Return freed memory to the system, where the C library is glibc; elsewhere nothing happens.

    glibc keeps what a thread has freed, for that thread's next allocation (malloc_trim(3)). Pixels are computed on many
    threads, which each scene starts again, so a process that classifies several scenes would grow with each of them.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library, or another system
        ctypes.CDLL(None).malloc_trim(0)
