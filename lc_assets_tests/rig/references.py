"""Small reference rasters for tests, what they become on the small demo scene's grid, and the asset that compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import rasterio
from affine import Affine

from lc_assets.core.retry_policy import DEFAULT_POLICY
from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.keys import COMPARE
from lc_assets.operations.runs import RunResult, run_scene
from lc_assets.products.agreement.crosswalk import FOLDER, Crosswalk, read_crosswalk
from lc_assets.products.agreement.reference_tiles import open_tiles
from lc_assets.products.agreement.references import Tile
from lc_assets.products.agreement.warp import NO_REFERENCE, Reprojector
from lc_assets.raster.grid import Grid
from lc_assets_tests.conftest import Desk

EUROSAT = read_crosswalk(FOLDER / "eurosat.csv")
WORLDCOVER = read_crosswalk(FOLDER / "esa-worldcover.csv")
GRID = Grid("EPSG:32632", Affine(10, 0, 330_000, 0, -10, 5_760_000), 258, 246)


def raster(path: Path, codes: np.ndarray, crs: str, at: Affine, nodata: int | None = 0) -> Tile:
    profile = {"driver": "GTiff", "count": 1, "dtype": codes.dtype, "crs": crs, "transform": at, "nodata": nodata}
    with rasterio.open(path, "w", height=codes.shape[0], width=codes.shape[1], **profile) as dataset:
        dataset.write(codes, 1)
    return Tile(path)


def warped(tiles: list[Tile], crosswalk: Crosswalk, grid: Grid = GRID, rows: int = 10**6) -> np.ndarray:
    """Reference codes on a grid, read in strips of so many rows; 255 where nothing is known."""
    codes = np.array([*(entry.code for entry in crosswalk.reference), *[255] * 256], np.int64)
    with open_tiles(tiles, DEFAULT_POLICY) as opened:
        warper = Reprojector(opened, grid, crosswalk)
        found = np.concatenate([warper.read(window) for window in grid.strips(rows)])
    return np.where(found == NO_REFERENCE, 255, codes[np.minimum(found, len(crosswalk.reference))])


def blocks(shape: tuple[int, int], side: int, codes: tuple[int, ...], seed: int = 0) -> np.ndarray:
    few = np.random.default_rng(seed).choice(codes, [-(-n // side) for n in shape])
    return few.repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]].astype(np.uint8)


KNOWN = (10, 20, 30, 40, 50, 80)


def agreed(desk: Desk, item: str = DEMO_ITEM_ID, **config: Any) -> tuple[RunResult, dict[str, Any]]:
    """The asset, materialised; and its check: whether it passed, its description, its metadata."""
    outcome = run_scene(
        build_definitions(desk.settings),
        desk.instance,
        item,
        {"reference_agreement": {"config": config}},
        job=COMPARE,
    )
    checks = [
        event.dagster_event.asset_check_evaluation_data
        for event in desk.instance.all_logs(outcome.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    return outcome, {
        c.check_name: (c.passed, c.description, {k: v.value for k, v in c.metadata.items()}) for c in checks
    }
