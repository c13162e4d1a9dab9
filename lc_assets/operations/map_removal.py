"""Removes a season map: its files, its partition, and its runs from Dagster's records. Its scenes stay.

The registration, by which the map is found, goes last, so an interrupted removal can be repeated. The first files to go
are the documents, so a map with some files left is none for any reader.
"""

from __future__ import annotations

from contextlib import suppress

import dagster as dg

from lc_assets.core.errors import StoreError
from lc_assets.operations.cleanup import Usage, raise_as_store_error
from lc_assets.operations.keys import FUSE, PARTITION_TAG, SEASON_MAP, SEASON_MAPS
from lc_assets.operations.run_retention import delete_run
from lc_assets.operations.status import waiting_items
from lc_assets.store.atomic import is_abandoned
from lc_assets.store.exclusive import exclusive
from lc_assets.store.layout import Store
from lc_assets.store.paths import is_link, remove_tree, walk_files

_WAIT = 1.0
"""Seconds to wait for a process that writes the map."""


def map_usage(store: Store, name: str) -> Usage:
    """Return the files that the removal of a season map would take away. Of a folder that is a link they are none.

    Raises:
        StoreError: the store cannot be read.
    """
    found, folder = Usage(), store.map(name).folder
    with raise_as_store_error(store):
        found.add([] if is_link(folder) else list(walk_files(folder)))
    return found


def remove_map(store: Store, instance: dg.DagsterInstance, definitions: dg.Definitions, name: str) -> None:
    """Remove the files, the partition and the runs of a season map, but not its registration: see `forget_map`.

    Args:
        store: the store.
        instance: whose partitions and records are changed.
        definitions: definitions that hold the asset `season_map`.
        name: name of the map.

    Raises:
        StoreError: a run makes the map or will make it, and nothing was removed; or a file cannot be removed. A later
            call goes on.
    """
    if name in waiting_items(instance, definitions, SEASON_MAP):
        raise StoreError(
            "a run of it is queued or under way",
            season_map=name,
            remedy="wait until it is finished, or end it in the UI (Runs), then remove it",
            transient=True,
        )
    layout = store.map(name)
    with (
        raise_as_store_error(store),
        exclusive(layout.incoming, name, SEASON_MAP.to_user_string(), layout.lease, wait=_WAIT),
    ):
        instance.delete_dynamic_partition(SEASON_MAPS, name)
        for run in instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: name})):
            if run.job_name == FUSE or SEASON_MAP in (run.asset_selection or ()):  # a scene may have the same name
                delete_run(instance, run.run_id)
        if not is_link(layout.folder):  # of a link, only the link is removed
            for document in (layout.catalog, layout.stac_item):
                with suppress(NotADirectoryError):  # what is there is a file
                    document.unlink(missing_ok=True)
        remove_tree(layout.folder)
        for stage in layout.incoming.parent.glob(f".{name}.*.part"):
            if is_abandoned(stage):
                remove_tree(stage)


def forget_map(store: Store, name: str) -> None:
    """Remove the registration of a season map: nothing of the map is left then.

    Raises:
        StoreError: it cannot be removed.
    """
    with raise_as_store_error(store):
        remove_tree(store.registered_map(name))
