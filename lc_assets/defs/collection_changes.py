"""Finds in Dagster's records what is new for the collection: the materialisations of `catalog` after a position.

A position is the storage id of a record together with its time. Three properties of the ids matter:

- PostgreSQL assigns an id before the record becomes visible. A record with a lower id may therefore appear after one
  with a higher id was read. So the position only moves past records that are older than ten minutes. Newer records
  that were already processed are listed beside the position (key `beyond`).
- SQLite reuses the highest ids after their records are deleted, but never an id below one that still exists. If the
  record of the position no longer exists, or has another time, the collection is updated from all scenes of the store.
- Each Dagster instance counts its own ids. So positions are stored per instance id. An instance that the index does
  not know starts with all scenes of the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster import EventLogRecord

from lc_assets.operations.keys import CATALOG
from lc_assets.operations.records import materializations
from lc_assets.products.collection.update import Changes, Positions

SETTLED_SECONDS = 600.0
"""Age of a record, in seconds, after which no record with a lower id is expected to appear."""
RecordPosition = list[float]
"""Storage id and time (seconds since 1970) of a record. A list, because JSON in the index has no tuples."""
_BEGINNING: RecordPosition = [0, 0.0]


def news_since(instance: dg.DagsterInstance, positions: Positions | None) -> Changes:
    """Return the scenes whose catalog was materialised after the instance's position, and the new position.

    Args:
        instance: whose records are read.
        positions: positions in the index; None if there is no index.
    """
    own = _instance_id(instance)
    now = time.time()
    before = _noted(positions, own)
    if before is None or not _is_there(instance, before[0]):
        # The position is taken before the store is listed. A record is written after its document, so the list contains
        # every scene that these records name.
        cursor = _settled(instance, now - SETTLED_SECONDS)
        return Changes(None, {own: {"cursor": cursor, "beyond": [_at(r) for r in _records(instance, cursor[0])]}})
    (cursor, known), unsettled, settled = before, [], True
    scenes: dict[str, None] = {}
    for record in _records(instance, cursor[0]):
        settled = settled and record.timestamp < now - SETTLED_SECONDS
        if settled:
            cursor = _at(record)
        else:
            unsettled.append(_at(record))
        if _at(record) not in known and record.partition_key:
            scenes[record.partition_key] = None
    return Changes(list(scenes), {own: {"cursor": cursor, "beyond": unsettled}})


def is_any_new(instance: dg.DagsterInstance, positions: Positions | None) -> bool:
    """Return whether an update of the collection would find new scenes. See `news_since` for the arguments."""
    before = _noted(positions, _instance_id(instance))
    if before is None:
        return bool(instance.fetch_materializations(CATALOG, limit=1).records)
    cursor, known = before
    return not _is_there(instance, cursor) or any(_at(record) not in known for record in _records(instance, cursor[0]))


def _noted(positions: Positions | None, own: str) -> tuple[RecordPosition, list[RecordPosition]] | None:
    """Position of an instance, and the processed records after it; None if missing or of an old form (only ids)."""
    try:
        before = (positions or {})[own]
        cursor, *unsettled = [[int(record), float(at)] for record, at in (before["cursor"], *before["beyond"])]
    except (KeyError, TypeError, ValueError):
        return None
    return cursor, unsettled


def _at(record: EventLogRecord) -> RecordPosition:
    return [record.storage_id, record.timestamp]


def _is_there(instance: dg.DagsterInstance, cursor: RecordPosition) -> bool:
    """Whether the record of a position still exists, with the same time. True at the beginning, without a record."""
    if cursor[0] == _BEGINNING[0]:
        return True
    wanted = dg.AssetRecordsFilter(asset_key=CATALOG, storage_ids=[int(cursor[0])])
    return [_at(record) for record in instance.fetch_materializations(wanted, limit=1).records] == [cursor]


def _records(instance: dg.DagsterInstance, after: float) -> Iterator[EventLogRecord]:
    """Materialisations with a higher storage id than `after`, oldest first."""
    wanted = dg.AssetRecordsFilter(asset_key=CATALOG, after_storage_id=int(after))
    return materializations(instance, wanted, oldest_first=True)


def _settled(instance: dg.DagsterInstance, before: float) -> RecordPosition:
    wanted = dg.AssetRecordsFilter(asset_key=CATALOG, before_timestamp=before)
    found = instance.fetch_materializations(wanted, limit=1).records
    return _at(found[0]) if found else _BEGINNING


def _instance_id(instance: dg.DagsterInstance) -> str:
    storage: Any = instance.run_storage
    return str(storage.get_run_storage_id())
