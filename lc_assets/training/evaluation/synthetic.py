"""Evaluate a model's maps of synthetic scenes, whose truth is known. They are made in memory, so nothing is needed.

The scenes have the landscapes and colours of the demo scene, without clouds. They show whether a model works at all:
the shipped one is right on three quarters or more of such ground. Only real scenes show how good a model is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lc_assets.demo.colours import paint
from lc_assets.demo.landscape import make_landscape
from lc_assets.demo.scene import block_mean
from lc_assets.inference.loading import open_model
from lc_assets.raster.upsample import bilinear
from lc_assets.sentinel2.band_table import BANDS
from lc_assets.training.evaluation.map_evaluation import MapEvaluation, compare_maps
from lc_assets.training.evaluation.map_metrics import groups_of
from lc_assets.training.evaluation.scenes import ReferenceScene, SceneFile

SEEDS = (1, 2)
SHAPE = (600, 600)
"""Rows and columns at 10 m, multiples of 6."""


def evaluate_synthetic(model: Path) -> MapEvaluation:
    """Return the metrics of a model's maps of synthetic scenes, by groups of classes.

    Args:
        model: path of the model's MLM item.

    Raises:
        BadModel: the model cannot be loaded.
    """
    engine = open_model(model, "float32")
    return compare_maps(synthetic_scenes(engine.contract.product_levels[-1]), engine)


def synthetic_scenes(level: str) -> Iterator[ReferenceScene]:
    """Yield synthetic scenes with their truth as reference, each time the same.

    Args:
        level: product level that the scenes are said to have.
    """
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        landscape = make_landscape(SHAPE, rng)
        layers = zip(paint(landscape, rng), BANDS, strict=True)
        stack = np.stack([_at_10_m(layer, band.factor) for layer, band in layers], axis=-1)
        name = f"synthetic_{seed}"
        yield ReferenceScene(
            SceneFile(Path(name), name, level, SHAPE), stack, groups_of(landscape.classes), None, None, None
        )


def _at_10_m(layer: np.ndarray, factor: int) -> np.ndarray:
    """Return a 10 m layer as a sensor with coarser pixels sees it, interpolated to 10 m: (rows, columns) uint16."""
    native = np.clip(np.rint(block_mean(layer, factor)), 1, 10_000).astype(np.uint16)
    return bilinear(np.pad(native, 1, mode="edge"), factor) if factor > 1 else native
