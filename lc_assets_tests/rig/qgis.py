"""QGIS, as another person has it: Debian's program, in a process of its own with the system's Python."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from typing import Any

import pytest

_PYTHON = "/usr/bin/python3"
"""Debian installs PyQGIS for this interpreter, not for that of a virtual environment."""

_START = """
import json, os, sys
from qgis.core import *
app = QgsApplication([], False)
app.initQgis()
def answer(value):
    print("answer " + json.dumps(value), flush=True)
    os._exit(0)
"""


def environment() -> dict[str, str]:
    """Return the environment without the settings of GDAL that `lc_assets.raster` makes: they hide files beside a
    raster."""
    left = {name: value for name, value in os.environ.items() if not name.startswith(("GDAL_", "PYTHON"))}
    return {**left, "QT_QPA_PLATFORM": "offscreen"}


@cache
def _is_there() -> bool:
    try:
        command = [_PYTHON, "-c", "import qgis.core"]
        return subprocess.run(command, capture_output=True, env=environment(), check=False).returncode == 0
    except OSError:
        return False


def ask_qgis(script: str, *arguments: object) -> Any:
    """Run a script in QGIS and return what it passes to `answer`. Its arguments are in `sys.argv[1:]`.

    Without QGIS the test is skipped.
    """
    if not _is_there():
        pytest.skip("needs QGIS (install python3-qgis)")
    command = [_PYTHON, "-c", _START + script, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=300, check=False)
    found = [line for line in run.stdout.splitlines() if line.startswith("answer ")]
    assert found, run.stderr[-2000:]
    return json.loads(found[-1].removeprefix("answer "))
