"""Removes a scene: from the store, from the partitions, and what Dagster's records say of it.

The order lets an interrupted removal be repeated: the registered item, by which the scene is found, goes last. The
first files to go are the documents, so a scene with some files left is none for any reader.

Dagster cannot wipe the materialisations of one partition (1.13.27). It can delete the events of a run, and a run makes
one scene. So the events of all runs of the scene are deleted, and all runs but the newest. That one stays without its
events, with the tag `lc_assets/removed`: it says that the scene is not new, so the sensor and a search do not take it
again. A command that names the scene does. Materialisations that a person reported without a run stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

import dagster as dg

from lc_assets.core.errors import StoreError
from lc_assets.operations.cleanup import Usage, no_fetch, raise_as_store_error
from lc_assets.operations.keys import BACKFILL_TAG, CLASSIFY, FUSE, PARTITION_TAG, REMOVED_TAG, SCENES, SEASON_MAP
from lc_assets.operations.run_retention import InUse, delete_run, unfinished_backfills
from lc_assets.operations.season_maps import FusedMap, changed_scenes, observe_scenes
from lc_assets.store.atomic import is_abandoned
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.lease import SECONDS
from lc_assets.store.paths import StorePath, is_link, remove_tree, walk_files
from lc_assets.store.scratch import scratch_dir


@dataclass
class SceneRemoval:
    """What a removal of a scene takes away.

    Attributes:
        item: item id.
        files: files of the scene in the store, and in the scratch folder of this machine.
        is_partition: whether it is a partition of this Dagster instance.
        runs: number of its runs.
        maps: names of the season maps that were made of it, which become stale.
    """

    item: str
    files: Usage = field(default_factory=Usage)
    is_partition: bool = False
    runs: int = 0
    maps: list[str] = field(default_factory=list)


def plan_removal(store: Store, instance: dg.DagsterInstance, item: str, maps: Mapping[str, FusedMap]) -> SceneRemoval:
    """Return what the removal of a scene would take away. Nothing is removed.

    Args:
        store: the store.
        instance: whose partitions and records would be changed.
        item: item id.
        maps: all season maps, by name.

    Raises:
        StoreError: the store cannot be read.
    """
    plan = SceneRemoval(item)
    layout = store.scene(item)
    with raise_as_store_error(layout):
        plan.files.add(list(_files(store, layout)))
    plan.is_partition = bool(instance.get_existing_dynamic_partitions(SCENES, [item]))
    plan.runs = len(_runs(instance, item))
    plan.maps = sorted(name for name, fused in maps.items() if item in fused.scenes)
    return plan


def remove_scene(
    store: Store,
    instance: dg.DagsterInstance,
    in_use: InUse,
    item: str,
    maps: Mapping[str, FusedMap],
    *,
    lease_seconds: float = SECONDS,
) -> None:
    """Remove the files, the partition and the records of a scene, but not its registered item: see `forget_item`.

    Args:
        store: the store.
        instance: whose partitions and records are changed.
        in_use: tells whether the scene is in use.
        item: item id.
        maps: all season maps, by name; those that were made of the scene become stale.
        lease_seconds: a fetch's lease that nobody renews for so long belongs to a dead process.

    Raises:
        StoreError: the scene is in use, and nothing was removed; or a file cannot be removed. A later call goes on.
    """
    layout = store.scene(item)
    with raise_as_store_error(layout), no_fetch(layout, lease_seconds) as free:
        if not free:
            raise _busy(item, "a process is fetching it")
        _check_unused(layout, instance, in_use)
        instance.delete_dynamic_partition(SCENES, item)
        try:
            _check_unused(layout, instance, in_use)  # a run may have begun before the partition was gone
        except StoreError:
            instance.add_dynamic_partitions(SCENES, [item])
            raise
        _remove_records(instance, item)
        _note_for_maps(instance, item, maps)
        _remove_files(store, layout)


def forget_item(store: Store, item: str) -> None:
    """Remove the registered item of a scene: nothing of the scene is left then.

    Raises:
        StoreError: it cannot be removed.
    """
    with raise_as_store_error(store):
        store.registered(item).unlink(missing_ok=True)


def _check_unused(layout: SceneLayout, instance: dg.DagsterInstance, in_use: InUse) -> None:
    """Raise a StoreError if a scene is in use."""
    item = layout.item
    if in_use(item):
        raise _busy(item, "a run of it is queued or under way, or a backfill will run it")
    backfills = unfinished_backfills(instance)
    if any(run.tags.get(BACKFILL_TAG) in backfills for run in _runs(instance, item)):
        raise _busy(item, "the backfill that ran it is not finished")
    if any(not is_abandoned(stage) for stage in _stages(layout)):
        raise _busy(item, "a process is writing its files")


def _busy(item: str, why: str) -> StoreError:
    return StoreError(
        why, item=item, remedy="wait until it is finished, or end it in the UI (Runs), then remove it", transient=True
    )


def _runs(instance: dg.DagsterInstance, item: str) -> list[dg.DagsterRun]:
    """The runs of a scene, newest first. A season map may have the same name, so its runs are left out."""
    runs = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: item}))
    return [run for run in runs if run.job_name != FUSE and SEASON_MAP not in (run.asset_selection or ())]


def _remove_records(instance: dg.DagsterInstance, item: str) -> None:
    """Remove the materialisations of a scene, and mark it as removed."""
    newest, *others = _runs(instance, item) or [_note(instance, item)]
    for run in others:
        delete_run(instance, run.run_id)
    instance.compute_log_manager.delete_logs(prefix=[newest.run_id])
    instance.event_log_storage.delete_events(newest.run_id)
    instance.add_run_tags(newest.run_id, {REMOVED_TAG: f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M}"})


def _note_for_maps(instance: dg.DagsterInstance, item: str, maps: Mapping[str, FusedMap]) -> None:
    """Note for the season maps that were made of a scene that they would be made without it now."""
    for name, fused in maps.items():
        if item in fused.scenes:
            gone = {item, *changed_scenes(instance, fused)[1]}
            left = {scene: version for scene, version in fused.scenes.items() if scene not in gone}
            observe_scenes(instance, name, left, fused.plan)


def _note(instance: dg.DagsterInstance, item: str) -> dg.DagsterRun:
    """Add a cancelled run of a scene that never had one, so that the sensor does not take the scene for a new one."""
    run = dg.DagsterRun(
        job_name=CLASSIFY, run_id=str(uuid4()), status=dg.DagsterRunStatus.CANCELED, tags={PARTITION_TAG: item}
    )
    return instance.add_run(run)


def _remove_files(store: Store, layout: SceneLayout) -> None:
    """Remove all files of a scene but its registered item, documents first. The lease is its holder's."""
    documents_first = sorted(_files(store, layout), key=lambda file: (not file[0].name.endswith(".json"), str(file[0])))
    for path, _ in documents_first:
        if path not in (layout.lease, store.registered(layout.item)):
            path.unlink(missing_ok=True)
    for folder in (*_stages(layout), scratch_dir(layout.folder)):
        remove_tree(folder)


def _files(store: Store, layout: SceneLayout) -> Iterator[tuple[StorePath, int]]:
    """(file, bytes) of all files of a scene: in the store, and those of this machine that are not there yet."""
    if not is_link(layout.folder):  # of a link, only the link is removed
        yield from walk_files(layout.folder)
    scratch = scratch_dir(layout.folder)
    if scratch != layout.folder:
        yield from walk_files(scratch)
    for stage in _stages(layout):
        if scratch not in stage.parents:
            yield from walk_files(stage)
    item = store.registered(layout.item)
    if item.exists():
        yield item, item.stat().st_size


def _stages(layout: SceneLayout) -> list[Path]:
    """Staging folders of the scene's files, on this machine."""
    scratch = scratch_dir(layout.folder)
    beside = scratch.parent.glob(f".{layout.item}.*.part")
    return [*beside, *scratch.glob(".*.part"), *scratch.glob("agreement/.*.part")]
