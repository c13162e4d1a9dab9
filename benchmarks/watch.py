"""Run a command, and measure its time, its CPU time, and the memory and the bytes of its process tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

EVERY = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """What a command has used.

    Attributes:
        seconds: from its start to its end, as a shell sees them.
        cpu: CPU-seconds of its process, and of the children that it has waited for.
        peak: largest resident memory of its process tree in bytes.
        read, written: bytes of its own process by system calls.
    """

    seconds: float
    cpu: float
    peak: int
    read: int
    written: int


def run(command: Sequence[str], folder: Path, **environment: str) -> tuple[Usage, str]:
    """Run a command in a folder, and return what it has used and its standard output.

    Raises:
        SystemExit: it failed. Its message is on the standard error stream.
    """
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=output, text=True, cwd=folder, env={**os.environ, **environment})
        seen = _Seen(child.pid)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        seen.stop()
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)} failed\n{output.read()}")
        usage = Usage(seconds, used.ru_utime + used.ru_stime, seen.peak, seen.bytes["rchar"], seen.bytes["wchar"])
        return usage, output.read()


def measured(name: str, *arguments: object) -> dict[str, Any]:
    """Return the result of a measurement in a child process, and what the process has used where the measurement has no
    figure of its own.

    Args:
        name, arguments: command line of `benchmarks.measure`.

    Raises:
        SystemExit: the measurement failed.
    """
    command = [sys.executable, "-m", "benchmarks.measure", name, *map(str, arguments)]
    usage, output = run(command, Path.cwd())
    return {**asdict(usage), **json.loads(output.splitlines()[-1])}


def summary(runs: Sequence[Usage | Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures of the median run of several, and the `lowest` and `highest` seconds of all."""
    figures = sorted((asdict(run) if isinstance(run, Usage) else dict(run) for run in runs), key=itemgetter("seconds"))
    middle = figures[(len(figures) - 1) // 2]
    return {**middle, "lowest": figures[0]["seconds"], "highest": figures[-1]["seconds"]}


class _Seen:
    """Looks at a process until `stop`."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self.bytes = {"rchar": 0, "wchar": 0}
        self._pid, self._ended = pid, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(EVERY):
            self.peak = max(self.peak, resident(self._pid))
            try:
                lines = Path(f"/proc/{self._pid}/io").read_text(encoding="utf-8").splitlines()
            except OSError:
                continue  # the process has just ended
            self.bytes = {key: int(value) for key, value in (line.split(": ") for line in lines)} or self.bytes


def resident(pid: int) -> int:
    """Return the resident memory of a process and its descendants, in bytes."""
    total = 0
    try:
        total = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * _PAGE
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text(encoding="utf-8").split()
            total += sum(resident(int(child)) for child in children)
    except (OSError, ValueError, IndexError):
        pass  # the process has just ended
    return total
