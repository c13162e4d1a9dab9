"""Launches asset backfills, as "Launch backfill" in the UI does. Dagster's daemon then queues one run per scene.

Dagster has no command for this: `dagster job backfill` queues runs of a job. So `launch_backfill` writes the backfill
into the instance, as the mutation `launchPartitionBackfill` of the UI does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import dagster as dg

from lc_assets.operations.dagster_private import PartitionBackfill, make_new_backfill_id
from lc_assets.operations.identity import MODEL_TAG
from lc_assets.operations.keys import SCENE_ASSETS


def launch_backfill(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    items: Sequence[str],
    *,
    fingerprint: str,
    config: dict[str, Any],
    title: str,
) -> str:
    """Launch a backfill of all six assets of some items.

    Args:
        instance: the Dagster instance. Its daemon executes the backfill.
        definitions: definitions of the code location.
        items: ids of registered STAC items.
        fingerprint: fingerprint of the model that the runs must use; class_raster fails if the worker has another one.
        config: config of the ops, as in the config of a run.
        title: title of the backfill in the UI.

    Returns:
        The id of the backfill.
    """
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=make_new_backfill_id(),
        asset_graph=definitions.resolve_asset_graph(),
        partition_names=list(items),
        asset_selection=list(SCENE_ASSETS),
        backfill_timestamp=time.time(),
        tags={MODEL_TAG: fingerprint},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=title,
        description=None,
        run_config={"ops": config} if config else None,
    )
    instance.add_backfill(backfill)
    return backfill.backfill_id
