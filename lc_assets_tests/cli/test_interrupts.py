"""Ctrl-C and SIGTERM end a command with one line and exit status 130."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from lc_assets.cli import options, start
from lc_assets.operations.runs import RunResult
from lc_assets_tests.rig.command import Shell
from lc_assets_tests.rig.marks import further
from loopback.programs import WAIT_SECONDS

ARGUMENTS = {
    "classify": ("x",),
    "register": ("x",),
    "backfill": (),
    "stale": (),
    "status": (),
    "collection": (),
    "search": ("--tile", "33UUB"),
    "demo": (),
    "view": (),
    "agreement": ("x",),
    "prune": (),
}


@pytest.mark.parametrize("error", [KeyboardInterrupt, dg.DagsterExecutionInterruptedError])
@pytest.mark.parametrize("command", ARGUMENTS)
def test_ctrl_c_ends_a_command_with_one_line_and_status_130(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str, error: type[BaseException]
) -> None:
    def interrupt(_: object) -> None:
        raise error

    monkeypatch.setattr(options, "open_session", interrupt)
    done = shell(command, *ARGUMENTS[command], code=130)
    assert done.output.splitlines() == ["interrupted: it was interrupted -> run it again"]


def test_ctrl_c_while_the_program_starts_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Importing:
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "lc_assets.cli.main", Importing())
    with pytest.raises(SystemExit, match="130"):
        start.main()
    assert capsys.readouterr().err == "interrupted: it was interrupted -> run it again\n"


def test_ctrl_c_in_a_run_ends_classify_before_the_next_scene(
    shell: Shell, demo_item: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "asset raw_bands: it was interrupted -> run it again"
    results = [RunResult(demo_item.stem, "1", why, 1.0, interrupted=True)]
    monkeypatch.setattr("lc_assets.cli.classify._run", lambda *_: results.pop())
    done = shell("classify", demo_item, code=130)
    assert done.stderr.splitlines() == [f"interrupted: {why}"]


@pytest.mark.parametrize("signum", [signal.SIGINT, *further(signal.SIGTERM)])
def test_a_real_signal_ends_a_search_that_waits_for_its_server(
    shell: Shell, tmp_path: Path, signum: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_SECONDS)
        process = subprocess.Popen(
            [sys.executable, "-m", "lc_assets.cli.main", "search", "--tile", "33UUB"],
            cwd=tmp_path,
            env={**shell.child_environment(), "LC_ASSETS_STAC_URL": f"http://127.0.0.1:{server.getsockname()[1]}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell starts background jobs with SIGINT ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        connection, _ = server.accept()
        with connection:
            process.send_signal(signum)
            output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, output.splitlines()) == (130, ["interrupted: it was interrupted -> run it again"])
