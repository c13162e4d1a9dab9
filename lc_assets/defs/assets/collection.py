"""collection: a STAC Collection and an index of all maps in the store, for searches."""

from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from lc_assets.defs.collection_changes import news_since
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.metadata import table
from lc_assets.defs.resources import StoreResource
from lc_assets.operations.keys import CATALOG, COLLECTION_POOL
from lc_assets.products.collection.update import UpdateSummary, update
from lc_assets.products.collection.verify import check_collection
from lc_assets.store.layout import COLLECTION_FILE, INDEX_FILE
from lc_assets.store.paths import StorePath


class CollectionConfig(dg.Config):
    """Update the collection with the new scenes, or rebuild it from all scenes."""

    rebuild: bool = Field(default=False, description="Read every scene of the store, not only what is new.")


@dg.asset(
    deps=[CATALOG],
    group_name="all_scenes",
    kinds={"stac", "parquet"},
    code_version="1",
    pool=COLLECTION_POOL,
    check_specs=[
        dg.AssetCheckSpec(
            "stac_valid",
            asset="collection",
            description="The Collection and a sample of the index's items pass the schemas of STAC 1.1 and of every "
            "extension that they declare.",
        ),
        dg.AssetCheckSpec(
            "counts_agree",
            asset="collection",
            description="The index has as many items as the Collection says, each once, and every item that was read "
            "could be used.",
        ),
    ],
)
def collection(
    context: dg.AssetExecutionContext, config: CollectionConfig, store: StoreResource
) -> dg.MaterializeResult:
    """A STAC 1.1 Collection and a stac-geoparquet index of all items. Each update adds the new and changed items.

    The run of a scene never waits for it. Two updates at the same time lose no item. Needs the extra `collection`.
    """
    with raise_as_dagster_failure():
        report = update(store.store(), partial(news_since, context.instance), rebuild=config.rebuild)
        faults = check_collection(store.store())
    return dg.MaterializeResult(
        metadata=_metadata(report, store.store().collection),
        check_results=[
            dg.AssetCheckResult(
                check_name="stac_valid", passed=not faults.invalid, metadata={"faults": faults.words(faults.invalid)}
            ),
            dg.AssetCheckResult(
                check_name="counts_agree",
                passed=not (faults.counts or report.faulty),
                metadata={
                    "faults": faults.words([*faults.counts, *(f"{s}: {why}" for s, why in report.faulty.items())])
                },
            ),
        ],
    )


def _metadata(report: UpdateSummary, folder: StorePath) -> dict[str, Any]:
    """Counts, extent, hectares per class and paths, for Dagster."""
    extent = report.collection["extent"]
    first, last = extent["temporal"]["interval"][0]
    hectares = report.collection["lc:hectares"]
    bbox = " ".join(f"{degrees:.4f}" for degrees in extent["spatial"]["bbox"][0])
    return {
        **{"items": report.items, "added": report.added, "changed": report.changed, "removed": report.removed},
        **{"unchanged": report.unchanged, "rebuilt": report.rebuilt},
        "size_MB": round(report.size / 1e6, 6),
        "seconds": round(report.seconds, 3),
        "extent": f"{bbox} degrees, {first or '..'} to {last or '..'}",
        # Ground that several maps show is counted once for each map: the sums are no area of land.
        "classes": table([{"class": name, "hectares, summed over maps": area} for name, area in hectares.items()]),
        "collection": dg.MetadataValue.path(str(folder / COLLECTION_FILE)),
        "index": dg.MetadataValue.path(str(folder / INDEX_FILE)),
    }
