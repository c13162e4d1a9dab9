"""Memory that threads have freed goes back to the system."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from threading import Thread

import pytest

from lc_assets.core.memory import release_free_memory

BLOCK, BLOCKS = 64 << 10, 1000


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_what_a_thread_has_freed_goes_back_to_the_system() -> None:
    kept: list[bytes] = []

    def work() -> None:
        blocks = [bytes([number % 256]) * BLOCK for number in range(BLOCKS)]
        kept.extend(blocks[::50])  # between the others, so that the heap cannot shrink by itself

    thread = Thread(target=work)
    thread.start()
    thread.join()
    before = resident()
    release_free_memory()
    assert before - resident() > BLOCK * BLOCKS // 2
