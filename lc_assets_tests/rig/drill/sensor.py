"""The sensor when a hundred thousand scenes are known: seconds of a tick."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import yaml

from lc_assets.core.settings import Settings
from lc_assets.defs import sensors
from lc_assets.defs.build import build_definitions
from lc_assets.defs.sensors import build_sensor
from lc_assets.operations.keys import ASSET_NAMES, SCENES
from lc_assets_tests.rig.drill.report import Report
from lc_assets_tests.rig.drill.stage import renew, stopwatch
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import bare_item
from loopback.sensor_tick import sensor_context

KEYS = 100_000
MATERIALISED = 2_000
IN_VIEW, NEW = 250, 40
MOST = 10.0
"""Seconds of a tick. Dagster cuts a tick off after 60."""
_NOW = datetime(2024, 9, 1, 12, tzinfo=timezone.utc)
_PREPARING = 60.0
"""Seconds at most for recording materialisations."""
_AT_ONCE = 5_000
_LETTERS = "ABCDEFGHJKLMNPQRSTUV"


def rehearse(pc: PlanetaryComputer, folder: Path, report: Report) -> None:
    """A tick that finds new items, and one that finds none."""
    documents = [bare_item(name, day) for name, day in itertools.islice(_names(_NOW - timedelta(days=1)), IN_VIEW)]
    renew(pc)
    pc.api.clear()
    pc.api.load(items=documents)
    known = [document["id"] for document in documents[NEW:]]
    older = (name for name, _ in _names(_NOW - timedelta(days=40)))
    keys = [*known, *itertools.islice(older, KEYS - len(known))]
    (folder / "watch.yaml").write_text(yaml.safe_dump(_watch(documents)))
    (folder / "home").mkdir()
    settings = Settings(store=folder / "store", watch=folder / "watch.yaml")
    with (
        dg.DagsterInstance.local_temp(str(folder / "home")) as instance,
        mock.patch.object(sensors, "_now", lambda: _NOW),
    ):
        with stopwatch() as spent:
            for start in range(0, len(keys), _AT_ONCE):
                instance.add_dynamic_partitions(SCENES, keys[start : start + _AT_ONCE])
            materialised = _materialise(instance, keys[:MATERIALISED])
        report.title(f"The sensor with {KEYS:,} known scenes")
        report.say(
            f"{IN_VIEW} items in view, {NEW} of them new; {materialised:,} of the known scenes have materialisations "
            f"of all six assets, those in view among them. (Prepared in {spent[0]:.0f} s.)\n"
        )
        report.table("what", "found", "claimed")
        cursor = None
        for name, new in ((f"a tick with {NEW} new items", NEW), ("a tick without", 0), ("another one", 0)):
            cursor, run, seconds = _tick(settings, instance, cursor)
            report.claim(f"{name}: runs requested", run, run == new, new)
            report.claim(f"{name}: seconds", f"{seconds:.1f}", seconds < MOST, f"< {MOST:.0f}")
    pc.api.clear()


def _tick(settings: Settings, instance: dg.DagsterInstance, cursor: str | None) -> tuple[str | None, int, float]:
    """One tick, and what Dagster does with its result; the new cursor, runs, and seconds of the tick alone."""
    definitions = build_definitions(settings)
    with stopwatch() as spent, sensor_context(definitions, instance, cursor, "watch", "items", "store") as context:
        result = build_sensor(1).evaluate_tick(context)
    for request in result.dynamic_partitions_requests or ():
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(SCENES, list(request.partition_keys))
    job = definitions.resolve_job_def("classify_scenes")
    for wanted in result.run_requests or ():
        tags = {**wanted.tags, "dagster/partition": wanted.partition_key or ""}
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)
    return result.cursor or cursor, len(result.run_requests or ()), spent[0]


def _materialise(instance: dg.DagsterInstance, keys: Sequence[str]) -> int:
    """Record that scenes are classified, as many as the time allows; how many."""
    end = time.monotonic() + _PREPARING
    for number, key in enumerate(keys):
        if time.monotonic() > end:
            return number
        for name in ASSET_NAMES:
            instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=key))
    return len(keys)


def _names(last: datetime) -> Iterator[tuple[str, datetime]]:
    """Ids in the Planetary Computer's manner without end, 400 tiles a day, day after day back from `last`."""
    for day in itertools.count():
        sensed = (last - timedelta(days=day)).replace(hour=10, minute=36, second=29)
        made = sensed + timedelta(hours=5)
        satellite = "AB"[day % 2]
        for zone, first, second in itertools.product((32, 33), _LETTERS[:10], _LETTERS):
            tile = f"{zone}U{first}{second}"
            name = f"S2{satellite}_MSIL2A_{sensed:%Y%m%dT%H%M%S}_R008_T{tile}_{made:%Y%m%dT%H%M%S}"
            yield name, sensed


def _watch(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    west, south, east, north = documents[0]["bbox"]
    box = [west - 0.1, south - 0.1, east + 0.1, north + 0.1]
    return {"bbox": box, "from": "2024-01-01", "recent_days": 10, "runs_per_tick": 50}
