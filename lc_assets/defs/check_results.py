"""The result of a check of a scene, in a form that tells which scene it is of.

Dagster keeps the results of all scenes in one history for each check, and shows the newest of them as the check's
status. So each result begins with tile and date of its scene, and `lc_assets.operations.failed_checks` finds the scenes
whose check failed. Checks that are partitioned by scene (in preview in Dagster 1.13.27) would show each scene, but the
graph in the UI then asks the database about every scene, once for each check, whenever it is drawn or refreshed.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from lc_assets.core.wording import quantity
from lc_assets.operations.keys import CHECKED_SCENE
from lc_assets.products.stac.catalog import read_catalog
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.cog import cog_problems
from lc_assets.sentinel2.scene_ids import scene_label
from lc_assets.store.paths import StorePath, gdal_path
from lc_assets.store.product_layout import ProductLayout


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


def cog_check(asset: str) -> dg.AssetCheckSpec:
    """Return the check `cog_valid` of an asset, whose results `cog_result` makes."""
    return dg.AssetCheckSpec("cog_valid", asset=asset, blocking=True, description="All rasters are valid COGs.")


def cog_result(item: str, rasters: Iterable[StorePath]) -> dg.AssetCheckResult:
    """Return the result of `cog_valid`: whether the written rasters of a scene or a season map are valid COGs."""
    problems = [problem for path in rasters for problem in cog_problems(gdal_path(path))]
    return scene_result(
        item,
        "cog_valid",
        passed=not problems,
        description="; ".join(problems) or "all rasters are valid COGs",
        metadata={"problems": len(problems)},
    )


def stac_check(asset: str) -> dg.AssetCheckSpec:
    """Return the check `stac_valid` of an asset, whose results `stac_result` makes."""
    return dg.AssetCheckSpec(
        "stac_valid",
        asset=asset,
        blocking=True,
        description="The written Item passes the schemas of STAC 1.1 and of every extension that it declares, and "
        "every asset resolves.",
    )


def stac_result(item: str, layout: ProductLayout) -> dg.AssetCheckResult:
    """Return the result of `stac_valid`: whether the written Item of a scene or a season map is valid."""
    [written] = read_catalog(layout.catalog).get_items()
    faults = validate_offline(json.loads(layout.stac_item.read_text(encoding="utf-8")))
    for name, asset in written.assets.items():
        if not layout.folder.joinpath(asset.href).exists():
            faults.append(f"asset {name}: {asset.href} does not resolve")
    return scene_result(
        item,
        "stac_valid",
        passed=not faults,
        description="; ".join(faults[:5]) or f"valid, and all {quantity(len(written.assets), 'asset')} resolve",
        metadata={"faults": "; ".join(faults) or "none", "assets": len(written.assets)},
    )
