"""Which code version made each scene's newest map, without reading every record at every question.

Dagster keeps the code version only inside the records, which hold a picture each: a thousand take seconds to read. But
what a record says never changes, so what was read once is remembered beside Dagster's own notes in the instance: which
records say which version. SQLite gives the highest ids again when the run that had them is deleted, so a record is
remembered by its id together with the run that made it, and read anew where another one has.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping

import dagster as dg
import sqlalchemy as sa

from lc_assets.operations.dagster_private import SqlEventLogStorage, SqlEventLogStorageTable

CODE_VERSION_TAG = "dagster/code_version"
"""Tag in which Dagster keeps an asset's code version with each of its materialisations."""
PAGE = 500
"""Records read at a time."""
FEW = 2_000
"""Up to so many partitions are named in a query; for more, all are asked for."""
_NONE = ""
"""A map without a code version."""


def latest_storage_ids(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    items: Collection[str] | None = None,
    event: dg.DagsterEventType = dg.DagsterEventType.ASSET_MATERIALIZATION,
) -> Mapping[str, int]:
    """Item -> id of its newest record of an asset, of those that have one. None as `items` is all that ever were."""
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
    """Item -> code version of its newest materialisation ("" is none), of those that have one."""
    records = latest_storage_ids(instance, asset, items)
    remembered = _remembered(instance, asset)
    # Asked before the records are read: one that is replaced in between is remembered by a maker that it has no more.
    makers = _producing_runs(instance, sorted(records.values()))
    known = {of: remembered[of][1] for of, maker in makers.items() if of in remembered and remembered[of][0] == maker}
    unread = sorted(record for record in records.values() if record not in known)
    for start in range(0, len(unread), PAGE):
        known |= _read(instance, asset, unread[start : start + PAGE])
    if unread:
        asked = {record: (makers[record], version) for record, version in known.items() if record in makers}
        # Of all, only what is still the newest is worth remembering.
        _remember(instance, asset, asked if items is None else remembered | asked)
    return {item: known[record] for item, record in records.items() if record in known}


def _producing_runs(instance: dg.DagsterInstance, records: list[int]) -> dict[int, str]:
    """Record -> mark of the run that made it, or of its time where no run did; by a query of ours, without the events.
    Nothing with a storage that is not Dagster's own, whose records are read each time."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return {}
    table, makers = SqlEventLogStorageTable.c, {}
    # A row's time lies behind its event, which SQLite would go through picture and all: the run's id is enough.
    maker = sa.case((table.run_id == "", sa.cast(table.timestamp, sa.String)), else_=table.run_id)
    with storage.index_connection() as connection:
        for start in range(0, len(records), PAGE):
            chosen = sa.select(table.id, maker).where(table.id.in_(records[start : start + PAGE]))
            makers.update({int(row[0]): _mark(str(row[1])) for row in connection.execute(chosen)})
    return makers


def _mark(maker: str) -> str:
    """Short, since one is kept for each scene."""
    return hashlib.blake2b(maker.encode(), digest_size=6).hexdigest()


def _read(instance: dg.DagsterInstance, asset: dg.AssetKey, records: list[int]) -> dict[int, str]:
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, storage_ids=records), limit=len(records)
    )
    tags = {r.storage_id: r.asset_materialization.tags or {} for r in found.records if r.asset_materialization}
    return {record: of.get(CODE_VERSION_TAG, _NONE) for record, of in tags.items()}


def _key(asset: dg.AssetKey) -> str:
    return f"lc_assets/code_versions/2/{asset.to_user_string()}"


def _remembered(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[int, tuple[str, str]]:
    """Record -> mark of its maker, and version."""
    text = instance.daemon_cursor_storage.get_cursor_values({_key(asset)}).get(_key(asset))
    try:
        return {
            int(record): (maker, version)
            for version, makers in json.loads(text or "{}").items()
            for record, maker in makers.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}  # it is read again


def _remember(instance: dg.DagsterInstance, asset: dg.AssetKey, known: Mapping[int, tuple[str, str]]) -> None:
    by_version: dict[str, dict[int, str]] = defaultdict(dict)
    for record, (maker, version) in sorted(known.items()):
        by_version[version][record] = maker
    instance.daemon_cursor_storage.set_cursor_values({_key(asset): json.dumps(by_version, separators=(",", ":"))})
