"""Removes files from the store: intermediates of finished scenes, and files that dead processes left behind.

An interrupted removal does no harm. The file that marks a folder as complete (its manifest or its stack) is removed
first. A folder with some files left therefore counts as "not in the store", and the next call removes the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Set
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from lc_assets.core.errors import BadReference, StoreError
from lc_assets.sentinel2.bands.stack import STACK_COG, STACK_VRT
from lc_assets.store.atomic import ABANDONED_SECONDS, is_abandoned
from lc_assets.store.exclusive import exclusive
from lc_assets.store.ids import checked_id
from lc_assets.store.layout import (
    INCOMING_FOLDER,
    ITEM_FILE,
    MANIFEST_FILE,
    SCENES_FOLDER,
    WRITTEN_FOLDERS,
    SceneLayout,
    Store,
)
from lc_assets.store.lease import SECONDS
from lc_assets.store.paths import StorePath, list_files, remove_tree, walk_files
from lc_assets.store.scratch import scratch_dir


class RetentionPolicy(str, Enum):
    """Which intermediates of a finished scene are kept."""

    RAW = "raw"
    """Keep the raw bands, remove the stack."""
    STACK = "stack"
    """Keep the stack. Remove the raw bands if the stack is a COG; a virtual stack reads its pixels from them."""
    NONE = "none"
    """Remove both."""


@dataclass
class Usage:
    """Number of scenes or folders (`places`), files and bytes (`size`) that are removed, or would be."""

    places: int = 0
    files: int = 0
    size: int = 0

    def add(self, files: Collection[tuple[StorePath, int]]) -> None:
        """Add one scene or folder, by its files and their bytes. Without files, nothing is added."""
        self.places += bool(files)
        self.files += len(files)
        self.size += sum(size for _, size in files)


@dataclass
class CleanupPlan:
    """What a cleanup would remove from the store.

    Attributes:
        intermediates, left_overs: how much of each would be removed.
        items: ids of the scenes that have files to remove.
        stages: staging folders of dead processes.
        virtual: number of scenes that keep their raw bands because a virtual stack reads from them.
    """

    intermediates: Usage = field(default_factory=Usage)
    left_overs: Usage = field(default_factory=Usage)
    items: list[str] = field(default_factory=list)
    stages: list[Path] = field(default_factory=list)
    virtual: int = 0


def plan_store(store: Store, finished: Set[str], busy: Set[str], keep: RetentionPolicy | None) -> CleanupPlan:
    """Find the files that may be removed. Nothing is removed.

    Args:
        store: the store to search.
        finished: ids of the scenes whose products exist and are up to date.
        busy: ids of the scenes in use, which are skipped.
        keep: which intermediates are kept; None keeps all.

    Raises:
        StoreError: the store cannot be read.
    """
    plan = CleanupPlan()
    with raise_as_store_error(store):
        started = set(_fetched(store))
        for item in sorted((finished if keep else set()) | started):
            if item in busy:
                continue
            folder = store.scene(item)
            ours = _intermediates(folder, keep) if keep and item in finished else []
            plan.virtual += keep is RetentionPolicy.STACK and item in finished and _is_virtual(folder)
            left = _incoming(folder, is_over=item in finished) if item in started else []
            plan.intermediates.add(ours)
            plan.left_overs.add(left)
            if ours or left:
                plan.items.append(item)
        for stage in _stages(store):
            plan.stages.append(stage)
            plan.left_overs.add(_all_files(stage))
    return plan


def remove(
    folder: SceneLayout,
    keep: RetentionPolicy | None,
    *,
    finished: bool,
    is_busy: Callable[[str], bool],
    lease_seconds: float = SECONDS,
) -> tuple[Usage, Usage] | None:
    """Remove the left-overs of a scene and, if the scene is finished, its intermediates.

    Args:
        folder: the scene's folder.
        keep: which intermediates are kept; None keeps all.
        finished: whether the scene's products exist and are up to date.
        is_busy: returns whether a scene is in use now.
        lease_seconds: a fetch's lease that nobody renews for so long belongs to a dead process.

    Returns:
        How much was removed of the intermediates and of the left-overs; None if the scene is in use by now.

    Raises:
        StoreError: a file cannot be removed. The store stays consistent, and a later call removes the rest.
    """
    with raise_as_store_error(folder), no_fetch(folder, lease_seconds) as free:
        if not free or is_busy(folder.item):
            return None
        files = _intermediates(folder, keep) if keep and finished else []
        for place, _ in files:
            place.unlink(missing_ok=True)
        if files and keep in (RetentionPolicy.RAW, RetentionPolicy.NONE):
            remove_tree(folder.resampled_stack)
        left = _incoming(folder, is_over=finished)
        if left:
            remove_tree(folder.incoming)
    freed, left_files = Usage(), Usage()
    freed.add(files)
    left_files.add(left)
    return freed, left_files


@contextmanager
def no_fetch(folder: SceneLayout, lease_seconds: float = SECONDS) -> Iterator[bool]:
    """Let no process fetch a scene inside the context.

    Yields:
        False if a process fetches it already.

    Raises:
        StoreError: the store cannot be written.
    """
    with ExitStack() as held:
        free = True
        if folder.incoming.parent.is_dir() or folder.lease:  # else no process fetches this scene
            # A killed fetch leaves its lease behind. A lease that nobody renews becomes invalid after `lease_seconds`.
            # The wait is a sixth longer, because it looks at the lease only once a second.
            wait = lease_seconds * 7 / 6 if folder.lease and folder.lease.exists() else 0
            lock = exclusive(
                folder.incoming, folder.item, "raw_bands", folder.lease, wait=wait, lease_seconds=lease_seconds
            )
            try:
                held.enter_context(lock)
            except StoreError as error:
                if not error.transient:
                    raise
                free = False
        yield free


def remove_stage(stage: Path) -> Usage:
    """Remove a staging folder if its process is dead.

    Returns:
        How much was removed; nothing if the folder is still in use.

    Raises:
        StoreError: the folder cannot be removed.
    """
    amount = Usage()
    with raise_as_store_error(stage):
        if is_abandoned(stage):
            amount.add(_all_files(stage))
            remove_tree(stage)
    return amount


def is_finished(folder: SceneLayout) -> bool:
    """Return whether the store holds the class map and the catalog of a scene. Dagster's records are not read."""
    return {folder.classified.name, folder.catalog.name} <= list_files(folder.folder).keys()


def _intermediates(folder: SceneLayout, keep: RetentionPolicy | None) -> list[tuple[StorePath, int]]:
    """(file, bytes) in the order of removal: in each folder, the file that marks it as complete comes first."""
    if keep is None or not is_finished(folder):
        return []
    found: list[tuple[StorePath, int]] = []
    if keep in (RetentionPolicy.RAW, RetentionPolicy.NONE):
        files = sorted(walk_files(folder.resampled_stack), key=lambda file: str(file[0]))
        found += sorted(files, key=lambda file: file[0].name not in (STACK_VRT, STACK_COG))
    if keep is RetentionPolicy.NONE or (
        keep is RetentionPolicy.STACK and STACK_COG in list_files(folder.resampled_stack)
    ):
        files = sorted(walk_files(folder.raw_bands), key=lambda file: str(file[0]))
        # The item is kept: the STAC item among the products was made from it.
        raw = [file for file in files if file[0] != folder.raw_bands / ITEM_FILE]
        found += sorted(raw, key=lambda file: file[0].name != MANIFEST_FILE)
    return found


def _is_virtual(folder: SceneLayout) -> bool:
    return STACK_COG not in list_files(folder.resampled_stack) and MANIFEST_FILE in list_files(folder.raw_bands)


def _incoming(folder: SceneLayout, *, is_over: bool) -> list[tuple[StorePath, int]]:
    """(file, bytes) of an interrupted fetch, unless the next attempt may still resume it."""
    if not folder.incoming.is_dir() or not (is_over or _is_old(folder.incoming)):
        return []
    return _all_files(folder.incoming)


def _all_files(folder: Path) -> list[tuple[StorePath, int]]:
    """(file, bytes) of all files below a folder; the folder itself if it is empty."""
    return list(walk_files(folder)) or [(folder, 0)]


def _fetched(store: Store) -> Iterator[str]:
    """Ids of the scenes with an interrupted fetch. Its files are on this machine, even if the store is not."""
    for incoming in (scratch_dir(store.root) / SCENES_FOLDER).glob(f"*/{INCOMING_FOLDER}"):
        with suppress(BadReference):  # the folder name is not an item id
            yield checked_id(incoming.parent.name)


def _stages(store: Store) -> Iterator[Path]:
    root = scratch_dir(store.root)
    for pattern in (f"{folder}/.*.part" for folder in WRITTEN_FOLDERS):
        yield from (stage for stage in sorted(root.glob(pattern)) if is_abandoned(stage))


def _is_old(place: Path) -> bool:
    """Whether neither the folder nor a file in it changed during the last 24 hours."""
    newest = max([place.stat().st_mtime, *(path.stat().st_mtime for path in place.iterdir())])
    return time.time() - newest > ABANDONED_SECONDS


@contextmanager
def raise_as_store_error(what: Store | SceneLayout | Path) -> Iterator[None]:
    """Raise a `StoreError` in place of an `OSError` inside the context."""
    try:
        yield
    except OSError as error:
        where = what.root if isinstance(what, Store) else what.folder if isinstance(what, SceneLayout) else what
        raise StoreError(
            f"{error.filename or where} cannot be looked at or removed ({error.strerror or error})",
            item=what.item if isinstance(what, SceneLayout) else None,
            remedy="check the permissions there, then run it again: it goes on with what is left",
        ) from None
