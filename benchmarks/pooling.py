"""Measure how the exponent of the pooling changes the confidence of a season map.

    lc-assets demo --season          # writes ./store and ./demo_season
    python -m benchmarks.pooling [JUNE.tif AUGUST.tif]

With two rasters of one place on two dates (twelve bands of L2A at 10 m, DN without offset), it also prints how much the
network's answers on the two dates have in common, beside the same figures of the synthetic dates.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from lc_assets.core.settings import SHIPPED
from lc_assets.demo.season_figures import measure_season
from lc_assets.inference.engine import Engine
from lc_assets.inference.loading import open_model
from lc_assets.inference.stack_classes import ArrayStrips
from lc_assets.inference.windows.classify import Classification
from lc_assets.inference.windows.grid import DEFAULT_STRIDE
from lc_assets.products.season_map import pooling
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.cog import PROBABILITY_NODATA, PROBABILITY_SCALE
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import read_polygons
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.store.layout import Store
from lc_assets.store.paths import gdal_path

EXPONENTS = (0, 0.05, 0.1, 0.15, 0.2, 0.3)
SEASON = Path("demo_season")
TILE = "_T32UQC_"
"""In the ids of the scenes that are compared with each other."""


def main() -> None:
    """Print the figures."""
    scenes = sorted(path.name for path in SEASON.iterdir() if path.is_dir())
    demo = Store.at(Path("store"))
    _exponents(demo, scenes)
    one_tile = [_stored(demo, item) for item in scenes if TILE in item]
    pairs = [_in_common(*pair) for pair in combinations(one_tile, 2)]
    _show("synthetic dates", *np.mean(pairs, axis=0))
    if len(sys.argv) == 3:
        engine = open_model(SHIPPED, "float32")
        _show("real dates", *_in_common(*(_classified(Path(path), engine) for path in sys.argv[1:])))


def _exponents(demo: Store, scenes: list[str]) -> None:
    """Fuse the season with each exponent, and print confidence and calibration error."""
    area = read_polygons(SEASON / "area.geojson", "area.geojson")
    dates: dict[str, list[str]] = {}
    for item in scenes:
        dates.setdefault(item[11:19], []).append(gdal_path(demo.scene(item).classified))
    with tempfile.TemporaryDirectory() as folder:
        store = Store.at(Path(folder) / "store")
        for name in ("scenes", "items"):
            Path(str(store.root)).mkdir(exist_ok=True)
            (Path(folder) / "store" / name).symlink_to(Path("store", name).resolve())
        for exponent in EXPONENTS:
            pooling.EXPONENT = exponent
            made = make_season_map(store, "map", area, scenes)
            layout = made.layout
            rasters = [gdal_path(path) for path in (layout.classified, layout.confidence, layout.observations)]
            found = measure_season(rasters, str(SEASON / "truth.tif"), dates, area)
            print(
                f"exponent {exponent:4}: right {100 * found.right:.1f} %, confidence {made.mean_confidence:.1f} %, "
                f"calibration error {100 * found.calibration_error:.1f} %"
            )


def _stored(store: Store, item: str) -> np.ndarray:
    with rasterio.open(gdal_path(store.scene(item).probabilities)) as dataset:
        return np.asarray(dataset.read())


def _classified(path: Path, engine: Engine) -> np.ndarray:
    """Return the probabilities of a raster, as `probability_cog` stores them."""
    with rasterio.open(path) as dataset:
        stack = np.moveaxis(dataset.read(), 0, -1).astype(np.uint16)
    grid = Grid("EPSG:32633", Affine(10, 0, 0, 0, -10, 0), stack.shape[1], stack.shape[0])
    scene = Stack("array", path, None, grid, "L2A", "", 0, engine.contract.resampling)
    found = Classification(scene, engine, DEFAULT_STRIDE, source=lambda reach: ArrayStrips(stack, reach))
    return np.concatenate([b.probabilities.values for b in found.blocks() if b.probabilities], axis=1)


def _in_common(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Return the mean confidence of two dates, the share of cells with the same class, and the correlation of the
    logarithms of the probabilities after the mean of each class is taken off.

    Args:
        one, other: (classes, rows, columns) uint8.
    """
    known = (one[0] != PROBABILITY_NODATA) & (other[0] != PROBABILITY_NODATA)
    both = [values[:, known].astype(np.float32) * PROBABILITY_SCALE for values in (one, other)]
    logs = [np.log(np.maximum(values, pooling.LOWEST)) for values in both]
    logs = [values - values.mean(axis=0) for values in logs]
    classes = (logs[0] + logs[1]).argmax(axis=0)
    for values in logs:
        for code in np.unique(classes):
            values[:, classes == code] -= values[:, classes == code].mean(axis=1, keepdims=True)
    same = both[0].argmax(axis=0) == both[1].argmax(axis=0)
    confidence = np.mean([values.max(axis=0).mean() for values in both])
    return float(confidence), float(same.mean()), float(np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1])


def _show(name: str, confidence: float, same: float, correlation: float) -> None:
    print(
        f"{name}: confidence {100 * confidence:.0f} %, the same class on {100 * same:.0f} % of the cells, correlation "
        f"within classes {correlation:.2f}"
    )


if __name__ == "__main__":
    main()
