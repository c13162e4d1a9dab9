"""Keep the collection: append what is new or changed, or build it anew from the store.

`<store>/collection/items.parquet` is replaced as a whole, and only if it is still the file that was read: of two
writers one is second, reads again and does its part on top of the first's. Its metadata say how far it has got, so that
items and position change together. `collection.json` is written after it, from the same content; a writer that dies in
between is made good by the next. No scene waits for any of this.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lc_assets.core.errors import StoreError, printable
from lc_assets.products.collection.extras import check_tools
from lc_assets.products.collection.parquet import SchemaConflict, ids, merge, read_collection, write_rows
from lc_assets.products.collection.rows import SUFFIX, read_rows
from lc_assets.products.collection.scratch import scratch
from lc_assets.products.stac.collection import COLLECTION_FILE, COLLECTION_FOLDER, INDEX_FILE
from lc_assets.store import paths
from lc_assets.store.ids import is_id
from lc_assets.store.layout import Store
from lc_assets.store.paths import StorePath

_BATCH = 1000
"""Items held in memory at once."""
_TRIES = 8
_UNREADABLE = (
    *(FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError),
    *(AttributeError, OverflowError, RecursionError),
)
"""What reading a `collection.json` raises that is not there, or none of ours."""
_POSITIONS = 16
"""Instances whose position is remembered."""

Positions = Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """What is to be read, and how far that goes.

    Attributes:
        scenes: ids; None is every scene that the store has.
        positions: to be noted; what names them is the asker's business.
    """

    scenes: Sequence[str] | None
    positions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class UpdateSummary:
    """What became of the index.

    Attributes:
        items, added, changed, unchanged, removed: counts; `unchanged` were read again and found the same.
        rebuilt: from the store's scenes.
        faulty: scene -> why its document cannot be used; its earlier row stays.
        size: bytes of the index.
        seconds: of all attempts.
        attempts: more than one where somebody else wrote, too.
        collection: the document.
    """

    items: int
    added: int
    changed: int
    unchanged: int
    removed: int
    rebuilt: bool
    faulty: dict[str, str]
    size: int
    seconds: float
    attempts: int
    collection: dict[str, Any]


def folder_of(store: Store) -> StorePath:
    """Where the collection lies."""
    return store.root / COLLECTION_FOLDER


def read_positions(store: Store) -> Positions | None:
    """How far the index has got, as `collection.json` says it; None where there is no collection yet.

    Raises:
        OSError: the store cannot be read.
    """
    try:
        document = json.loads((folder_of(store) / COLLECTION_FILE).read_text(encoding="utf-8"))
        return dict(document["lc:index"]["positions"])
    except _UNREADABLE:
        return None


def update(store: Store, ask: Callable[[Positions | None], Changes], *, rebuild: bool = False) -> UpdateSummary:
    """Bring the collection up to date.

    Args:
        store: whose scenes.
        ask: for the news since some positions; None is since the beginning, which is every scene.
        rebuild: ask for the news since the beginning.

    Raises:
        LandCoverError: rustac or DuckDB is not installed.
        StoreError: the store cannot be read or written; there is nothing to index; others never cease to write.
    """
    check_tools()
    started = time.perf_counter()
    try:
        for attempt in range(1, _TRIES + 1):
            with scratch(store) as work:
                done = _attempt(store, ask, rebuild, work)
            if done:
                return UpdateSummary(**done, seconds=time.perf_counter() - started, attempts=attempt)
            time.sleep(random.uniform(0.1, 0.5) * attempt)
    except OSError as error:
        raise StoreError(
            f"the collection in {folder_of(store)} cannot be updated ({error.strerror or error})",
            remedy="see that the store can be reached and written, then run it again",
            transient=True,
        ) from None
    raise StoreError(
        f"the collection in {folder_of(store)} was written by somebody else {_TRIES} times meanwhile",
        remedy="let one writer at a time keep it; run it again when the others are done",
        transient=True,
    )


def fetch(store: Store, work: Path) -> tuple[Path | None, str | None]:
    """A local copy of the index, and its version; None and None where there is none.

    Raises:
        OSError: it cannot be read.
    """
    index = folder_of(store) / INDEX_FILE
    while True:
        version = paths.etag(index)
        if version is None:
            return None, None
        copy = work / INDEX_FILE
        copy.write_bytes(index.read_bytes())
        if paths.etag(index) == version:
            return copy, version


def _attempt(
    store: Store, ask: Callable[[Positions | None], Changes], rebuild: bool, work: Path
) -> dict[str, Any] | None:
    """One read, merge and write; None where somebody else was faster."""
    old, version = fetch(store, work)
    before: dict[str, Any] = {}
    try:
        before = read_collection(old) if old else {}
    except StoreError:
        if not rebuild:
            raise
        old = None  # broken, and about to be replaced
    state = before.get("lc:index", {})
    news = ask(None if rebuild or not before else state.get("positions", {}))
    # The latest last: the instances that have not been heard of for longest are forgotten.
    others = {name: at for name, at in state.get("positions", {}).items() if name not in news.positions}
    positions = {**others, **news.positions}
    if before and news.scenes is not None and not news.scenes and positions == state.get("positions"):
        _publish(store, before)
        assert old
        return _counts(before, old.stat().st_size, rebuilt=False)

    scenes = news.scenes if news.scenes is not None else store.folders()
    parts, gone, faulty = _read(store, scenes, work)
    if news.scenes is None and old:
        listed = {f"{scene}{SUFFIX}" for scene in scenes}  # the faulty ones too: their rows stay
        gone += [item for item in ids(old) if item not in listed]
    target = work / "new.parquet"
    state = {
        # The file's own number: collection.json is of the highest, whoever writes it last.
        "generation": _generation(store, state) + 1,
        "positions": dict(list(positions.items())[-_POSITIONS:]),
    }
    try:
        collection, counts = _merged(store, old, parts, gone, state, target, faulty)
    except ValueError:
        raise StoreError(
            f"there is no map in {store.root} to make a collection of" + (f"; {_some(faulty)}" if faulty else ""),
            remedy="classify a scene first (lc-assets classify, lc-assets demo)",
        ) from None
    if not paths.compare_and_swap(folder_of(store) / INDEX_FILE, target.read_bytes(), version):
        return None
    _publish(store, collection)
    return _counts(collection, target.stat().st_size, rebuilt=news.scenes is None, faulty=faulty, **counts)


def _counts(
    collection: dict[str, Any],
    size: int,
    *,
    rebuilt: bool,
    faulty: dict[str, str] | None = None,
    added: int = 0,
    changed: int = 0,
    unchanged: int = 0,
    removed: int = 0,
) -> dict[str, Any]:
    return {
        **{"items": collection["lc:items"], "added": added, "changed": changed, "unchanged": unchanged},
        **{"removed": removed, "rebuilt": rebuilt, "faulty": faulty or {}, "size": size, "collection": collection},
    }


def _read(store: Store, scenes: Sequence[str], work: Path) -> tuple[list[Path], list[str], dict[str, str]]:
    """Files of rows, ids of items that are gone, and what is wrong with others."""
    parts, gone = [], []
    faulty = {printable(scene): "no usable scene id" for scene in scenes if not is_id(scene)}
    scenes = [scene for scene in scenes if is_id(scene)]
    for start in range(0, len(scenes), _BATCH):
        found = read_rows(store, scenes[start : start + _BATCH])
        gone += [f"{scene}{SUFFIX}" for scene in found.gone]
        faulty.update(found.faulty)
        if found.rows:
            written, refused = _write(found.rows, work / f"part-{start:07d}")
            parts += written
            faulty.update(refused)
    return parts, gone, faulty


def _merged(
    store: Store,
    old: Path | None,
    parts: Sequence[Path],
    gone: Collection[str],
    state: dict[str, Any],
    target: Path,
    faulty: dict[str, str],
) -> tuple[dict[str, Any], dict[str, int]]:
    """As `merge`, without the items that do not go together with the others, which are put to the faulty ones."""
    try:
        return merge(old, parts, gone, state, target)
    except SchemaConflict:
        if not parts:
            raise
    if old:
        merge(old, [], gone, state, target)  # it raises where the index itself is broken, and no item is at fault
    kept: list[Path] = []
    waiting = list(reversed(parts))
    while waiting:
        part = waiting.pop()
        try:
            merge(old, [*kept, part], gone, state, target)
            kept.append(part)
        except SchemaConflict as error:
            waiting += reversed(_halves(store, part, faulty, error.problem))
    return merge(old, kept, gone, state, target)


def _halves(store: Store, part: Path, faulty: dict[str, str], problem: str) -> list[Path]:
    """A part as two, written anew: a copy of some of its rows would have the types of all."""
    scenes = [item.removesuffix(SUFFIX) for item in ids(part)]
    if len(scenes) == 1:
        faulty[scenes[0]] = problem
        return []
    halves: list[Path] = []
    for letter, some in (("a", scenes[: len(scenes) // 2]), ("b", scenes[len(scenes) // 2 :])):
        found = read_rows(store, some)
        faulty.update({**found.faulty, **dict.fromkeys(found.gone, "it went meanwhile")})
        if found.rows:
            written, refused = _write(found.rows, part.with_name(f"{part.stem}{letter}"))
            halves += written
            faulty.update(refused)
    return halves


def _write(rows: Sequence[dict[str, Any]], stem: Path) -> tuple[list[Path], dict[str, str]]:
    """Files of rows, and what is wrong with those that cannot be written: one of them does not keep the others out."""
    path = stem.with_name(f"{stem.name}.parquet")
    try:
        write_rows(rows, path)
        return [path], {}
    except StoreError as error:
        if len(rows) == 1:
            return [], {rows[0]["id"].removesuffix(SUFFIX): error.problem}
    middle = len(rows) // 2
    first = _write(rows[:middle], stem.with_name(f"{stem.name}a"))
    second = _write(rows[middle:], stem.with_name(f"{stem.name}b"))
    return [*first[0], *second[0]], {**first[1], **second[1]}


def _generation(store: Store, state: Mapping[str, Any]) -> int:
    return max(int(state.get("generation", 0)), _published(store)[0])


def _published(store: Store) -> tuple[int, str | None]:
    """The generation of `collection.json`, and its version."""
    path = folder_of(store) / COLLECTION_FILE
    version = paths.etag(path)
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["lc:index"]["generation"]), version
    except _UNREADABLE:
        return 0, version


def _publish(store: Store, collection: dict[str, Any]) -> None:
    """Write `collection.json`, unless that of a later index is there."""
    content = (json.dumps(collection, indent=2) + "\n").encode()
    for _ in range(_TRIES):
        generation, version = _published(store)
        if version is not None and generation >= collection["lc:index"]["generation"]:
            return
        if paths.compare_and_swap(folder_of(store) / COLLECTION_FILE, content, version):
            return


def _some(faulty: Mapping[str, str]) -> str:
    return "; ".join(f"{scene}: {why}" for scene, why in list(faulty.items())[:3])
