"""The jobs of a scene. One run is of one scene, with all steps in one process. Several runs work in parallel."""

import dagster as dg

from lc_assets.defs.assets import SCENE_ASSETS
from lc_assets.defs.assets.reference_agreement import reference_agreement
from lc_assets.defs.partitions import scenes
from lc_assets.operations.keys import CLASSIFY, COMPARE

classify_scenes = dg.define_asset_job(
    CLASSIFY,
    selection=dg.AssetSelection.assets(*SCENE_ASSETS),
    partitions_def=scenes,
    description="All six assets of one scene: fetch, stack, classify, overview, report, catalog.",
)

compare_scenes = dg.define_asset_job(
    COMPARE,
    selection=dg.AssetSelection.assets(reference_agreement),
    partitions_def=scenes,
    description="Compare the map of one scene with reference maps.",
)
