"""`make cluster-demo`: the real thing on loopback. PostgreSQL, Redis, an S3 server (moto's), two workers, daemon and UI
are started, twenty small scenes are worked off by a backfill, a table says who did what and how long it took, and
everything is stopped.

DEMO_SCENES   how many scenes                       20
DEMO_WORKERS  how many workers, of one thread each  2
DEMO_STORE    folder or URL of the store            the S3 server's
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from lc_assets.cluster.tasks import TAKEN_TAG, WORKER_TAG
from loopback.cluster.scenes import write_scenes
from loopback.cluster.service import LOCATION, Cluster, until
from loopback.cluster.services import missing
from loopback.object_stores import S3

SHAPE = (480, 480)
_PARTITION = "dagster/partition"
_SECONDS_A_SCENE = 60


@dataclass(frozen=True)
class Row:
    """One run. Seconds: until a worker took it (in Dagster's queue, then in Redis), until it began, at work."""

    scene: str
    worker: str
    queue: float
    start: float
    work: float
    result: str

    def __str__(self) -> str:
        return f"{self.scene:62}{self.worker:14}{self.queue:8.1f}{self.start:8.1f}{self.work:8.1f}  {self.result}"


def main() -> int:
    """Exit status: 0 if all scenes are done."""
    if packages := missing():
        print(f"missing: apt-get install --no-install-recommends {' '.join(packages)}", file=sys.stderr)
        return 1
    count, workers = (int(os.environ.get(name) or n) for name, n in (("DEMO_SCENES", 20), ("DEMO_WORKERS", 2)))
    with tempfile.TemporaryDirectory(prefix="lc-cluster-") as name, ExitStack() as stopped:
        folder = Path(name)
        print(f"writing {count} scenes of {SHAPE[0]} x {SHAPE[1]} px", flush=True)
        items = write_scenes(folder / "items", range(count), shape=SHAPE)
        began = time.monotonic()
        store, environment = os.environ.get("DEMO_STORE"), {"LC_ASSETS_SCRATCH": str(folder / "scratch")}
        if not store:
            server = stopped.enter_context(closing(S3()))
            store, environment = server.url, {**environment, **server.environment}
        cluster = Cluster(folder, workers=workers, location=LOCATION, changed={}, store=store, environment=environment)
        print(f"store: {store}", flush=True)
        with cluster, cluster.instance() as instance:
            print(f"UI at {cluster.webserver()} (up after {time.monotonic() - began:.0f} s)", flush=True)
            print(cluster.command("backfill", *items.values()).splitlines()[0], flush=True)
            rows = _worked_off(cluster, instance, set(items))
        print("everything is stopped")
    return 0 if {row.scene for row in rows if row.result == "SUCCESS"} == set(items) else 1


def _worked_off(cluster: Cluster, instance: dg.DagsterInstance, items: set[str]) -> list[Row]:
    """Wait for all scenes, and print the table."""

    def ended() -> bool:
        runs = instance.get_runs()
        return {run.tags.get(_PARTITION) for run in runs} == items and all(run.is_finished for run in runs)

    programs = [cluster.daemon, *cluster.workers]
    until(ended, "the backfill is worked off", programs, seconds=120 + _SECONDS_A_SCENE * len(items))
    records = sorted(instance.get_run_records(), key=lambda record: record.start_time or 0)
    rows = [_row(record) for record in records]
    print(f"\n{'scene':62}{'worker':14}{'queue s':>8}{'start s':>8}{'work s':>8}  result")
    print("\n".join(map(str, rows)))
    first, last = min(r.start_time or 0 for r in records), max(r.end_time or 0 for r in records)
    wall = last - first
    print(f"\n{len(rows)} runs in {wall:.1f} s, {60 * len(rows) / wall:.1f} a minute")
    for title, seconds in (
        ("queue", [row.queue for row in rows]),
        ("start", [row.start for row in rows]),
        ("work", [row.work for row in rows]),
        ("work, first run of a worker", _firsts(rows)),
        ("work, all further runs", [row.work for row in rows if row.work not in _firsts(rows)]),
    ):
        if seconds:
            print(f"{title:28} median {statistics.median(seconds):6.1f} s, largest {max(seconds):6.1f} s")
    return rows


def _firsts(rows: Iterable[Row]) -> list[float]:
    """How long the first run of each worker took, which compiles the model."""
    first: dict[str, float] = {}
    for row in rows:
        first.setdefault(row.worker, row.work)
    return list(first.values())


def _row(record: dg.RunRecord) -> Row:
    run = record.dagster_run
    created, started, ended = record.create_timestamp.timestamp(), record.start_time or 0, record.end_time or 0
    taken = float(run.tags.get(TAKEN_TAG, created))
    return Row(
        run.tags.get(_PARTITION, ""),
        run.tags.get(WORKER_TAG, ""),
        taken - created,
        started - taken,
        ended - started,
        run.status.value,
    )


if __name__ == "__main__":
    sys.exit(main())
