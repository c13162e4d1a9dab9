"""Takes removed scenes out of the collection and out of the store's catalog."""

from __future__ import annotations

from collections.abc import Sequence

from lc_assets.products.collection.extras import check_tools
from lc_assets.products.collection.parquet import ids
from lc_assets.products.collection.scratch import scratch
from lc_assets.products.collection.update import Changes, fetch, update, updating
from lc_assets.store.layout import COLLECTION_FILE, INDEX_FILE, Store
from lc_assets.store.product_layout import MAP_SUFFIX


def drop_scenes(store: Store, scenes: Sequence[str]) -> int | None:
    """Take scenes whose files were removed out of the collection and the store's catalog.

    A collection without any scene is removed, and the catalog with it: the next update makes both.

    Returns:
        Number of items that are left; None if the store has no collection.

    Raises:
        LandCoverError: rustac or DuckDB is not installed.
        StoreError: the store cannot be read or written, or other writers were faster at each attempt.
    """
    index = store.collection / INDEX_FILE
    with updating(store):
        if not index.exists():
            return None
        check_tools()
        with scratch(store) as work:
            copy, _ = fetch(store, work)
            left = set(ids(copy)) - {f"{scene}{MAP_SUFFIX}" for scene in scenes} if copy else set()
        if left:
            return update(store, lambda positions: Changes(scenes)).items
        for path in (store.catalog, store.collection / COLLECTION_FILE, index):
            path.unlink(missing_ok=True)
    return 0
