"""Measure the speed of several workers and the overhead of a run: `python -m benchmarks.cluster`.

The same scenes are classified by one process (as by `lc-assets classify`) and by 1, 2 and 4 workers of a real cluster
on loopback (PostgreSQL, Redis, Celery, daemon, `deploy/dagster.yaml`). Each process uses one thread. Then single
scenes are classified on the idle cluster, with three times: queue (until the daemon launches the run), start (until a
worker starts it), and work (until it ends).

This needs the `cluster` and `dev` extras, PostgreSQL and Redis, and takes about ten minutes. A full tile has nine times
as many pixels as these scenes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import dagster as dg

from lc_assets.core.cpu import cpu_count
from loopback.cluster.scenes import write_twins
from loopback.cluster.service import Cluster, until

WORKERS = (1, 2, 4)
ALONE = 5
"""Number of scenes that are classified one by one."""


def main() -> None:
    """Run all measurements and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--side", type=int, default=3660, help="pixels at 10 m, a multiple of 6")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shape = (options.side, options.side)
        items = write_twins(folder / "items", options.scenes + ALONE, shape=shape)
        chosen = dict(list(items.items())[: options.scenes])
        print(f"{options.scenes} scenes of {options.side} px, one thread each, {cpu_count()} cores", flush=True)
        base = _in_process(folder, chosen)
        print("\n| | until the first start, s | all scenes, s | scenes per hour | speed relative to one process |")
        print("|---|---:|---:|---:|---:|")
        print(f"| one process | | {base:.1f} | {3600 * options.scenes / base:.0f} | 1.00 |", flush=True)
        for workers in WORKERS:
            (folder / str(workers)).mkdir()
            with Cluster(folder / str(workers), workers=workers, changed={}) as cluster:
                waited, seconds = _backfilled(cluster, chosen)
                rate = 3600 * options.scenes / seconds
                name = f"{workers} worker{'s' * (workers > 1)}"
                print(f"| {name} | {waited:.1f} | {seconds:.1f} | {rate:.0f} | {base / seconds:.2f} |", flush=True)
                if workers == 1:
                    parts = _one_by_one(cluster, dict(list(items.items())[options.scenes :]))
        print("\n| single run | median, s | highest, s |\n|---|---:|---:|")
        for part, values in parts.items():
            print(f"| {part} | {statistics.median(values):.2f} | {max(values):.2f} |")
        work = base / options.scenes
        print(f"| (mean time of a scene in one process) | {work:.2f} | |")


def _in_process(folder: Path, items: dict[str, Path]) -> float:
    """Classify all scenes in one process and return the seconds, with the start of the process."""
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder / "alone"),
        "LC_ASSETS_STORE": str(folder / "alone_store"),
        "LC_ASSETS_THREADS": "1",
    }
    command = [sys.executable, "-m", "lc_assets.cli.main", "classify", *map(str, items.values())]
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def _backfilled(cluster: Cluster, items: dict[str, Path]) -> tuple[float, float]:
    """Classify all scenes by a backfill.

    Returns:
        Seconds from its launch to the start of the first run, and from there to the end of the last run.
    """
    cluster.command("register", *items.values())
    started = time.time()
    cluster.command("backfill", *items)
    with cluster.instance() as instance:
        until(
            lambda: _ended(instance, len(items)),
            "the backfill has ended",
            [cluster.daemon, *cluster.workers],
            seconds=1200,
        )
        runs = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
        assert len(runs) == len(items), "a run has failed"
        first, last = min(record.start_time or 0 for record in runs), max(record.end_time or 0 for record in runs)
        return first - started, last - first


def _ended(instance: dg.DagsterInstance, scenes: int) -> bool:
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    return instance.get_runs_count(dg.RunsFilter(statuses=finished)) >= scenes


def _one_by_one(cluster: Cluster, items: dict[str, Path]) -> dict[str, list[float]]:
    """Classify scenes one by one and return the seconds of each part of their runs."""
    cluster.command("register", *items.values())
    cluster.webserver()
    parts: dict[str, list[float]] = {"queue": [], "start": [], "work": [], "all": []}
    with cluster.instance() as instance:
        for item in items:
            run_id = cluster.queue(item)
            until(partial(_is_finished, instance, run_id), "the run ends", [cluster.daemon])
            record = instance.get_run_record_by_id(run_id)
            assert record and record.dagster_run.is_success
            created, started, ended = record.create_timestamp.timestamp(), record.start_time, record.end_time
            launched = _launched(instance, run_id)
            assert started and ended
            for part, seconds in (
                ("queue", launched - created),
                ("start", started - launched),
                ("work", ended - started),
                ("all", ended - created),
            ):
                parts[part].append(seconds)
    return parts


def _is_finished(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.is_finished


def _launched(instance: dg.DagsterInstance, run_id: str) -> float:
    """Return the time at which the daemon launched a run."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_STARTING)
    return entries[0].timestamp


if __name__ == "__main__":
    main()
