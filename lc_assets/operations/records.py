"""Finds the versions of code and data in Dagster's records.

The code version of each scene's newest map is found without reading every record each time.
Dagster stores the code version only inside the records, and each record holds a picture: to read a thousand takes
seconds. A record never changes, so the versions that were read are cached in the instance, in the cursor storage of
the daemon. SQLite reuses the highest ids after their run is deleted. So the cache stores the id of a record together
with the run that made it, and a record is read again if another run made it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

import dagster as dg

from lc_assets.operations.dagster_private import sql_event_log

CODE_VERSION_TAG = "dagster/code_version"
"""Tag of a materialisation that holds the code version of its asset."""
DATA_VERSION_TAG = "dagster/data_version"
"""Tag of a materialisation that holds its data version."""
INPUT_VERSION_TAG = "dagster/input_data_version/"
"""With the key of an asset: tag of a materialisation that holds the SHA-256 digest of the data version of that asset
that it was made of. (Dagster: of the versions of all its partitions that it was made of; here it is one.)"""
INPUT_POINTER_TAG = "dagster/input_event_pointer/"
"""With the key of an asset: tag of a materialisation that holds the storage id of the newest event of that asset."""
PAGE = 500
"""Number of records, runs or items in one query."""
FEW = 2_000
"""Largest number of partitions that a query names; for more, the query asks for all partitions."""
_NONE = ""
"""Version of a record without one."""

_Id = TypeVar("_Id", int, str)


def pages(ids: Collection[_Id]) -> Iterator[list[_Id]]:
    """Yield sorted ids, as many at a time as one query may name."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), PAGE):
        yield ordered[start : start + PAGE]


def materializations(
    instance: dg.DagsterInstance, wanted: dg.AssetRecordsFilter, *, oldest_first: bool = False
) -> Iterator[dg.EventLogRecord]:
    """Yield the records of all materialisations that a filter fits, by default the newest first."""
    cursor = None
    while True:
        page = instance.fetch_materializations(wanted, limit=PAGE, cursor=cursor, ascending=oldest_first)
        yield from page.records
        if not page.has_more:
            return
        cursor = page.cursor


def latest_storage_ids(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    items: Collection[str] | None = None,
    event: dg.DagsterEventType = dg.DagsterEventType.ASSET_MATERIALIZATION,
) -> Mapping[str, int]:
    """Return item -> storage id of the newest record of an asset. Items without a record are left out.

    Args:
        instance: whose records are read.
        asset: key of the asset.
        items: item ids; None means all items that ever had a record.
        event: type of the records.
    """
    if items is not None and not items:
        return {}
    if items is None or len(items) > FEW:
        found = instance.get_latest_storage_id_by_partition(asset, event)
        wanted = found if items is None else set(items)
        return {item: record for item, record in found.items() if item in wanted}
    return instance.get_latest_storage_id_by_partition(asset, event, set(items))


def code_versions(
    instance: dg.DagsterInstance, asset: dg.AssetKey, items: Collection[str] | None = None
) -> dict[str, str]:
    """Return item -> code version of its newest materialisation ("" if the materialisation has no version).

    Args:
        instance: whose records are read.
        asset: key of the asset.
        items: item ids; None means all items. Items without a materialisation are left out of the result.
    """
    records = latest_storage_ids(instance, asset, items)
    remembered = _remembered(instance, asset)
    # Read before the records: if a record is replaced in between, the cache holds a run that no longer matches it, and
    # the record is read again.
    makers = {record: _mark(maker) for record, maker in producing_runs(instance, records.values()).items()}
    known = {of: remembered[of][1] for of, maker in makers.items() if of in remembered and remembered[of][0] == maker}
    unread = [record for record in records.values() if record not in known]
    if unread:
        known |= _tags(instance, asset, unread, CODE_VERSION_TAG)
        asked = {record: (makers[record], version) for record, version in known.items() if record in makers}
        # After a query for all items the cache is replaced: only the newest records are of use.
        _remember(instance, asset, asked if items is None else remembered | asked)
    return {item: known[record] for item, record in records.items() if record in known}


def data_versions(
    instance: dg.DagsterInstance, asset: dg.AssetKey, records: Collection[int], of: dg.AssetKey | None = None
) -> dict[int, str]:
    """Return storage id -> digest of the data version of a materialisation, or of the asset that it was made of.

    Args:
        instance: whose records are read.
        asset: key of the asset.
        records: storage ids of its materialisations.
        of: key of an asset that it was made of; None for its own data version.
    """
    if of:
        return _tags(instance, asset, records, INPUT_VERSION_TAG + of.to_user_string())
    versions = _tags(instance, asset, records, DATA_VERSION_TAG)
    return {record: hashlib.sha256(version.encode()).hexdigest() for record, version in versions.items()}


def newest_data_versions(instance: dg.DagsterInstance, asset: dg.AssetKey, items: Collection[str]) -> dict[str, str]:
    """Return item -> data version of its newest materialisation, as the UI shows it. Items without one are left out."""
    event, found = dg.DagsterEventType.ASSET_MATERIALIZATION, dict[str, str]()
    for page in pages(items):  # Dagster has an index of data versions: no record with its picture is read
        tags = instance.event_log_storage.get_latest_tags_by_partition(asset, event, [DATA_VERSION_TAG], page)
        found |= {item: of[DATA_VERSION_TAG] for item, of in tags.items()}
    return found


def producing_runs(instance: dg.DagsterInstance, records: Collection[int]) -> dict[int, str]:
    """Return record -> id of the run that made it, or its time if no run did.

    Our own query leaves out the events. The result is empty for a storage that is not one of Dagster's.
    """
    import sqlalchemy as sa

    found = sql_event_log(instance.event_log_storage)
    if found is None:
        return {}
    storage, table, makers = found[0], found[1].c, dict[int, str]()
    # In a row, the time is stored behind the event. To read it, SQLite would go through the event with its picture. So
    # the time is read only if there is no run id.
    maker = sa.case((table.run_id == "", sa.cast(table.timestamp, sa.String)), else_=table.run_id)
    with storage.index_connection() as connection:
        for page in pages(records):
            chosen = sa.select(table.id, maker).where(table.id.in_(page))
            makers.update({int(row[0]): str(row[1]) for row in connection.execute(chosen)})
    return makers


def _mark(maker: str) -> str:
    """A short hash, because the cache holds one per scene."""
    return hashlib.blake2b(maker.encode(), digest_size=6).hexdigest()


def _tags(instance: dg.DagsterInstance, asset: dg.AssetKey, records: Collection[int], tag: str) -> dict[int, str]:
    """Return storage id -> value of a tag of the materialisation."""
    values: dict[int, str] = {}
    for page in pages(records):
        wanted = dg.AssetRecordsFilter(asset_key=asset, storage_ids=page)
        for record in instance.fetch_materializations(wanted, limit=len(page)).records:
            if record.asset_materialization:
                values[record.storage_id] = (record.asset_materialization.tags or {}).get(tag, _NONE)
    return values


def _key(asset: dg.AssetKey) -> str:
    return f"lc_assets/code_versions/2/{asset.to_user_string()}"


def _remembered(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[int, tuple[str, str]]:
    """Record -> (hash of the run that made it, code version), from the cache."""
    text = instance.daemon_cursor_storage.get_cursor_values({_key(asset)}).get(_key(asset))
    try:
        return {
            int(record): (maker, version)
            for version, makers in json.loads(text or "{}").items()
            for record, maker in makers.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}  # the cache is not readable: the records are read again


def _remember(instance: dg.DagsterInstance, asset: dg.AssetKey, known: Mapping[int, tuple[str, str]]) -> None:
    by_version: dict[str, dict[int, str]] = defaultdict(dict)
    for record, (maker, version) in sorted(known.items()):
        by_version[version][record] = maker
    instance.daemon_cursor_storage.set_cursor_values({_key(asset): json.dumps(by_version, separators=(",", ":"))})
