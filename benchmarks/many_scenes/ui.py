"""Measure Dagster's webserver and daemon with many scenes: queries of the UI, a backfill, and memory."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg
import requests
import sqlalchemy as sa
import yaml
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from benchmarks.many_scenes.bundle import query_text
from benchmarks.many_scenes.world import World, seconds_of
from benchmarks.watch import resident
from lc_assets.defs.build import build_definitions
from lc_assets.operations.backfills import launch_backfill
from lc_assets.operations.keys import ASSET_NAMES
from loopback.cluster.process import Process
from loopback.programs import free_port

_TIMEOUT = 120.0
_MEASURE_SECONDS = 60.0
"""Seconds of the measurement of the daemon."""
_EVENTS = ["MATERIALIZATION", "FAILED_TO_MATERIALIZE"]
Timed = tuple[str, float, str]


def webserver_times(world: World, backfill: str) -> Iterator[Timed]:
    """Yield (query, seconds of the second call, size of the response and seconds of the first call)."""
    with _program(world, "webserver", ["dagster_webserver", "-h", "127.0.0.1"], "Serving dagster-webserver") as served:
        process, port = served
        yield "webserver after its start, memory", 0.0, _megabytes(process)
        for page, name, variables in _queries(world, backfill):
            body = {"query": query_text(name), "variables": variables, "operationName": name}
            first, _ = seconds_of(_post, port, body)
            second, (size, fault) = seconds_of(_post, port, body)
            yield f"{page} ({name})", second, fault or f"{size / 1e6:.2f} MB; first time {first:.2f} s"
        yield "webserver after these queries, memory", 0.0, _megabytes(process)


def daemon_times(world: World, backfill: str) -> Iterator[Timed]:
    """Yield the seconds that the daemon needs per run of a backfill, with one and with four threads, and its memory."""
    for name, workers in (("default", 0), ("num_submit_workers: 4", 4)):
        _set_threads(world, workers)
        wanted = dg.RunsFilter(tags={"dagster/backfill": backfill})
        with _program(world, "daemon", ["dagster._daemon", "run"], "BackfillDaemon") as (process, _):
            _until(partial(_has_begun, world, wanted))
            before, sessions, started = world.instance.get_runs_count(wanted), _sessions(world), time.perf_counter()
            time.sleep(_MEASURE_SECONDS)
            made, spent = world.instance.get_runs_count(wanted) - before, time.perf_counter() - started
            opened = (_sessions(world) - sessions) / max(made, 1)
            note = f"{made:,} runs in {spent:.0f} s; {opened:.0f} connections to PostgreSQL per run"
            yield f"daemon: to queue a run of a backfill, {name}", spent / max(made, 1), note
            yield f"daemon, {name}, memory", 0.0, _megabytes(process)
        ended = world.instance.get_backfill(backfill)
        if ended:
            world.instance.update_backfill(ended.with_status(BulkActionStatus.CANCELED))
        backfill = launch_backfill(
            world.instance,
            build_definitions(world.settings),
            world.keys[1000:2000],
            fingerprint="",
            config={},
            title="another 1,000",
        )


def _has_begun(world: World, wanted: dg.RunsFilter) -> bool:
    return world.instance.get_runs_count(wanted) > 0


def _set_threads(world: World, workers: int) -> None:
    file = world.folder / "home" / "dagster.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings.pop("backfills", None)
    if workers:
        settings["backfills"] = {"use_threads": True, "num_workers": 1, "num_submit_workers": workers}
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")


def _sessions(world: World) -> int:
    with world.engine.connect() as connection:
        return int(connection.execute(sa.text("SELECT sum(sessions) FROM pg_stat_database")).scalar_one())


def _until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + _TIMEOUT
    while not is_true() and time.monotonic() < end:
        time.sleep(0.5)


def _queries(world: World, backfill: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    assets = [{"path": [name]} for name in ASSET_NAMES]
    asset, scene = assets[2], world.keys[0]
    events = {"assetKey": asset, "eventTypeSelectors": _EVENTS, "limit": 50}
    queued, going = {"statuses": ["QUEUED"]}, {"statuses": ["STARTED", "STARTING", "CANCELING"]}
    yield "any page: code location", "LocationWorkspaceAssetsQuery", {"name": "lc_assets.definitions"}
    yield "asset graph: state of the six", "AssetGraphLiveQuery", {"assetKeys": assets}
    yield "asset graph: health of the six", "AssetHealthQuery", {"assetKeys": assets}
    yield "asset graph: staleness of the six", "AssetStaleStatusDataQuery", {"assetKeys": assets}
    yield "asset: definition", "AssetViewDefinitionQuery", {"assetKey": asset}
    yield "asset: partitions and their status", "PartitionHealthQuery", {"assetKey": asset}
    yield "asset: overview", "AssetOverviewMetadataEventsQuery", {"assetKey": asset}
    yield "asset: events, a page of 50", "RecentAssetEventsQuery", events
    yield "asset: newest 100 partitions", "LatestAssetPartitionsQuery", {"assetKey": asset, "limit": 100}
    yield "asset: one partition", "AssetPartitionDetailQuery", {"assetKey": asset, "partitionKey": scene}
    yield "asset: staleness of a partition", "AssetPartitionStaleQuery", {"assetKey": asset, "partitionKey": scene}
    yield (
        "asset checks: status of all partitions",
        "AssetCheckPartitionHealthQuery",
        {
            "assetKey": asset,
            "checkName": "cog_valid",
        },
    )
    yield "materialise dialog: assets", "LaunchAssetLoaderQuery", {"assetKeys": assets}
    yield "materialise dialog: partitions", "PartitionHealthQuery", {"assetKey": assets[0]}
    yield (
        "materialise dialog: preview of 1,000",
        "BackfillPreviewQuery",
        {
            "assetKeys": assets,
            "partitionNames": world.keys[:1000],
        },
    )
    yield "runs: a page of 30", "RunsFeedQuery", {"limit": 30, "view": "RUNS"}
    yield "runs: a page of 30, backfills as one", "RunsFeedQuery", {"limit": 30, "view": "ROOTS"}
    yield (
        "runs: counts on the tabs",
        "RunFeedTabsCountQuery",
        {
            "queuedFilter": queued,
            "inProgressFilter": going,
            "view": "ROOTS",
        },
    )
    yield "run: its page", "RunRootQuery", {"runId": world.run}
    yield "run: its log", "RunLogsQuery", {"runId": world.run, "limit": 1000}
    yield "backfills: a page of 30", "RunsFeedQuery", {"limit": 30, "view": "BACKFILLS"}
    yield "backfill: its page", "BackfillDetailsQuery", {"backfillId": backfill}
    yield (
        "backfill: partitions of an asset",
        "BackfillPartitionsForAssetKey",
        {
            "backfillId": backfill,
            "assetKey": asset,
        },
    )


def _post(port: int, body: dict[str, Any]) -> tuple[int, str]:
    answer = requests.post(f"http://127.0.0.1:{port}/graphql", json=body, timeout=_TIMEOUT)
    try:
        errors = json.loads(answer.content).get("errors")
    except ValueError:
        errors = answer.text[:200]
    return len(answer.content), f"FAULT: {str(errors)[:300]}" if errors else ""


@contextmanager
def _program(world: World, name: str, module: Sequence[str], ready: str) -> Iterator[tuple[Process, int]]:
    """Run one of Dagster's programs on the instance. Yields its process and a port for it."""
    port = free_port()
    workspace = world.folder / "workspace.yaml"
    workspace.write_text(yaml.safe_dump({"load_from": [{"python_module": "lc_assets.definitions"}]}), encoding="utf-8")
    command = [sys.executable, "-m", *module, "-w", str(workspace)]
    if name == "webserver":
        command += ["-p", str(port)]
    process = Process(name, command, world.folder, environment=world.programs, ready=lambda p: ready in p.said())
    process.start()
    try:
        yield process, port
    finally:
        process.stop()


def _megabytes(process: Process) -> str:
    """Return the resident memory of a program and its children, one of which has loaded our code."""
    return f"{resident(process.pid) / 1e6:.0f} MB"


def newest_backfill(world: World) -> str:
    """Return the id of the newest backfill."""
    return world.instance.get_backfills(BulkActionsFilter(), limit=1)[0].backfill_id
