"""What Dagster's records say of season maps: of which scenes they are made, and whether one was made again since.

A season map has a few of all scenes, and other ones than its neighbour, which no partition mapping of Dagster can say.
So the asset `season_map` has a table of its scenes with their data versions in its metadata, and depends on
`season_scenes` in Dagster's graph, which has the same partitions and which no run makes. When a scene of a map was made
again, or a new one was classified, that is an observation of `season_scenes` with another data version. The map is then
stale in the UI, as any asset that was made of something older.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import dagster as dg

from lc_assets.core.checksum import sha256_of_values
from lc_assets.operations.keys import CLASS_RASTER, SEASON_MAP, SEASON_MAPS, SEASON_SCENES
from lc_assets.operations.records import DATA_VERSION_TAG, INPUT_POINTER_TAG, latest_storage_ids, newest_data_versions
from lc_assets.operations.runs import register
from lc_assets.operations.status import SceneStatus, failed_items, waiting_items
from lc_assets.store.layout import Store
from lc_assets.store.paths import reading

SCENE_TABLE, SCENE_COLUMN, VERSION_COLUMN, NOTE_COLUMN = "scenes", "scene", "data version", "note"
"""The table in the metadata of a season map, and its columns."""
PLAN = "plan"
"""Metadata of a season map: digest of the registration that it was made of."""


@dataclass(frozen=True)
class FusedMap:
    """The newest materialisation of a season map.

    Attributes:
        started: when its run began, in seconds since 1970.
        plan: digest of its registration.
        scenes: item id -> data version of its class map, for all scenes that the registration chose.
        observed: storage id of the last observation of `season_scenes` at that time; 0 if there was none.
    """

    started: float
    plan: str
    scenes: Mapping[str, str]
    observed: int = 0


@dataclass(frozen=True)
class MapStatus:
    """The status of a season map, and why it is stale: one text for each scene, and for its registration."""

    status: SceneStatus
    reasons: list[str] = field(default_factory=list)


def scene_versions(instance: dg.DagsterInstance, items: Collection[str]) -> dict[str, str]:
    """Return item -> data version of its class map; "" where this instance has no record of it."""
    known = newest_data_versions(instance, CLASS_RASTER, items)
    return {item: known.get(item, "") for item in items}


def register_map(instance: dg.DagsterInstance, name: str, plan: str) -> None:
    """Add a season map to the partitions. `plan` is the digest of its registration."""
    if register(instance, [name], SEASON_MAPS):
        # With nothing to compare it with, Dagster would not take the first change of the scenes for one.
        observe_scenes(instance, name, {}, plan)


def observe_scenes(instance: dg.DagsterInstance, name: str, scenes: Mapping[str, str], plan: str) -> None:
    """Note which scenes a season map would be made of now. If they differ from those before, the map is stale.

    Args:
        instance: where it is noted.
        name: name of the map.
        scenes: item id -> data version of its class map.
        plan: digest of the map's registration.
    """
    _observe(instance, name, scenes, sha256_of_values({**scenes, PLAN: plan}))


def observe_as_made(instance: dg.DagsterInstance, name: str, fused: FusedMap) -> None:
    """Note that the scenes of a season map are those that it was made of again: it is no longer stale."""
    then = dg.AssetRecordsFilter(SEASON_SCENES, asset_partitions=[name], before_storage_id=fused.observed + 1)
    for record in instance.fetch_observations(then, limit=1).records:
        seen = record.asset_observation
        if seen and DATA_VERSION_TAG in seen.tags:
            _observe(instance, name, fused.scenes, seen.tags[DATA_VERSION_TAG])


def _observe(instance: dg.DagsterInstance, name: str, scenes: Mapping[str, str], version: str) -> None:
    instance.report_runless_asset_event(
        dg.AssetObservation(
            SEASON_SCENES,
            partition=name,
            metadata={SCENE_TABLE: scene_table(scenes)},
            tags={DATA_VERSION_TAG: version},
        )
    )


def scene_table(scenes: Mapping[str, str], notes: Mapping[str, str] | None = None) -> dg.TableMetadataValue:
    """Return the table of a map's scenes.

    Args:
        scenes: item id -> data version of its class map.
        notes: item id -> why the map was made without it, for the scenes that were left out.
    """
    notes = notes or {}
    rows = [
        dg.TableRecord({SCENE_COLUMN: item, VERSION_COLUMN: version, NOTE_COLUMN: notes.get(item, "")})
        for item, version in sorted(scenes.items())
    ]
    columns = [dg.TableColumn(name) for name in (SCENE_COLUMN, VERSION_COLUMN, NOTE_COLUMN)]
    return dg.MetadataValue.table(rows, schema=dg.TableSchema(columns))


def fused_map(instance: dg.DagsterInstance, name: str) -> FusedMap | None:
    """Return the newest materialisation of a season map; None if there is none."""
    wanted = dg.AssetRecordsFilter(asset_key=SEASON_MAP, asset_partitions=[name])
    records = instance.fetch_materializations(wanted, limit=1).records
    made = records[0].asset_materialization if records else None
    if made is None:
        return None
    seconds = made.metadata["seconds"].value if "seconds" in made.metadata else 0.0
    plan = made.metadata[PLAN].value if PLAN in made.metadata else ""
    table = made.metadata.get(SCENE_TABLE)
    rows = [record.data for record in table.records] if isinstance(table, dg.TableMetadataValue) else []
    return FusedMap(
        started=records[0].timestamp - (float(seconds) if isinstance(seconds, int | float) else 0.0),
        plan=str(plan),
        scenes={str(row[SCENE_COLUMN]): str(row[VERSION_COLUMN] or "") for row in rows},
        observed=int((made.tags or {}).get(INPUT_POINTER_TAG + SEASON_SCENES.to_user_string(), 0)),
    )


def changed_scenes(instance: dg.DagsterInstance, fused: FusedMap) -> tuple[list[str], list[str]]:
    """Compare the scenes of a map with what they are now.

    Returns:
        changed: scenes whose class map has another data version now.
        removed: scenes whose class map has no record any more. (One that had none when the map was made is unchanged.)
    """
    now = scene_versions(instance, list(fused.scenes))
    changed = [item for item, version in fused.scenes.items() if now[item] and now[item] != version]
    return changed, [item for item, version in fused.scenes.items() if version and not now[item]]


def fused_maps(instance: dg.DagsterInstance) -> dict[str, FusedMap]:
    """Return name -> newest materialisation of all season maps. Those that were never made are left out."""
    fused = {name: fused_map(instance, name) for name in instance.get_dynamic_partitions(SEASON_MAPS)}
    return {name: made for name, made in fused.items() if made}


def map_statuses(
    instance: dg.DagsterInstance, definitions: dg.Definitions, store: Store, plans: Mapping[str, str]
) -> dict[str, MapStatus]:
    """Return name -> status of all season maps.

    Args:
        instance: whose records are read.
        definitions: definitions that hold the asset `season_map`.
        store: where the maps are. A map that is registered there and has no folder is missing.
        plans: name -> digest of the registration, see `lc_assets.products.season_map.plan.plan_digests`.

    Raises:
        StoreError: the store cannot be listed.
    """
    asked = instance.get_dynamic_partitions(SEASON_MAPS)
    made = latest_storage_ids(instance, SEASON_MAP, asked)
    failed = failed_items(instance, definitions, asked, made, SEASON_MAP)
    waiting = waiting_items(instance, definitions, SEASON_MAP) if asked else set()
    with reading(store.root):
        gone = {*store.registered_maps()} - {*store.map_names()} if made else set[str]()
    found = {}
    for name in asked:
        fused = fused_map(instance, name) if name in made and name not in gone else None
        reasons = _why_stale(instance, fused, plans.get(name)) if fused else []
        if name in waiting:
            status = SceneStatus.WAITING
        elif name in failed:
            status = SceneStatus.FAILED
        elif reasons:
            status = SceneStatus.STALE
        else:
            status = SceneStatus.DONE if fused else SceneStatus.MISSING
        found[name] = MapStatus(status, reasons)
    return found


def _why_stale(instance: dg.DagsterInstance, fused: FusedMap, plan: str | None) -> list[str]:
    changed, removed = changed_scenes(instance, fused)
    reasons = [f"{item} was made again since" for item in changed]
    reasons += [f"{item} was removed since" for item in removed]
    if plan is not None and fused.plan != plan:
        reasons.append("its area, period or another part of its registration was changed since")
    return reasons
