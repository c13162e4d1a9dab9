"""Asset backfills: the same as the UI's "Launch backfill", for a daemon to work off, one run a scene.

No command of Dagster's launches one (`dagster job backfill` queues runs of a job), so it is put where the UI's
`launchPartitionBackfill` puts it: into the instance.
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
    """Hand registered items to a backfill of all six assets.

    Args:
        instance: its daemon works the backfill off.
        definitions: of the code location.
        items: STAC item ids, registered.
        fingerprint: of the model that is meant; class_raster refuses to run with another one.
        config: of the ops, as in a run's config.
        title: shown in the UI.

    Returns:
        The backfill's id.
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
