"""Finds the failed checks of each scene in Dagster's records.

The history of a check holds the results of all scenes, and its newest result may be of another scene. The record of a
result has the storage id of the materialisation that was checked, so a failure counts as long as that is the newest
materialisation of its scene.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import dagster as dg

from lc_assets.operations.dagster_private import AssetCheckExecutionRecordStatus
from lc_assets.operations.keys import CHECKED_SCENE
from lc_assets.operations.records import PAGE, latest_storage_ids
from lc_assets.sentinel2.scene_ids import scene_label


class FailedCheck(NamedTuple):
    """A check that failed for a scene: asset, name, what was found, and whether it is a warning only."""

    asset: str
    name: str
    description: str
    is_warning: bool


def failed_checks(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> dict[str, list[FailedCheck]]:
    """Return item -> its failed checks. Items without one are left out.

    Args:
        instance: whose records are read.
        keys: the checks.
    """
    found: dict[str, list[FailedCheck]] = defaultdict(list)
    for key in keys:
        newest: dict[str, dg.AssetCheckEvaluation] = {}
        for item, evaluation in _failures(instance, key):
            newest.setdefault(item, evaluation)
        made = latest_storage_ids(instance, key.asset_key, newest)
        for item, evaluation in newest.items():
            target = evaluation.target_materialization_data
            if target and target.storage_id == made.get(item):
                found[item].append(
                    FailedCheck(
                        key.asset_key.to_user_string(),
                        key.name,
                        without_scene(evaluation.description, item),
                        evaluation.severity is dg.AssetCheckSeverity.WARN,
                    )
                )
    return dict(found)


def without_scene(description: str | None, item: str) -> str:
    """The description of a check's result without the scene in front of it."""
    return (description or "").removeprefix(f"{scene_label(item)}: ")


def _failures(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> Iterator[tuple[str, dg.AssetCheckEvaluation]]:
    """Item and result of each failure of a check, the newest first."""
    cursor, failed = None, {AssetCheckExecutionRecordStatus.FAILED}
    while True:
        records = instance.event_log_storage.get_asset_check_execution_history(
            key, limit=PAGE, cursor=cursor, status=failed
        )
        for record in records:
            evaluation = record.evaluation
            item = evaluation.metadata.get(CHECKED_SCENE) if evaluation else None
            if evaluation and item:
                yield str(item.value), evaluation
        if len(records) < PAGE:
            return
        cursor = records[-1].id
