"""How long the assets of a scene took, by Dagster's records."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg


def seconds_of(context: dg.AssetExecutionContext, names: Iterable[str]) -> dict[str, float]:
    """Return asset name -> seconds of its newest materialisation for this partition, if Dagster still has the record.

    Args:
        context: of the asset that asks.
        names: names of the assets.
    """
    found = {}
    for name in names:
        records = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(name), asset_partitions=[context.partition_key]), limit=1
        ).records
        metadata = records[0].asset_materialization.metadata if records and records[0].asset_materialization else {}
        seconds = metadata["seconds"].value if "seconds" in metadata else None
        if isinstance(seconds, int | float):
            found[name] = float(seconds)
    return found
