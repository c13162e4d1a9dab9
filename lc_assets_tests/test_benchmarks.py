"""`make bench` in a small form: it ends, and its tables name what was measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lc_assets_tests.rig.command import Shell

APPLICATION = """
import pathlib, sys
assert sys.argv[1] == "--input_reference" and pathlib.Path(sys.argv[2]).exists()
pathlib.Path("scene_classified.tif").write_bytes(b"map")
"""


def bench(folder: Path, module: str, *options: str, **environment: str) -> str:
    command = [sys.executable, "-m", module, "--work", str(folder), "--size", "366", "--runs", "1", *options]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        env={**Shell(folder).child_environment(), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_chain_is_compared_with_the_reference_and_with_the_limits(tmp_path: Path) -> None:
    package = tmp_path / "checkout" / "src" / "make_inference"
    package.mkdir(parents=True)
    (package / "app.py").write_text(APPLICATION)
    told = bench(
        tmp_path,
        "benchmarks",
        *("--chips", "5", "--scenes", "0", "--no-large", "--no-season"),
        REFERENCE=str(tmp_path / "checkout"),
    )
    for row in ("| reference application |", "| reference's method", "| chain, ", "| - evaluate |", "| raw_bands |"):
        assert row in told


@pytest.mark.slow
def test_several_scenes_are_held_against_fetching_and_computing_alone(tmp_path: Path) -> None:
    told = bench(tmp_path, "benchmarks.scenes_an_hour", "--scenes", "2", "--megabits", "20")
    row = next(line for line in told.splitlines() if line.startswith("| 20 Mbit/s |"))
    fetching, computing = (float(cell) for cell in row.split("|")[2:4])
    assert fetching > 0.3
    assert computing > fetching
