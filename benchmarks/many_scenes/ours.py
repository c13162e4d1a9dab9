"""Time our commands and the sensor with many scenes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any
from unittest import mock

import yaml

from benchmarks.many_scenes.world import LAST, World, scene_names, seconds_of
from lc_assets.defs import sensors
from lc_assets.defs.build import build_definitions
from lc_assets.defs.sensors import build_sensor
from lc_assets.inference.loading import read_contract
from lc_assets.operations.backfills import launch_backfill
from lc_assets.operations.keys import SCENES
from lc_assets.operations.run_retention import old_runs
from lc_assets.operations.status import scene_statuses, stale_items, waiting_items
from lc_assets.store.layout import Store
from loopback.scenes import bare_item
from loopback.sensor_tick import sensor_context

IN_VIEW, NEW, FOUND = 250, 40, 1000
_NOW = LAST + timedelta(days=1, hours=12)


def timed(world: World, documents: list[dict[str, Any]]) -> Iterator[tuple[str, float, str]]:
    """Yield (name, seconds, result) of each measurement. Some run twice, because the first call fills caches."""
    definitions = build_definitions(world.settings)
    instance, store = world.instance, Store.at(world.settings.store)
    found = world.keys[:FOUND]
    for time in ("first", "again"):
        seconds, statuses = seconds_of(scene_statuses, instance, definitions, store, found)
        yield f"status of {FOUND:,} found items, {time}", seconds, _counts(statuses.values())
    for time in ("first", "again"):
        seconds, statuses = seconds_of(scene_statuses, instance, definitions, store)
        yield f"status of all scenes, {time}", seconds, _counts(statuses.values())
    for time in ("first", "again"):
        seconds, stale = seconds_of(stale_items, instance, definitions)
        yield f"stale, {time}", seconds, f"{len(stale):,} stale"
    box = _box(documents)
    known = [bare_item(name, sensed) for name, sensed in _first(FOUND)]
    documents[:] = known
    for command in (["search", "--bbox", box, "--datetime", "2024", "--ids"], ["stale"]):
        seconds, output = seconds_of(_command, world, command)
        yield f"command lc-assets {command[0]}, whole process", seconds, output
    yield from _sensor(world, documents, box)
    fingerprint = read_contract()[0].fingerprint
    launch = partial(launch_backfill, fingerprint=fingerprint, config={}, title="1,000 scenes")
    seconds, backfill = seconds_of(launch, instance, definitions, found)
    yield f"launch a backfill of {FOUND:,}", seconds, backfill
    seconds, waiting = seconds_of(waiting_items, instance, definitions)
    yield "scenes that wait, with that backfill", seconds, f"{len(waiting):,} wait"
    seconds, old = seconds_of(old_runs, instance, datetime.now(timezone.utc))
    yield (
        "prune: run records that can be deleted",
        seconds,
        f"{len(old.runs):,} can, {old.referenced_by:,} are referenced",
    )


def _sensor(world: World, documents: list[dict[str, Any]], box: str) -> Iterator[tuple[str, float, str]]:
    new = [bare_item(re.sub("_R008_", "_R051_", name), sensed) for name, sensed in _first(NEW)]
    documents[:] = [*new, *(bare_item(name, sensed) for name, sensed in _first(IN_VIEW - NEW))]
    watch = {"bbox": [float(n) for n in box.split(",")], "from": "2024-01-01", "recent_days": 10, "runs_per_tick": 50}
    world.settings.watch.write_text(yaml.safe_dump(watch), encoding="utf-8")
    cursor = None
    with mock.patch.object(sensors, "_now", lambda: _NOW):
        for name in (f"sensor tick, {NEW} new of {IN_VIEW} in view", "sensor tick, none new", "sensor tick, none new"):
            seconds, result = seconds_of(_tick, world, cursor)
            cursor = result.cursor or cursor
            yield name, seconds, f"{len(result.run_requests or ())} run requests"
            _settle(world, result)


def _tick(world: World, cursor: str | None) -> Any:
    definitions = build_definitions(world.settings)
    with sensor_context(definitions, world.instance, cursor, "watch", "items", "store") as context:
        return build_sensor(1).evaluate_tick(context)


def _settle(world: World, result: Any) -> None:
    """Register the partitions of a tick's result, and add finished runs for its run requests."""
    for request in result.dynamic_partitions_requests or ():
        world.instance.add_dynamic_partitions(SCENES, list(request.partition_keys))
    wanted = [request.partition_key for request in result.run_requests or ()]
    if wanted:
        world.copy_run(wanted, pictures=False)


def _command(world: World, arguments: list[str]) -> str:
    command = [sys.executable, "-m", "lc_assets.cli.main", *arguments]
    done = subprocess.run(command, cwd=world.folder, env=os.environ, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stderr.strip().splitlines()[-1]


def _first(count: int) -> list[tuple[str, Any]]:
    names = scene_names(LAST)
    return [next(names) for _ in range(count)]


def _box(documents: list[dict[str, Any]]) -> str:
    west, south, east, north = (documents or [bare_item(*_first(1)[0])])[0]["bbox"]
    return f"{west - 0.1},{south - 0.1},{east + 0.1},{north + 0.1}"


def _counts(statuses: Any) -> str:
    values = [status.value for status in statuses]
    return ", ".join(f"{values.count(name):,} {name}" for name in dict.fromkeys(values))
