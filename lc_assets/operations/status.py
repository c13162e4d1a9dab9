"""The status of each scene: done, missing, failed, stale, ... `search`, `backfill` and `stale` print it.

Dagster stores the code version with each materialisation. `lc_assets.defs.build` makes the model's fingerprint a part
of class_raster's code version, so a map of another model is stale. Dagster also stores the data version, and those of
the assets that it was made of: what was made of an older version is stale (`lc_assets.defs.io_managers.base`). The UI
shows the same status per partition. This module reads the ids of records, and only for the requested scenes. Dagster's
own function (`get_status_by_partition`) reads all partition keys several times, and starts again whenever a key is
added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum

import dagster as dg

from lc_assets.operations.dagster_private import NOT_FINISHED_STATUSES, BulkActionsFilter, BulkActionStatus
from lc_assets.operations.failed_checks import failed_checks
from lc_assets.operations.keys import (
    CATALOG,
    CLASS_RASTER,
    CLASSIFY,
    FUSE,
    PARTITION_TAG,
    REMOVED_TAG,
    SCENE_ASSETS,
    SCENES,
    SEASON_MAP,
)
from lc_assets.operations.records import code_versions, data_versions, latest_storage_ids, pages
from lc_assets.store.layout import Store
from lc_assets.store.paths import reading


class SceneStatus(Enum):
    """The status of a scene. The values are the words that the commands print."""

    NEW = "new"
    """Not registered."""
    REMOVED = "removed"
    """Removed by `lc-assets remove`, and not registered since. Only a command that names the scene runs it again."""
    MISSING = "missing"
    """Registered, but never completed, or its folder was deleted."""
    WAITING = "waiting"
    """Queued or running."""
    FAILED = "failed"
    """The last run failed, before it made the last asset or in a check of it."""
    STALE = "stale"
    """The map was made by another model than the configured one, or by older code, or an asset was made of an older
    version of another one."""
    DONE = "done"


_JOBS = {CATALOG: CLASSIFY, SEASON_MAP: FUSE}
"""The jobs that make the last asset of a scene, and a season map."""
NEEDS_RUN = (SceneStatus.NEW, SceneStatus.MISSING, SceneStatus.FAILED, SceneStatus.STALE)
"""The scenes that a backfill runs by default."""


def scene_statuses(
    instance: dg.DagsterInstance, definitions: dg.Definitions, store: Store, items: Iterable[str] | None = None
) -> dict[str, SceneStatus]:
    """Return item -> status.

    Args:
        instance: whose records are read.
        definitions: the current definitions. A map that was made with another code version is stale.
        store: where the maps are. It is listed only if a record says that there is one.
        items: item ids; None means all registered items, in the order of the partitions.

    Raises:
        StoreError: the store cannot be listed.
    """
    if items is None:
        asked = known = list(instance.get_dynamic_partitions(SCENES))
    else:
        asked = list(dict.fromkeys(items))
        registered = instance.get_existing_dynamic_partitions(SCENES, asked)
        known = [item for item in asked if item in registered]
    here = set(known)
    newest = _newest(instance, known)
    mapped = newest[CATALOG]
    failed = failed_items(instance, definitions, known, mapped)
    outdated = _outdated(instance, definitions, newest, known)
    waiting = waiting_items(instance, definitions) if known else set()
    removed = removed_items(instance, [item for item in asked if item not in here])
    # A scene that is not registered in this store either may be in another one, so its record counts.
    with reading(store.root):
        gone = store.scenes_without_folder() if mapped or outdated else set[str]()

    def status_of(item: str) -> SceneStatus:
        if item not in here:
            return SceneStatus.REMOVED if item in removed else SceneStatus.NEW
        if item in waiting:
            return SceneStatus.WAITING
        if item in failed:
            return SceneStatus.FAILED
        if item in gone:
            return SceneStatus.MISSING
        if item in outdated:
            return SceneStatus.STALE
        return SceneStatus.DONE if item in mapped else SceneStatus.MISSING

    return {item: status_of(item) for item in asked}


def run_seconds(instance: dg.DagsterInstance, items: Collection[str]) -> dict[str, float]:
    """Return item -> seconds of its newest run that made its `catalog`. Items without one are left out.

    A run without times, which was not finished, is left out too.
    """
    found: dict[str, float] = {}
    for page in pages(latest_storage_ids(instance, CATALOG, items).keys()):
        chosen = dg.RunsFilter(tags={PARTITION_TAG: page}, statuses=[dg.DagsterRunStatus.SUCCESS])
        for record in instance.get_run_records(chosen):  # newest first
            run = record.dagster_run
            if _makes(run, CATALOG) and record.start_time and record.end_time:
                found.setdefault(run.tags[PARTITION_TAG], record.end_time - record.start_time)
    return found


def stale_items(instance: dg.DagsterInstance, definitions: dg.Definitions) -> list[str]:
    """Return the registered items whose newest class map has another code version than class_raster in `definitions`,
    or of which an asset was made of an older version of another one.

    The items are in the order of the partitions. Queued and running runs make no difference. Items without a map are
    missing, not stale.
    """
    outdated = _outdated(instance, definitions, _newest(instance))
    return [item for item in instance.get_dynamic_partitions(SCENES) if item in outdated]


def removed_items(instance: dg.DagsterInstance, items: Sequence[str]) -> set[str]:
    """Return those of some unregistered items that `lc-assets remove` has removed."""
    found: set[str] = set()
    for page in pages(items):
        runs = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: page}))
        found.update(run.tags[PARTITION_TAG] for run in runs if REMOVED_TAG in run.tags)
    return found


def waiting_items(instance: dg.DagsterInstance, definitions: dg.Definitions, asset: dg.AssetKey = CATALOG) -> set[str]:
    """Return the items whose `asset` a queued or running run, or an unfinished backfill, will still make."""
    waiting = {run.tags.get(PARTITION_TAG, "") for run in unfinished_runs(instance) if _makes(run, asset)}
    for backfill in instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])):
        if backfill.partition_names is not None:
            if backfill.job_name != _JOBS[asset]:
                continue
            names = list(backfill.partition_names)
            done = backfill.last_submitted_partition_name
            waiting.update(names[names.index(done) + 1 :] if done in names else names)
            continue
        data = backfill.get_asset_backfill_data(definitions.resolve_asset_graph())
        left = data.target_subset - data.requested_subset
        if asset in left.asset_keys:
            waiting.update(left.get_partitions_subset(asset).get_partition_keys())
    return waiting


def unfinished_runs(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    """Return the queued and the running runs."""
    return instance.get_runs(dg.RunsFilter(statuses=[*NOT_FINISHED_STATUSES]))


def _makes(run: dg.DagsterRun, asset: dg.AssetKey) -> bool:
    return run.job_name == _JOBS[asset] or asset in (run.asset_selection or ())


def failed_items(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    items: Collection[str],
    mapped: Mapping[str, int],
    asset: dg.AssetKey = CATALOG,
) -> set[str]:
    """Return the items whose last planned run for an asset failed before it made the asset, or in a check of the asset.
    A cancelled run did not fail.

    Args:
        instance: whose records are read.
        definitions: definitions that hold the asset's checks.
        items: partition keys of the asset.
        mapped: item -> storage id of its newest materialisation of the asset.
        asset: the asset; by default the last one of a scene.
    """
    planned = latest_storage_ids(instance, asset, items, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    missed = {record: item for item, record in planned.items() if record > mapped.get(item, 0)}
    runs: dict[str, list[str]] = defaultdict(list)  # a run of a backfill that a user started may hold several scenes
    for page in pages(missed.keys()):
        chosen = dg.EventRecordsFilter(
            dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, asset_key=asset, storage_ids=page
        )
        for record in instance.event_log_storage.get_event_records(chosen, limit=len(page)):
            runs[record.run_id].append(missed[record.storage_id])
    failed: set[str] = set()
    for named in pages(runs.keys()):
        over = dg.RunsFilter(run_ids=named, statuses=[dg.DagsterRunStatus.FAILURE])
        failed.update(item for run in instance.get_runs(over) for item in runs[run.run_id])
    keys = [key for key in definitions.resolve_asset_graph().asset_check_keys if key.asset_key == asset]
    for item, checks in failed_checks(instance, keys).items():
        if item in items and not all(check.is_warning for check in checks):
            failed.add(item)
    return failed


def _newest(instance: dg.DagsterInstance, items: Collection[str] | None = None) -> dict[dg.AssetKey, Mapping[str, int]]:
    """Asset -> item -> storage id of its newest materialisation."""
    return {key: latest_storage_ids(instance, key, items) for key in SCENE_ASSETS}


def _outdated(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    newest: Mapping[dg.AssetKey, Mapping[str, int]],
    items: Collection[str] | None = None,
) -> set[str]:
    """Items whose newest class map has another code version than class_raster in `definitions`, or of which an asset
    was made of an older version of another one."""
    graph = definitions.resolve_asset_graph()
    current = graph.get(CLASS_RASTER).code_version
    found = {item for item, version in code_versions(instance, CLASS_RASTER, items).items() if version != current}
    for key in SCENE_ASSETS:
        for source in graph.get(key).parent_keys:
            # An asset that is newer than its source was made of it. Only where the source is newer, records are read.
            later = {
                item: (newest[key][item], record)
                for item, record in newest[source].items()
                if item not in found and record > newest[key].get(item, record)
            }
            made_of = data_versions(instance, key, [of for of, _ in later.values()], of=source)
            there = data_versions(instance, source, [of for _, of in later.values()])
            found |= {item for item, (of, its) in later.items() if made_of.get(of) != there.get(its)}
    return found
