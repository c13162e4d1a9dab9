"""season_maps_again: fuses a season map again when scenes of its area were classified, at most once a day.

The sensor reads the records of the scenes that were classified since its last tick, and asks for each registered map
whether they are among its scenes. So a tick costs what is new, not what the store holds. A scene that a map does not
have in its table of scenes, with the data version that it has now, is due until the map has it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import dagster as dg

from lc_assets.core.errors import LandCoverError
from lc_assets.core.wording import quantity
from lc_assets.defs.assets.season_map import season_map
from lc_assets.defs.resources import StoreResource, WatchResource
from lc_assets.operations.keys import CATALOG, FUSE, PARTITION_TAG
from lc_assets.operations.records import materializations
from lc_assets.operations.season_maps import fused_map, observe_as_made, observe_scenes, register_map, scene_versions
from lc_assets.operations.watch import WatchConfig
from lc_assets.products.season_map.grid import check_area, utm_zone
from lc_assets.products.season_map.plan import MapPlan, read_plan, select_scenes, write_plan
from lc_assets.raster.polygons import box_polygon
from lc_assets.store.layout import Store
from lc_assets.store.paths import read_json_object

ONCE_SECONDS = 24 * 3600.0
"""Shortest time between two runs of a map that the sensor launches."""
OVERLAP_SECONDS = 600.0
"""Records of this time before the last tick are read again: a database may show a record later than another one."""

fuse_season_map = dg.define_asset_job(
    FUSE,
    selection=dg.AssetSelection.assets(season_map),
    description="Fuse one season map from the scenes that are classified now.",
)


@dataclass
class _Cursor:
    """What a tick knows of the ticks before.

    Attributes:
        until: time of the last tick, in seconds since 1970; None before the first.
        due: name of a map -> scenes that it does not have yet, with their data versions.
    """

    until: float | None = None
    due: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None) -> _Cursor:
        try:
            return cls(**json.loads(text or "{}"))
        except (ValueError, TypeError):
            return cls()


@dg.sensor(
    job=fuse_season_map,
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Fuses a season map again when scenes of its area were classified or made again, at most once a day.",
)
def season_maps_again(
    context: dg.SensorEvaluationContext, store: StoreResource, watch: WatchResource
) -> dg.SensorResult:
    """Return the run requests of one tick: one for each map that is due and had no run for a day.

    A map that cannot be read, or a wrong watch file, is named in the reason for the skip and in the log of the tick.
    The other maps are looked at all the same.

    Raises:
        LandCoverError: no map can be read, and one is wrong. Dagster shows the tick as failed.
    """
    try:
        return _tick(context, store.store(), watch)
    except OSError as error:
        return dg.SensorResult(skip_reason=f"the store cannot be read ({error.strerror or error}); the next tick tries")


def _tick(context: dg.SensorEvaluationContext, store: Store, watch: WatchResource) -> dg.SensorResult:
    instance, now, before = context.instance, time.time(), _Cursor.read(context.cursor)
    plans, faults = {}, {}
    try:
        watched = _register_watched(store, watch)
    except LandCoverError as fault:
        watched, faults["watch.yaml"] = None, fault
    for name in store.registered_maps():
        try:
            plans[name] = read_plan(store, name)
        except LandCoverError as fault:
            faults[name] = fault
    for name, why in faults.items():
        context.log.error(f"{name}: {why}")
    if faults and not plans:
        raise next(iter(faults.values()))
    made = {name: fused_map(instance, name) for name in plans}
    starts = [fused.started for fused in made.values() if fused]
    since = min(starts, default=now) if before.until is None else before.until - OVERLAP_SECONDS
    news = _news(instance, store, plans, since)
    due: dict[str, dict[str, str]] = {}
    for name, plan in plans.items():
        noted, has = before.due.get(name, {}), made[name]
        if has and has.plan != plan.digest:  # it is the map of another registration
            has = None
        if has is None and (name == watched or before.until is None):
            news[name] |= dict.fromkeys(islice(select_scenes(store, plan), 1), "")
        due[name] = _missing(store, has.scenes if has else {}, {**noted, **news[name]})
        if due[name].items() - noted.items():
            register_map(instance, name, plan.digest)
            observe_scenes(instance, name, {**(has.scenes if has else {}), **due[name]}, plan.digest)
        elif has and noted and not due[name]:  # it was made again, or its scenes are as before
            observe_as_made(instance, name, has)
    due = {name: scenes for name, scenes in due.items() if scenes}
    ready = [name for name in due if _last_run(instance, name) < now - ONCE_SECONDS]
    return dg.SensorResult(
        run_requests=[dg.RunRequest(partition_key=name) for name in ready],
        skip_reason=None if ready else _reason(plans, due, faults),
        cursor=json.dumps(asdict(_Cursor(now, due))),
    )


def watched_plan(watched: WatchConfig, file: Path) -> MapPlan:
    """Return the plan of the season map that a watch file names.

    Raises:
        LandCoverError: the map has no area or no first day, or its area cannot be mapped.
    """
    area = box_polygon(*watched.bbox) if watched.bbox else watched.polygons(file)
    if area is None or watched.begin is None:
        raise LandCoverError(
            f"the map {watched.map} of {file} has no {'area' if area is None else 'first day'}",
            remedy="give bbox or geometry, and from",
        )
    plan = MapPlan(area, utm_zone(area), f"{watched.begin}/{watched.to or '..'}", watched.max_cloud)
    check_area(area.to(plan.crs))
    return plan


def _register_watched(store: Store, watch: WatchResource) -> str | None:
    """Register the map of the watch file if it is new or was changed, and return its name then.

    Raises:
        LandCoverError: the file is not valid, or its map cannot be made.
    """
    watched = watch.watch() if watch.path.exists() else None
    if watched is None or watched.map is None:
        return None
    plan = watched_plan(watched, watch.path)
    registered = store.registered_map(watched.map)
    if registered.exists() and registered.read_bytes() == plan.written():
        return None
    write_plan(store, watched.map, plan)
    return watched.map


def _news(
    instance: dg.DagsterInstance, store: Store, plans: dict[str, MapPlan], since: float
) -> dict[str, dict[str, str]]:
    """Return map -> its scenes that were catalogued since a time, with the data versions of their class maps."""
    found: dict[str, dict[str, str]] = {name: {} for name in plans}
    items = dict.fromkeys(_catalogued(instance, since)) if plans else {}
    filters = {name: plan.scene_filter() for name, plan in plans.items()} if items else {}
    for item in items:
        document = read_json_object(store.registered(item))
        for name, is_one in filters.items():
            if document is not None and is_one(document):
                found[name][item] = ""
    versions = scene_versions(instance, list({item for scenes in found.values() for item in scenes}))
    return {name: {item: versions[item] for item in scenes} for name, scenes in found.items()}


def _catalogued(instance: dg.DagsterInstance, since: float) -> Iterator[str]:
    found = materializations(instance, dg.AssetRecordsFilter(asset_key=CATALOG, after_timestamp=since))
    return (record.partition_key for record in found if record.partition_key)


def _missing(store: Store, has: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Return those of the found scenes that a map does not have with this data version, and that have a class map.

    Args:
        store: the store of the scenes.
        has: item id -> data version of the scenes of the map.
        found: item id -> data version now; "" is any.
    """
    return {
        item: version
        for item, version in found.items()
        if (item not in has or (version and has[item] != version)) and store.scene(item).classified.exists()
    }


def _last_run(instance: dg.DagsterInstance, name: str) -> float:
    """Return when the last run of a map was created, in seconds since 1970; 0 if there was none."""
    wanted = dg.RunsFilter(tags={PARTITION_TAG: name})
    records = instance.get_run_records(wanted, limit=1)
    return records[0].create_timestamp.timestamp() if records else 0.0


def _reason(plans: dict[str, MapPlan], due: dict[str, dict[str, str]], faults: dict[str, LandCoverError]) -> str:
    """Return why nothing is run."""
    words = [f"{name}: {error}" for name, error in faults.items()]
    words += [
        f"{name} had a run in the last 24 hours, and has {quantity(len(scenes), 'scene')} to add"
        for name, scenes in due.items()
    ]
    rest = len(plans) - len(due)
    if rest:
        words.append(f"{quantity(rest, 'map')} without a new scene")
    return "; ".join(words) or "no season map is registered: `lc-assets map` makes one"
