"""update_collection_every_15_minutes: updates the collection every 15 minutes, if a scene is new."""

from __future__ import annotations

import dagster as dg

from lc_assets.core.errors import LandCoverError
from lc_assets.defs.assets.collection import collection
from lc_assets.defs.collection_changes import is_any_new
from lc_assets.defs.resources import StoreResource
from lc_assets.operations.dagster_private import NOT_FINISHED_STATUSES
from lc_assets.operations.pools import ensure_collection_pool
from lc_assets.products.collection.update import read_positions

UPDATE_COLLECTION = "update_collection"

update_collection = dg.define_asset_job(
    UPDATE_COLLECTION,
    selection=dg.AssetSelection.assets(collection),
    description="Append new scenes to the collection; with config `rebuild: true`, make it again from the store.",
)


@dg.schedule(
    job=update_collection,
    cron_schedule="*/15 * * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Appends to the collection what is new since the last time; skips when nothing is.",
)
def update_collection_every_15_minutes(
    context: dg.ScheduleEvaluationContext, store: StoreResource
) -> dg.RunRequest | dg.SkipReason:
    """Return a run request if a scene is new, or else the reason why not.

    If the store cannot be reached, the tick is skipped with that reason.
    """
    instance = context.instance
    unfinished = dg.RunsFilter(job_name=UPDATE_COLLECTION, statuses=[*NOT_FINISHED_STATUSES])
    if instance.get_runs(unfinished, limit=1):
        return dg.SkipReason("an update is queued or running")
    try:
        positions = read_positions(store.store())
    except (LandCoverError, OSError) as error:
        return dg.SkipReason(f"the collection cannot be read: {error}")
    if not is_any_new(instance, positions):
        return dg.SkipReason("nothing has been catalogued since the last update")
    ensure_collection_pool(instance)
    return dg.RunRequest()
