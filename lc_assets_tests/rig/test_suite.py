"""Rules of the test suite: leftovers of a test, allowed skips, slow tests, and rehearsals that are due."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from lc_assets_tests.conftest import OnDisk
from lc_assets_tests.rig import verified

pytestmark = pytest.mark.rig

LEAVES_BEHIND = """
import os, signal, subprocess, threading, time
import dagster as dg, pytest
from dagster._core.storage.defs_state.base import _current_storage
from lc_assets_tests.rig import hygiene

hygiene._GRACE_SECONDS = 0.1

def test_an_open_instance(): dg.DagsterInstance.ephemeral()
def test_state_storage(): _current_storage.set(object())
def test_a_thread(): threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
def test_a_process(): globals().update(kept=subprocess.Popen(["sleep", "1"]))
def test_environment(): os.environ["LC_ASSETS_LEFT"] = "1"
def test_working_folder(tmp_path): os.chdir(tmp_path)
def test_signal_handlers(): signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
def test_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ASSETS_LEFT", "1")
    with dg.DagsterInstance.ephemeral(): pass
    subprocess.run(["true"])
"""


def run(pytester: pytest.Pytester, plugin: str, *options: str) -> pytest.RunResult:
    """Run a test suite in another process."""
    return pytester.runpytest_subprocess("-p", f"lc_assets_tests.rig.{plugin}", "-p", "no:randomly", *options)


@pytest.fixture(autouse=True)
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(verified.ROOT))


def test_a_test_that_leaves_something_in_its_process_fails_and_names_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(LEAVES_BEHIND)
    result = run(pytester, "hygiene")
    result.assert_outcomes(passed=8, errors=7)
    for test, what in (
        ("an_open_instance", "an open instance"),
        ("state_storage", "Dagster's current state storage"),
        ("a_thread", "a thread: <Thread"),
        ("a_process", "a process: ['sleep', '1']"),
        ("environment", "environment: {} before, {'LC_ASSETS_LEFT': '1'} after"),
        ("working_folder", "working folder"),
        ("signal_handlers", "signal handlers"),
    ):
        assert any(f"::test_{test} leaves behind: {what}" in line for line in result.outlines), what


def test_a_skip_that_is_not_allowed_fails_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\ndef test_it(): pytest.skip('needs a moon')")
    pytester.makeini("[pytest]\nmarkers = slow\n rig")
    for allowed, code in (("^needs a moon", pytest.ExitCode.OK), ("^needs a sun", pytest.ExitCode.TESTS_FAILED)):
        (pytester.path / "may-skip.txt").write_text(f"# why\n{allowed}\n")
        result = run(pytester, "suite", "--may-skip", "may-skip.txt")
        assert result.ret == code
        assert ("MAY NOT SKIP here: 1 for the reason 'needs a moon'" in result.stdout.str()) == (code != 0)


def test_a_slow_test_without_the_mark_is_reported(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmarkers = slow\n rig")
    pytester.makepyfile("""
        import time, pytest
        from lc_assets_tests.rig import suite
        suite.SLOW_SECONDS = 0.01
        def test_long(): time.sleep(0.05)
        @pytest.mark.slow
        def test_marked(): time.sleep(0.05)
    """)
    reported = [line for line in run(pytester, "suite").outlines if "without the mark slow" in line]
    assert len(reported) == 1 and "test_long" in reported[0]


def test_a_rehearsal_is_due_after_a_change_of_a_file_that_it_covers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified, "ROOT", tmp_path)
    monkeypatch.setattr(verified, "RECORD", tmp_path / "verified.json")
    monkeypatch.setattr(verified, "COVERS", {"drill": ("folder", "file")})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.py").write_text("1")
    (tmp_path / "file").write_text("1")
    assert verified.is_due("drill")
    verified.record("drill")
    assert not verified.is_due("drill")
    for change in (
        lambda: (tmp_path / "folder" / "a.py").write_text("2"),
        lambda: (tmp_path / "folder" / "b.py").write_text(""),
        lambda: (tmp_path / "folder" / "b.py").unlink(),
    ):
        change()
        assert verified.is_due("drill")
        verified.record("drill")
    (tmp_path / "file").unlink()
    with pytest.raises(FileNotFoundError, match="which the rehearsal drill covers"):
        verified.is_due("drill")


@pytest.mark.parametrize("name", verified.COVERS)
def test_the_files_that_a_rehearsal_covers_exist(name: str) -> None:
    assert verified.digest(name)


SHARED = """
import os, pytest, time

def note(test):
    with open("order", "a") as file: file.write(f"{test} {os.environ['PYTEST_XDIST_WORKER']}\\n")

@pytest.fixture(scope="module")
def large(): note("made")

@pytest.mark.parametrize("number", range(8))
def test_of_the_file(large, number): note("file")

@pytest.mark.xdist_group("server")
@pytest.mark.parametrize("number", range(8))
def test_of_a_server(number): note("server")

@pytest.mark.parametrize("number", range(8))
def test_alone(number): note("alone")

@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_slow(number): note("slow")
"""


def test_what_tests_share_is_made_on_one_worker_and_slow_tests_do_not_come_last(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmarkers = slow\n rig")
    pytester.makepyfile(SHARED)
    run(pytester, "suite", "-n", "2", "--dist", "loadgroup").assert_outcomes(passed=28)
    noted = [line.split() for line in (pytester.path / "order").read_text().splitlines()]
    for shared, times in (("file", 8), ("server", 8), ("made", 1)):
        workers = [worker for test, worker in noted if test == shared]
        assert len(workers) == times and len(set(workers)) == 1, shared
    for worker in ("gw0", "gw1"):
        single = [test for test, where in noted if where == worker and test in ("slow", "alone")]
        assert single == sorted(single, reverse=True)


def test_dagster_makes_one_engine_for_each_database(
    on_disk: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    create = sqlalchemy.create_engine

    def counted(url: str, **options: Any) -> sqlalchemy.Engine:
        made.append(url)
        return create(url, **options)

    monkeypatch.setattr(sqlalchemy, "create_engine", counted)
    with on_disk(tmp_path / "home") as instance:
        for name in "abc":
            instance.add_dynamic_partitions("items", [name])
            assert instance.get_runs_count() == len(instance.all_instigator_state()) == 0
        assert instance.get_dynamic_partitions("items") == ["a", "b", "c"]
    assert sorted(Path(url).stem for url in made) == ["index", "runs", "schedules"]
