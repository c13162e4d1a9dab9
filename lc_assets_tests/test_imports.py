"""What the start of a process imports: names, not times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SLOW = (
    *("alembic", "arro3", "duckdb", "global_land_mask", "jsonschema", "keras", "obstore", "openvino"),
    *("planetary_computer", "pyogrio", "pyproj", "pystac_client", "requests", "rio_cogeo", "rustac", "scipy"),
    *("sqlalchemy", "starlette", "torch", "uvicorn"),
)
"""Libraries that only the functions that use them import: they take 0.02 to 2 CPU-seconds."""
ROOMS = ("lc_assets.cli", "lc_assets.cluster", "lc_assets.demo", "lc_assets.training")
"""Rooms that the code location does not need."""


def imported_by(module: str) -> set[str]:
    """Return the names of all modules that a new process has after the import of one, but for those of Python."""
    script = f"import sys; before = {{*sys.modules}}; import {module}; print(*sorted({{*sys.modules}} - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    return {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}


def test_the_code_location_imports_no_library_that_takes_long_and_no_room_that_it_does_not_need() -> None:
    found = imported_by("lc_assets.definitions")
    assert {"dagster", "numpy", "rasterio", "lc_assets.inference"} <= found
    assert found & {*SLOW, *ROOMS} == set()


def test_the_command_line_imports_no_library_but_click() -> None:
    assert {name.partition(".")[0] for name in imported_by("lc_assets.cli.main")} == {"click", "lc_assets"}
