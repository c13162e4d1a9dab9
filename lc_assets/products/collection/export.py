"""Exports the collection for another catalog, such as pgstac: documents with absolute URLs."""

from __future__ import annotations

import json
from pathlib import Path

from lc_assets.core.errors import StoreError, without_query
from lc_assets.products.collection.parquet import items, read_collection
from lc_assets.products.collection.rows import absolute, base_of
from lc_assets.products.collection.scratch import scratch
from lc_assets.products.collection.update import fetch
from lc_assets.store.layout import Store


def export_items(store: Store, target: Path, base: str | None = None) -> int:
    """Write the Collection to `<target's stem>.collection.json` and all items to `target`, one JSON document per line.

    Args:
        target: path of the file with the items.
        base: URL of the store's root for readers of the documents; None means the store's own URL.

    Returns:
        Number of items.

    Raises:
        LandCoverError: rustac or DuckDB is not installed.
        StoreError: there is no index, or a file cannot be read or written.
    """
    base = without_query(base) if base else base_of(store)
    count = 0
    try:
        with scratch(store) as work:
            index, _ = fetch(store, work)
            if index is None:
                raise no_collection(store)
            collection = absolute(read_collection(index), base)
            del collection["lc:index"]  # the state of the writer
            target.with_suffix(".collection.json").write_text(json.dumps(collection) + "\n", encoding="utf-8")
            with target.open("w", encoding="utf-8") as lines:
                for item in items(index, work):
                    lines.write(json.dumps(absolute(item, base)) + "\n")
                    count += 1
    except OSError as error:
        raise StoreError(
            f"the collection cannot be exported ({error.strerror or error}: {error.filename})",
            remedy="check that the store can be read and that there is disk space for the file",
        ) from None
    return count


def no_collection(store: Store) -> StoreError:
    """Return the error for a store without an index."""
    return StoreError(
        f"there is no collection in {store.collection}",
        remedy="create it with lc-assets collection, or name another --store",
    )
