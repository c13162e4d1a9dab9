"""Memory that threads have freed goes back to the system."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from lc_assets.core.memory import release_free_memory
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions

HEAPS = """
import ctypes, os, threading
from lc_assets.core.memory import share_one_heap

share_one_heap()
together = threading.Barrier(5)

def work():
    kept = bytes(60_000)
    together.wait()  # all threads hold memory at the same time
    together.wait()

for _ in range(4):
    threading.Thread(target=work).start()
together.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
together.wait()
"""

needs_glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")

BLOCK, BLOCKS = 64 << 10, 1000


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@needs_glibc
def test_all_threads_of_a_process_share_one_heap() -> None:
    told = subprocess.run([sys.executable, "-c", HEAPS], capture_output=True, text=True, check=True).stdout
    assert told.count("<heap ") == 1


@needs_glibc
def test_a_process_that_runs_scenes_shares_one_heap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called: list[bool] = []
    monkeypatch.setattr("lc_assets.defs.build.share_one_heap", lambda: called.append(True))
    build_definitions(Settings(store=str(tmp_path)))
    assert called


@needs_glibc
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
