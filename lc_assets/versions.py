"""Which code version made each scene's newest map, without reading every record at every question.

Dagster keeps the code version only inside the records, which hold a picture each: a thousand take seconds to read. But
what a record says never changes, so what was read once is remembered beside Dagster's own notes in the instance: which
records, by their ids, say which version. A record that is superseded or deleted is not the newest any more, so nothing
that is remembered can be wrong.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping

import dagster as dg

CODE_VERSION_TAG = "dagster/code_version"
"""Tag in which Dagster keeps an asset's code version with each of its materialisations."""
PAGE = 500
"""Records read at a time."""
FEW = 2_000
"""Up to so many partitions are named in a query; for more, all are asked for."""
_NONE = ""
"""A map without a code version."""


def newest(
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
    records = newest(instance, asset, items)
    known = _remembered(instance, asset)
    unread = sorted(record for record in records.values() if record not in known)
    for start in range(0, len(unread), PAGE):
        known |= _read(instance, asset, unread[start : start + PAGE])
    if unread:
        # Of all, only what is still the newest is worth remembering.
        kept = {record: known[record] for record in records.values() if record in known} if items is None else known
        _remember(instance, asset, kept)
    return {item: known[record] for item, record in records.items() if record in known}


def _read(instance: dg.DagsterInstance, asset: dg.AssetKey, records: list[int]) -> dict[int, str]:
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, storage_ids=records), limit=len(records)
    )
    tags = {r.storage_id: r.asset_materialization.tags or {} for r in found.records if r.asset_materialization}
    return {record: of.get(CODE_VERSION_TAG, _NONE) for record, of in tags.items()}


def _key(asset: dg.AssetKey) -> str:
    return f"lc_assets/code_versions/{asset.to_user_string()}"


def _remembered(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[int, str]:
    text = instance.daemon_cursor_storage.get_cursor_values({_key(asset)}).get(_key(asset))
    try:
        return {int(record): version for version, records in json.loads(text or "{}").items() for record in records}
    except (ValueError, TypeError, AttributeError):
        return {}  # it is read again


def _remember(instance: dg.DagsterInstance, asset: dg.AssetKey, known: Mapping[int, str]) -> None:
    by_version: dict[str, list[int]] = defaultdict(list)
    for record in sorted(known):
        by_version[known[record]].append(record)
    instance.daemon_cursor_storage.set_cursor_values({_key(asset): json.dumps(by_version, separators=(",", ":"))})
