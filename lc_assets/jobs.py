"""Jobs. One run classifies one scene, all steps in one process: parallelism comes from many runs, not from many
steps."""

import dagster as dg

from lc_assets.assets import SCENE_ASSETS
from lc_assets.partitions import scenes

CLASSIFY = "classify_scenes"

classify_scenes = dg.define_asset_job(
    CLASSIFY,
    selection=dg.AssetSelection.assets(*SCENE_ASSETS),
    partitions_def=scenes,
    executor_def=dg.in_process_executor,
    description="All five assets of one scene: fetch, stack, classify, overview, catalog.",
)
