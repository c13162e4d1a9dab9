"""A command that a signal ends says so in one line, and its process ends as it would have ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lc_assets.cli.crash_watch import crash_message, working_on

ITEM = "S2A_MSIL2A_20240821T174911_R141_T13TDE_20240822T001513"
SCRIPT = """
import faulthandler, os, signal, sys
from lc_assets.cli import classify, main
from lc_assets.cli.crash_watch import working_on

def run(**_):
    working_on("{item}", "raw_bands")
    working_on("{item}", "{asset}")
    {end}

main.classify.callback = run
sys.argv = ["lc-assets", "classify", "x"]
main.main()
"""


def ended_by(
    end: str, tmp_path: Path, asset: str = "class_raster", **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"} | variables
    script = SCRIPT.format(item=ITEM, asset=asset, end=end)
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("name", "words"), [("SIGFPE", "floating"), ("SIGSEGV", "segmentation"), ("SIGILL", "illegal")]
)
def test_a_crash_of_the_network_names_signal_scene_and_settings_to_try(name: str, words: str, tmp_path: Path) -> None:
    number = getattr(signal, name)
    done = ended_by(f"signal.raise_signal({int(number)})", tmp_path)
    assert done.returncode == -number  # a shell shows 128 more
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: item {ITEM}, asset class_raster: a library crashed ({name}, {words}")
    assert (
        "KERAS_BACKEND=openvino and LC_ASSETS_PRECISION=auto -> run it again with LC_ASSETS_PRECISION=float32" in line
    )


def test_a_crash_outside_the_network_blames_no_setting(tmp_path: Path) -> None:
    done = ended_by("os.abort()", tmp_path, "resampled_stack")
    assert done.returncode == -signal.SIGABRT
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: item {ITEM}, asset resampled_stack: a library crashed (SIGABRT, aborted) -> run it")
    assert "PRECISION" not in line


def test_a_process_that_is_killed_says_that_memory_may_have_run_out(tmp_path: Path) -> None:
    done = ended_by("os.kill(os.getpid(), signal.SIGKILL)", tmp_path)
    assert done.returncode == -signal.SIGKILL
    [line] = done.stderr.splitlines()
    assert f"item {ITEM}, asset class_raster: the process was killed" in line and "memory" in line
    assert "LC_ASSETS_THREADS=1" in line


@pytest.mark.parametrize(("end", "status"), [("pass", 0), ("sys.exit(1)", 1), ("raise KeyboardInterrupt", 1)])
def test_a_command_that_ends_by_itself_says_nothing_more(end: str, status: int, tmp_path: Path) -> None:
    done = ended_by(end, tmp_path)
    assert done.returncode == status
    assert "crashed" not in done.stderr and "killed" not in done.stderr


def test_settings_that_are_in_use_are_not_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ASSETS_PRECISION", "float32")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    error = crash_message("Segmentation fault", ITEM, "class_raster")
    assert "KERAS_BACKEND=torch and LC_ASSETS_PRECISION=float32" in error.problem
    assert "PRECISION" not in error.remedy and "(openvino, jax)" in error.remedy


def test_a_crash_before_the_first_scene_is_told_without_a_scene() -> None:
    assert str(crash_message("Bus error")).startswith("a library crashed (SIGBUS, bus error)")
    assert "by a signal" in str(crash_message("Something new\x1b"))


def test_a_process_that_is_not_watched_notes_nothing() -> None:
    working_on(ITEM, "class_raster")
