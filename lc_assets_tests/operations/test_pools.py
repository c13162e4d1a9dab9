"""Places in Dagster's pools: those of a killed process are freed, and a command that waits says so and can be ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import dagster as dg
import pytest

from lc_assets.core.progress import progress_callbacks
from lc_assets.operations import pools
from lc_assets.operations.keys import COLLECTION_POOL, DOWNLOADS_POOL, HOST_TAG, PID_TAG, STARTED_TAG
from lc_assets.operations.pools import free_places_of_ended_runs, is_limited, wait_for_place
from lc_assets.operations.runs import fail_orphaned_runs, process_tags
from lc_assets_tests.conftest import OnDisk
from lc_assets_tests.rig.command import Shell


def taken(instance: dg.DagsterInstance, pool: str, pid: int, status: dg.DagsterRunStatus) -> str:
    """A run of a process that has the one place of a pool; another of its steps waits for one. Its id."""
    storage = instance.event_log_storage
    storage.set_concurrency_slots(pool, 1)
    tags = {HOST_TAG: socket.gethostname(), PID_TAG: str(pid)}
    run = dg.DagsterRun(job_name="some", status=status, tags=tags)
    instance.run_storage.add_run(run)
    assert storage.claim_concurrency_slot(pool, run.run_id, "first").is_claimed
    assert not storage.claim_concurrency_slot(pool, run.run_id, "second").is_claimed
    return run.run_id


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_run_of_a_dead_process_has_failed_although_another_one_has_its_id(on_disk: OnDisk, tmp_path: Path) -> None:
    """As in containers, whose processes often have the id 1."""
    with on_disk(tmp_path / "home") as instance:
        runs = []
        for started in ("1", process_tags()[STARTED_TAG]):
            tags = {**process_tags(), STARTED_TAG: started}
            runs.append(dg.DagsterRun(job_name="some", status=dg.DagsterRunStatus.STARTED, tags=tags))
            instance.run_storage.add_run(runs[-1])
        assert fail_orphaned_runs(instance) == 1
        ends = [found.status for run in runs if (found := instance.get_run_by_id(run.run_id))]
    assert ends == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE])
def test_places_of_a_run_that_is_over_are_free_again(
    on_disk: OnDisk, tmp_path: Path, status: dg.DagsterRunStatus
) -> None:
    with on_disk(tmp_path / "home") as instance:
        taken(instance, COLLECTION_POOL, dead_pid(), status)
        fail_orphaned_runs(instance)
        free_places_of_ended_runs(instance)
        info = instance.event_log_storage.get_concurrency_info(COLLECTION_POOL)
        assert (info.active_slot_count, info.pending_step_count) == (0, 0)


def test_a_pool_is_limited_by_its_own_limit_or_by_the_default(tmp_path: Path) -> None:
    default = {"concurrency": {"pools": {"default_limit": 16}}}
    for overrides, expected in (({}, False), (default, True)):
        with dg.instance_for_test(overrides=overrides) as instance:
            assert is_limited(instance, DOWNLOADS_POOL) is expected
            instance.event_log_storage.set_concurrency_slots(DOWNLOADS_POOL, 1)
            assert is_limited(instance, DOWNLOADS_POOL)


def test_a_place_that_a_living_run_has_is_waited_for(
    on_disk: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_SECONDS", 0.05)
    notices: list[str] = []
    with on_disk(tmp_path / "home") as instance:
        wait_for_place(instance, DOWNLOADS_POOL)  # no limit is set
        run = taken(instance, DOWNLOADS_POOL, os.getpid(), dg.DagsterRunStatus.STARTED)
        free_places_of_ended_runs(instance)
        ends = threading.Timer(0.5, instance.event_log_storage.free_concurrency_slots_for_run, [run])
        ends.start()
        with progress_callbacks(None, notices.append):
            wait_for_place(instance, DOWNLOADS_POOL)
        ends.join()
    assert notices == [f"waiting for a place in the pool downloads, which is taken by run {run[:8]}"]


def _hear_ctrl_c() -> None:
    """A process that runs in the background, as pytest's workers do, ignores it, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_a_command_that_waits_ends_on_a_signal(shell: Shell) -> None:
    with dg.DagsterInstance.from_config(str(shell.home)) as instance:
        taken(instance, COLLECTION_POOL, os.getpid(), dg.DagsterRunStatus.STARTED)
    command = [sys.executable, "-m", "lc_assets.cli.main", "collection", "--store", str(shell.home.parent / "store")]
    environment = {**os.environ, "DAGSTER_HOME": str(shell.home)}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c
    ) as waiting:
        assert waiting.stderr
        assert "waiting for a place in the pool collection" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        _, told = waiting.communicate(timeout=20)
        assert waiting.returncode != 0
    assert "Traceback" not in told
