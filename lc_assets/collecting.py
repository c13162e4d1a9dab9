"""What Dagster's records say is new for the collection: the materialisations of `catalog` after a position.

A position is the storage id of a record. Ids are given before a record can be seen, so that on PostgreSQL a lower one
may appear after a higher one was read: the position only passes records that are ten minutes old, and those beyond it
that have been dealt with are listed beside it. Each Dagster instance counts for itself, so positions go by the
instance's own id; one that the index does not know begins with every scene of the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster import EventLogRecord

from lc_assets.index.writer import News, Positions

CATALOG = dg.AssetKey("catalog")
POOL = "collection"
"""Pool of one: no two runs write the collection at a time."""
_PAGE = 1000
SETTLED_SECONDS = 600.0
"""Age from which on no record with a lower id is to appear any more."""


def news_since(instance: dg.DagsterInstance, positions: Positions | None) -> News:
    """Scenes with a catalog materialised since some positions, and the new positions.

    Args:
        instance: whose records are read.
        positions: of the index; None where there is none.
    """
    own = _instance_id(instance)
    now = time.time()
    before = (positions or {}).get(own)
    if positions is None or before is None:
        # Noted before the store is listed: a record is made after its document, so that the list has what they tell.
        cursor = _settled(instance, now - SETTLED_SECONDS)
        return News(None, {own: {"cursor": cursor, "beyond": [r.storage_id for r in _records(instance, cursor)]}})
    known, cursor, beyond, settled = set(before["beyond"]), int(before["cursor"]), [], True
    scenes: dict[str, None] = {}
    for record in _records(instance, cursor):
        settled = settled and record.timestamp < now - SETTLED_SECONDS
        if settled:
            cursor = record.storage_id
        else:
            beyond.append(record.storage_id)
        if record.storage_id not in known and record.partition_key:
            scenes[record.partition_key] = None
    return News(list(scenes), {own: {"cursor": cursor, "beyond": beyond}})


def is_any_new(instance: dg.DagsterInstance, positions: Positions | None) -> bool:
    """Whether an update of the collection would find anything to do."""
    before = (positions or {}).get(_instance_id(instance))
    if before is None:
        return bool(instance.fetch_materializations(CATALOG, limit=1).records)
    known = set(before["beyond"])
    return any(record.storage_id not in known for record in _records(instance, int(before["cursor"])))


def ensure_pool(instance: dg.DagsterInstance) -> None:
    """Give the collection's pool its limit, one, unless somebody has given it another."""
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits and POOL not in storage.get_concurrency_keys():
        storage.set_concurrency_slots(POOL, 1)


def _records(instance: dg.DagsterInstance, after: int) -> Iterator[EventLogRecord]:
    """Materialisations after a storage id, oldest first."""
    cursor = None
    while True:
        wanted = dg.AssetRecordsFilter(asset_key=CATALOG, after_storage_id=after)
        page = instance.fetch_materializations(wanted, limit=_PAGE, cursor=cursor, ascending=True)
        yield from page.records
        if not page.has_more:
            return
        cursor = page.cursor


def _settled(instance: dg.DagsterInstance, before: float) -> int:
    wanted = dg.AssetRecordsFilter(asset_key=CATALOG, before_timestamp=before)
    found = instance.fetch_materializations(wanted, limit=1).records
    return found[0].storage_id if found else 0


def _instance_id(instance: dg.DagsterInstance) -> str:
    storage: Any = instance.run_storage
    return str(storage.get_run_storage_id())
