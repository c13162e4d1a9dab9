"""Checks the written collection: its documents against the schemas, its counts against each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lc_assets.core.errors import StoreError
from lc_assets.products.collection.parquet import ids, items
from lc_assets.products.collection.scratch import scratch
from lc_assets.products.collection.update import fetch
from lc_assets.products.stac.validate import validate_offline
from lc_assets.store.layout import COLLECTION_FILE, INDEX_FILE, Store

_SAMPLE = 20


@dataclass(frozen=True)
class Faults:
    """The faults of a collection, one text per fault.

    Attributes:
        invalid: violations of the schemas.
        counts: differences between the numbers of items in the index and in the Collection.
    """

    invalid: list[str]
    counts: list[str]

    @staticmethod
    def words(faults: Sequence[str]) -> str:
        """Join the first 20 faults to one text; "none" if there is no fault."""
        return "; ".join(faults[:20]) or "none"


def check_collection(store: Store) -> Faults:
    """Check the collection in the store: the Collection, the store's Catalog, 20 of the items, and the counts.

    Raises:
        StoreError: the collection is missing or cannot be read.
    """
    try:
        document = json.loads((store.collection / COLLECTION_FILE).read_text(encoding="utf-8"))
        with scratch(store) as work:
            index, _ = fetch(store, work)
            if index is None:
                raise FileNotFoundError(2, "the file does not exist", INDEX_FILE)
            known = ids(index)
            invalid = validate_offline(document)
            root = json.loads(store.catalog.read_text(encoding="utf-8"))
            invalid += [f"{store.catalog.name}: {fault}" for fault in validate_offline(root)]
            for item in items(index, work, _SAMPLE):
                invalid += [f"{item['id']}: {fault}" for fault in validate_offline(item)]
    except (OSError, ValueError) as error:
        raise StoreError(
            f"the collection in {store.collection} cannot be read ({error})",
            remedy="rebuild it: lc-assets collection --rebuild",
        ) from None
    counts = []
    if len(set(known)) != len(known):
        counts.append(f"{len(known) - len(set(known))} items are in the index more than once")
    if len(known) != document["lc:items"]:
        counts.append(f"the index has {len(known)} items, the Collection names {document['lc:items']}")
    return Faults(invalid, counts)
