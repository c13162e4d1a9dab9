"""What a store holds before and after `lc-assets prune`."""

from __future__ import annotations

import os
import time

import dagster as dg

from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID as DEMO
from lc_assets.operations.keys import CLASSIFY
from lc_assets.operations.status import SceneStatus, scene_statuses
from lc_assets.store.paths import StorePath, walk_files
from lc_assets_tests.conftest import Desk


def names(folder: StorePath) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def contents(folder: StorePath) -> dict[str, int]:
    return {str(path): size for path, size in walk_files(folder) if not str(path).endswith(".lock")}


def stands(desk: Desk, item: str = DEMO) -> SceneStatus:
    return scene_statuses(desk.instance, build_definitions(desk.settings), desk.store, [item])[item]


def queue(desk: Desk, item: str = DEMO, name: str = CLASSIFY) -> dg.DagsterRun:
    job = build_definitions(desk.settings).resolve_job_def(name)
    tags = {"dagster/partition": item}
    return desk.instance.create_run_for_job(job, status=dg.DagsterRunStatus.NOT_STARTED, tags=tags)


def age(folder: StorePath) -> None:
    """It and what is in it have not changed for two days."""
    for path in (*folder.iterdir(), folder):
        os.utime(str(path), (time.time() - 2 * 86400,) * 2)
