"""Updates the collection: adds new and changed items, or rebuilds it from the store.

`<store>/collection/items.parquet` is replaced as a whole, and only if it is still the file that was read. If another
writer was faster, the update reads the file again and repeats its part. The metadata of the file contain the position
up to which Dagster's records were processed, so items and position change together. `collection.json` and the store's
`catalog.json` are written afterwards, from the same content. If a writer dies in between, the next one writes them. No
scene waits for an update.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lc_assets.core.errors import StoreError, printable
from lc_assets.products.collection.extras import check_tools
from lc_assets.products.collection.parquet import SchemaConflict, ids, merge, read_collection, write_rows
from lc_assets.products.collection.rows import read_rows
from lc_assets.products.collection.scratch import scratch
from lc_assets.products.stac.store_catalog import publish_catalog
from lc_assets.store import paths
from lc_assets.store.ids import is_id
from lc_assets.store.layout import COLLECTION_FILE, INDEX_FILE, Store
from lc_assets.store.product_layout import MAP_SUFFIX

_BATCH = 1000
"""Number of items in memory at the same time."""
_TRIES = 8
_UNREADABLE = (
    *(FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError),
    *(AttributeError, OverflowError, RecursionError),
)
"""Exceptions while reading a `collection.json` that is missing, or was not written by lc_assets."""
_POSITIONS = 16
"""Number of Dagster instances whose position is stored."""

Positions = Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """The scenes that an update reads, and the position afterwards.

    Attributes:
        scenes: ids of the scenes; None means all scenes of the store.
        positions: new positions to store, by a name that the caller chooses (`defs` uses the id of the instance).
    """

    scenes: Sequence[str] | None
    positions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class UpdateSummary:
    """The result of an update.

    Attributes:
        collection: the Collection document.
        size: bytes of the index.
        rebuilt: whether all scenes of the store were read.
        faulty: scene id -> why its document cannot be used. The earlier row of such a scene is kept.
        added, changed, removed: numbers of items.
        seconds: time of all attempts.
        attempts: number of attempts; more than one if another writer was faster.
    """

    collection: dict[str, Any]
    size: int
    rebuilt: bool = False
    faulty: dict[str, str] = field(default_factory=dict)
    added: int = 0
    changed: int = 0
    removed: int = 0
    seconds: float = 0.0
    attempts: int = 1

    @property
    def items(self) -> int:
        """Number of items."""
        return int(self.collection["lc:items"])

    @property
    def unchanged(self) -> int:
        """Number of items that are as they were."""
        return self.items - self.added - self.changed


def read_positions(store: Store) -> Positions | None:
    """Return the positions of the index from `collection.json`; None if there is no collection yet.

    Raises:
        OSError: the store cannot be read.
    """
    try:
        document = json.loads((store.collection / COLLECTION_FILE).read_text(encoding="utf-8"))
        return dict(document["lc:index"]["positions"])
    except _UNREADABLE:
        return None


def update(
    store: Store, changes_since: Callable[[Positions | None], Changes], *, rebuild: bool = False
) -> UpdateSummary:
    """Update the collection.

    Args:
        changes_since: returns the changes since the given positions; for None it returns all scenes.
        rebuild: read all scenes.

    Raises:
        LandCoverError: rustac or DuckDB is not installed.
        StoreError: the store cannot be read or written, it has no map, or other writers were faster at each attempt.
    """
    check_tools()
    started = time.perf_counter()
    with updating(store):
        for attempt in range(1, _TRIES + 1):
            with scratch(store) as work:
                done = _attempt(store, changes_since, rebuild, work)
            if done:
                return replace(done, seconds=time.perf_counter() - started, attempts=attempt)
            time.sleep(random.uniform(0.1, 0.5) * attempt)
    raise StoreError(
        f"another writer changed the collection in {store.collection} during each of {_TRIES} attempts",
        remedy="run one writer at a time; run it again when the others have finished",
        transient=True,
    )


@contextmanager
def updating(store: Store) -> Iterator[None]:
    """Raise an `OSError` of the body, which reads and writes the collection, as a `StoreError`."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the collection in {store.collection} cannot be updated ({error.strerror or error})",
            remedy="check that the store can be reached and written, then run it again",
            transient=True,
        ) from None


def fetch(store: Store, work: Path) -> tuple[Path | None, str | None]:
    """Copy the index into `work`. Return the path of the copy and the ETag of the index; (None, None) without an index.

    Raises:
        OSError: the index cannot be read.
    """
    index = store.collection / INDEX_FILE
    while True:
        version = paths.etag(index)
        if version is None:
            return None, None
        copy = work / INDEX_FILE
        copy.write_bytes(index.read_bytes())
        if paths.etag(index) == version:
            return copy, version


def _attempt(
    store: Store, changes_since: Callable[[Positions | None], Changes], rebuild: bool, work: Path
) -> UpdateSummary | None:
    """Read, merge and write once. Return None if another writer was faster."""
    old, version = fetch(store, work)
    before: dict[str, Any] = {}
    try:
        before = read_collection(old) if old else {}
    except StoreError:
        if not rebuild:
            raise
        old = None  # damaged: it is replaced
    state = before.get("lc:index", {})
    changes = changes_since(None if rebuild or not before else state.get("positions", {}))
    # This instance comes last. The instances with the oldest updates come first and are dropped.
    others = {name: at for name, at in state.get("positions", {}).items() if name not in changes.positions}
    positions = {**others, **changes.positions}
    if before and changes.scenes is not None and not changes.scenes and positions == state.get("positions"):
        assert old
        _publish(store, before, old)
        return UpdateSummary(before, old.stat().st_size)

    scenes = changes.scenes if changes.scenes is not None else store.folders()
    faulty = {printable(scene): "not a valid scene id" for scene in scenes if not is_id(scene)}
    valid = [scene for scene in scenes if is_id(scene)]
    parts: list[Path] = []
    removed: list[str] = []
    for start in range(0, len(valid), _BATCH):
        path = work / f"part-{start:07d}.parquet"
        parts += _write(store, valid[start : start + _BATCH], path, removed, faulty)
    if changes.scenes is None and old:
        listed = {f"{scene}{MAP_SUFFIX}" for scene in scenes}  # also the faulty ones, whose rows are kept
        removed += [item for item in ids(old) if item not in listed]
    target = work / "new.parquet"
    state = {
        # Number of this version of the index. collection.json must belong to the highest number.
        "generation": max(int(state.get("generation", 0)), _published(store)[0]) + 1,
        "positions": dict(list(positions.items())[-_POSITIONS:]),
    }
    try:
        collection, counts = _merged(store, old, parts, removed, state, target, faulty)
    except ValueError:
        faults = [f"; {scene}: {why}" for scene, why in list(faulty.items())[:3]]
        raise StoreError(
            f"the store {store.root} has no map, so there is no collection{''.join(faults)}",
            remedy="classify a scene first (lc-assets classify, lc-assets demo)",
        ) from None
    if not paths.compare_and_swap(store.collection / INDEX_FILE, target.read_bytes(), version):
        return None
    _publish(store, collection, target)
    return UpdateSummary(collection, target.stat().st_size, changes.scenes is None, faulty, **counts)


def _write(store: Store, scenes: Sequence[str], path: Path, removed: list[str], faulty: dict[str, str]) -> list[Path]:
    """Write the rows of some scenes to a file, or to smaller ones if rustac refuses a row. Return the files.

    Items without a document are added to `removed`, and scenes with a fault to `faulty`.
    """
    found = read_rows(store, scenes)
    removed += [f"{scene}{MAP_SUFFIX}" for scene in found.missing]
    faulty.update(found.faulty)
    if not found.rows:
        return []
    try:
        write_rows(found.rows, path)
        return [path]
    except StoreError as error:
        return _halves(store, _scenes_of(row["id"] for row in found.rows), path, removed, faulty, error.problem)


def _halves(
    store: Store, scenes: Sequence[str], path: Path, removed: list[str], faulty: dict[str, str], problem: str
) -> list[Path]:
    """Write the rows of some scenes to two files in place of one; a single scene is faulty.

    The rows are read again, because copies would keep the types of the one file.
    """
    if len(scenes) == 1:
        faulty[scenes[0]] = problem
        return []
    middle = len(scenes) // 2
    first = _write(store, scenes[:middle], path.with_name(f"{path.stem}a.parquet"), removed, faulty)
    return first + _write(store, scenes[middle:], path.with_name(f"{path.stem}b.parquet"), removed, faulty)


def _scenes_of(items: Iterable[str]) -> list[str]:
    return [item.removesuffix(MAP_SUFFIX) for item in items]


def _merged(
    store: Store,
    old: Path | None,
    parts: Sequence[Path],
    removed: list[str],
    state: dict[str, Any],
    target: Path,
    faulty: dict[str, str],
) -> tuple[dict[str, Any], dict[str, int]]:
    """Merge as `merge` does, but leave out items whose types conflict with the others and add them to `faulty`."""
    try:
        return merge(old, parts, removed, state, target)
    except SchemaConflict:
        if not parts:
            raise
    if old:
        merge(old, [], removed, state, target)  # raises if the index itself is damaged: then no item is faulty
    kept: list[Path] = []
    waiting = list(reversed(parts))
    while waiting:
        part = waiting.pop()
        try:
            merge(old, [*kept, part], removed, state, target)
            kept.append(part)
        except SchemaConflict as error:
            waiting += reversed(_halves(store, _scenes_of(ids(part)), part, removed, faulty, error.problem))
    return merge(old, kept, removed, state, target)


def _published(store: Store) -> tuple[int, str | None]:
    """Number (`generation`) and ETag of `collection.json`; 0 and perhaps None if it cannot be used."""
    path = store.collection / COLLECTION_FILE
    version = paths.etag(path)
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["lc:index"]["generation"]), version
    except _UNREADABLE:
        return 0, version


def _publish(store: Store, collection: dict[str, Any], index: Path) -> None:
    """Write `collection.json` and the store's `catalog.json`, unless they belong to a later index already."""
    content, own = (json.dumps(collection, indent=2) + "\n").encode(), collection["lc:index"]["generation"]
    for _ in range(_TRIES):
        generation, version = _published(store)
        if version is not None and generation >= own:
            break
        if paths.compare_and_swap(store.collection / COLLECTION_FILE, content, version):
            break
    publish_catalog(store, _scenes_of(ids(index)), own)
