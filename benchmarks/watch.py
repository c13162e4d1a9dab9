"""Run a measurement in a child process, and measure the memory of its process tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

EVERY = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


def measured(name: str, *arguments: object) -> dict[str, Any]:
    """Return the result of a measurement, and `peak`: the peak of resident memory of all its processes, in bytes.

    Args:
        name, arguments: command line of `benchmarks.measure`.

    Raises:
        SystemExit: the measurement failed. Its message is on the standard error stream.
    """
    command = [sys.executable, "-m", "benchmarks.measure", name, *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdout=output, text=True)
        peak = 0
        while child.poll() is None:
            peak = max(peak, _resident(child.pid))
            time.sleep(EVERY)
        if child.returncode:
            raise SystemExit(f"the measurement {name} failed")
        output.seek(0)
        found: dict[str, Any] = json.loads(output.read().splitlines()[-1])
    return {**found, "peak": peak}


def _resident(pid: int) -> int:
    """Return the resident memory of a process and its descendants, in bytes."""
    total = 0
    try:
        total = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * _PAGE
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text(encoding="utf-8").split()
            total += sum(_resident(int(child)) for child in children)
    except (OSError, ValueError, IndexError):
        pass  # the process has just ended
    return total
