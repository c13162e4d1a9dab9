"""The names of assets, jobs, partitions and run tags in Dagster's records."""

from __future__ import annotations

import dagster as dg

CLASSIFY = "classify_scenes"
COMPARE = "compare_scenes"
SCENES = "scenes"
FUSE = "fuse_season_map"
SEASON_MAPS = "season_maps"
HOST_TAG = "lc_assets/host"
PID_TAG = "lc_assets/pid"
STARTED_TAG = "lc_assets/process_started"
PARTITION_TAG = "dagster/partition"
BACKFILL_TAG = "dagster/backfill"
SCENE_TAG = "scene"
"""Tag of a run: tile and date of its scene. Dagster cuts long tags, such as the partition, so the name is short."""
REMOVED_TAG = "lc_assets/removed"
"""Tag of the run that says that a scene was removed: when, in UTC."""
CHECKED_SCENE = "item"
"""Metadata of a check's result: the id of the item that was checked."""
DOWNLOADS_POOL = "downloads"
"""Dagster's pool of scenes that are downloaded at the same time. The instance sets its limit; the default is none."""
COLLECTION_POOL = "collection"
"""Dagster's pool with limit one: only one run at a time writes the collection."""
CLASS_RASTER = dg.AssetKey("class_raster")
CATALOG = dg.AssetKey("catalog")
SEASON_SCENES = dg.AssetKey("season_scenes")
SEASON_MAP = dg.AssetKey("season_map")
SCENE_ASSETS: tuple[dg.AssetKey, ...] = (
    dg.AssetKey("raw_bands"),
    dg.AssetKey("resampled_stack"),
    CLASS_RASTER,
    dg.AssetKey("overview"),
    dg.AssetKey("report"),
    CATALOG,
)
"""The six assets of a scene, in the order in which they are made."""
ASSET_NAMES: tuple[str, ...] = tuple(key.to_user_string() for key in SCENE_ASSETS)
