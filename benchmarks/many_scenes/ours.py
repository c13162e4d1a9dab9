"""How long our own commands and the sensor take with many scenes."""

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

import dagster as dg
import yaml

from benchmarks.many_scenes.stac import item
from benchmarks.many_scenes.world import LAST, World, scene_names, seconds_of
from lc_assets.defs import sensors
from lc_assets.defs.build import build_definitions
from lc_assets.defs.sensors import new_sentinel2_items
from lc_assets.inference.loading import read_contract
from lc_assets.operations.backfills import launch_backfill
from lc_assets.operations.keys import SCENES
from lc_assets.operations.run_retention import old_runs
from lc_assets.operations.status import scene_statuses, stale_items, waiting_items

IN_VIEW, NEW, FOUND = 250, 40, 1000
_NOW = LAST + timedelta(days=1, hours=12)


def timed(world: World, documents: list[dict[str, Any]]) -> Iterator[tuple[str, float, str]]:
    """(what, seconds, what came of it), each twice: the first one may have something to remember."""
    definitions = build_definitions(world.settings)
    instance = world.instance
    found = world.keys[:FOUND]
    for time in ("first", "again"):
        seconds, stand = seconds_of(scene_statuses, instance, definitions, found)
        yield f"standings of {FOUND:,} found items, {time}", seconds, _counts(stand.values())
    for time in ("first", "again"):
        seconds, stand = seconds_of(scene_statuses, instance, definitions)
        yield f"standings of all, {time}", seconds, _counts(stand.values())
    for time in ("first", "again"):
        seconds, stale = seconds_of(stale_items, instance, definitions)
        yield f"stale, {time}", seconds, f"{len(stale):,} stale"
    box = _box(documents)
    known = [item(name, sensed) for name, sensed in _first(FOUND)]
    documents[:] = known
    for command in (["search", "--bbox", box, "--datetime", "2024", "--ids"], ["stale"]):
        seconds, said = seconds_of(_command, world, command)
        yield f"command lc-assets {command[0]}, whole process", seconds, said
    yield from _sensor(world, documents, box)
    fingerprint = read_contract()[0].fingerprint
    launch = partial(launch_backfill, fingerprint=fingerprint, config={}, title="1,000 scenes")
    seconds, backfill = seconds_of(launch, instance, definitions, found)
    yield f"launch a backfill of {FOUND:,}", seconds, backfill
    seconds, waiting = seconds_of(waiting_items, instance, definitions)
    yield "which scenes wait, with that backfill", seconds, f"{len(waiting):,} wait"
    seconds, old = seconds_of(old_runs, instance, datetime.now(timezone.utc))
    yield "prune: which run records may go", seconds, f"{len(old.runs):,} may, {old.referenced_by:,} are rested on"


def _sensor(world: World, documents: list[dict[str, Any]], box: str) -> Iterator[tuple[str, float, str]]:
    new = [item(re.sub("_R008_", "_R051_", name), sensed) for name, sensed in _first(NEW)]
    documents[:] = [*new, *(item(name, sensed) for name, sensed in _first(IN_VIEW - NEW))]
    watch = {"bbox": [float(n) for n in box.split(",")], "from": "2024-01-01", "recent_days": 10, "runs_per_tick": 50}
    world.settings.watch.write_text(yaml.safe_dump(watch), encoding="utf-8")
    cursor = None
    with mock.patch.object(sensors, "_now", lambda: _NOW):
        for name in (f"sensor tick, {NEW} new of {IN_VIEW} in view", "sensor tick, none new", "sensor tick, none new"):
            seconds, result = seconds_of(_tick, world, cursor)
            cursor = result.cursor or cursor
            yield name, seconds, f"{len(result.run_requests or ())} runs asked for"
            _settle(world, result)


def _tick(world: World, cursor: str | None) -> Any:
    """As the daemon makes it: with a reference to the instance, which run requests are checked against."""
    definitions = build_definitions(world.settings)
    with dg.SensorEvaluationContext(
        instance_ref=world.instance.get_ref(),
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=cursor,
        log_key=None,
        repository_name=None,
        repository_def=definitions.get_repository_def(),
        instance=world.instance,
        resources={name: (definitions.resources or {})[name] for name in ("watch", "items", "store")},
    ) as context:
        return new_sentinel2_items.evaluate_tick(context)


def _settle(world: World, result: Any) -> None:
    """What the daemon does with a tick's result; the runs are finished at once."""
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
    west, south, east, north = (documents or [item(*_first(1)[0])])[0]["bbox"]
    return f"{west - 0.1},{south - 0.1},{east + 0.1},{north + 0.1}"


def _counts(stand: Any) -> str:
    values = [standing.value for standing in stand]
    return ", ".join(f"{values.count(name):,} {name}" for name in dict.fromkeys(values))
