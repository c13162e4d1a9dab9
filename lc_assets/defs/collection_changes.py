"""What Dagster's records say is new for the collection: the materialisations of `catalog` after a position.

A position is the storage id of a record, with its time. Ids are given before a record can be seen, so that on
PostgreSQL a lower one may appear after a higher one was read: the position only passes records that are ten minutes
old, and those beyond it that have been dealt with are listed beside it. SQLite gives the highest ids again when what
had them is deleted, but none up to one that is still there: where the position's record is gone, or is of another time,
all begins anew. Each Dagster instance counts for itself, so positions go by the instance's own id; one that the index
does not know begins with every scene of the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster import EventLogRecord

from lc_assets.operations.keys import CATALOG
from lc_assets.products.collection.update import Changes, Positions

POOL = "collection"
"""Pool of one: no two runs write the collection at a time."""
_PAGE = 1000
SETTLED_SECONDS = 600.0
"""Age from which on no record with a lower id is to appear any more."""
RecordPosition = list[float]
"""A record's storage id and time. A list, as which it comes back from the index."""
_BEGINNING: RecordPosition = [0, 0.0]


def news_since(instance: dg.DagsterInstance, positions: Positions | None) -> Changes:
    """Scenes with a catalog materialised since some positions, and the new positions.

    Args:
        instance: whose records are read.
        positions: of the index; None where there is none.
    """
    own = _instance_id(instance)
    now = time.time()
    before = _noted(positions, own)
    if before is None or not _is_there(instance, before[0]):
        # Noted before the store is listed: a record is made after its document, so that the list has what they tell.
        cursor = _settled(instance, now - SETTLED_SECONDS)
        return Changes(None, {own: {"cursor": cursor, "beyond": [_at(r) for r in _records(instance, cursor[0])]}})
    (cursor, known), beyond, settled = before, [], True
    scenes: dict[str, None] = {}
    for record in _records(instance, cursor[0]):
        settled = settled and record.timestamp < now - SETTLED_SECONDS
        if settled:
            cursor = _at(record)
        else:
            beyond.append(_at(record))
        if _at(record) not in known and record.partition_key:
            scenes[record.partition_key] = None
    return Changes(list(scenes), {own: {"cursor": cursor, "beyond": beyond}})


def is_any_new(instance: dg.DagsterInstance, positions: Positions | None) -> bool:
    """Whether an update of the collection would find anything to do."""
    before = _noted(positions, _instance_id(instance))
    if before is None:
        return bool(instance.fetch_materializations(CATALOG, limit=1).records)
    cursor, known = before
    return not _is_there(instance, cursor) or any(_at(record) not in known for record in _records(instance, cursor[0]))


def ensure_pool(instance: dg.DagsterInstance) -> None:
    """Give the collection's pool its limit, one, unless somebody has given it another."""
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits and POOL not in storage.get_concurrency_keys():
        storage.set_concurrency_slots(POOL, 1)


def _noted(positions: Positions | None, own: str) -> tuple[RecordPosition, list[RecordPosition]] | None:
    """An instance's position, and what was dealt with beyond it; None if there is none, or one of ids alone."""
    try:
        before = (positions or {})[own]
        cursor, *beyond = [[int(record), float(at)] for record, at in (before["cursor"], *before["beyond"])]
    except (KeyError, TypeError, ValueError):
        return None
    return cursor, beyond


def _at(record: EventLogRecord) -> RecordPosition:
    return [record.storage_id, record.timestamp]


def _is_there(instance: dg.DagsterInstance, cursor: RecordPosition) -> bool:
    """Whether a position's record is still the one that was noted; the beginning has none."""
    if cursor[0] == _BEGINNING[0]:
        return True
    wanted = dg.AssetRecordsFilter(asset_key=CATALOG, storage_ids=[int(cursor[0])])
    return [_at(record) for record in instance.fetch_materializations(wanted, limit=1).records] == [cursor]


def _records(instance: dg.DagsterInstance, after: float) -> Iterator[EventLogRecord]:
    """Materialisations after a storage id, oldest first."""
    cursor = None
    while True:
        wanted = dg.AssetRecordsFilter(asset_key=CATALOG, after_storage_id=int(after))
        page = instance.fetch_materializations(wanted, limit=_PAGE, cursor=cursor, ascending=True)
        yield from page.records
        if not page.has_more:
            return
        cursor = page.cursor


def _settled(instance: dg.DagsterInstance, before: float) -> RecordPosition:
    wanted = dg.AssetRecordsFilter(asset_key=CATALOG, before_timestamp=before)
    found = instance.fetch_materializations(wanted, limit=1).records
    return _at(found[0]) if found else _BEGINNING


def _instance_id(instance: dg.DagsterInstance) -> str:
    storage: Any = instance.run_storage
    return str(storage.get_run_storage_id())
