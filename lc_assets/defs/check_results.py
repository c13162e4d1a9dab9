"""The result of a check of a scene, in a form that tells which scene it is of.

Dagster keeps the results of all scenes in one history for each check, and shows the newest of them as the check's
status. So each result begins with tile and date of its scene, and `lc_assets.operations.failed_checks` finds the scenes
whose check failed. Checks that are partitioned by scene (in preview in Dagster 1.13.27) would show each scene, but the
graph in the UI then asks the database about every scene, once for each check, whenever it is drawn or refreshed.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from lc_assets.operations.keys import CHECKED_SCENE
from lc_assets.sentinel2.scene_ids import scene_label


def scene_result(
    item: str, name: str, *, passed: bool, description: str, metadata: Mapping[str, Any], warn: bool = False
) -> dg.AssetCheckResult:
    """Return the result of a check of one scene.

    Args:
        item: id of the scene's item.
        name: name of the check.
        passed: whether the check passed.
        description: what was found.
        metadata: the numbers behind it.
        warn: a failure is a warning, not an error.
    """
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR,
        description=f"{scene_label(item)}: {description}",
        metadata={CHECKED_SCENE: item, **metadata},
    )
