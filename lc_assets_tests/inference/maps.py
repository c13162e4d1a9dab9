"""Class maps of whole scenes, computed by the pipeline and by hand."""

from __future__ import annotations

import numpy as np

from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.dense.scaling import normalize_input
from lc_assets.inference.engine import Engine
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.raster.fill import nearest
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.sentinel2.radiometry import remove_offset
from lc_assets_tests.sentinel2.stacks import pixels


def whole_map(classification: Classification) -> tuple[np.ndarray, np.ndarray]:
    blocks = list(classification.blocks())
    return np.concatenate([b.classes for b in blocks]), np.concatenate([b.confidence for b in blocks])


def by_hand(stack: Stack, stride: int, engine: Engine | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The definition: every window is evaluated separately, and probabilities are averaged pixel by pixel. Pixels
    without data get their nearest neighbours (tested in test_fill.py)."""
    engine = engine or open_model(SHIPPED, "float32")
    height, width = stack.grid.shape
    rows = -(-max(height - 64, 0) // stride) * stride + 64
    columns = -(-max(width - 64, 0) // stride) * stride + 64
    dn, valid = pixels(stack)
    dn = remove_offset(dn, stack.offset).transpose(1, 2, 0)
    dn = np.pad(dn, ((0, rows - height), (0, columns - width), (0, 0)), "symmetric")
    valid = np.pad(valid, ((0, rows - height), (0, columns - width)), "symmetric")
    hidden, source = nearest(valid, 64, (slice(None), slice(None)))
    dn.reshape(-1, dn.shape[2])[hidden] = dn.reshape(-1, dn.shape[2])[source]
    seen = valid.copy()
    seen.ravel()[hidden] = True
    total, votes = np.zeros((rows, columns, len(CLASSES))), np.zeros((rows, columns, 1))
    for y in range(0, rows - 63, stride):
        for x in range(0, columns - 63, stride):
            window = (slice(y, y + 64), slice(x, x + 64))
            if valid[window].mean() >= 0.5:
                chip = normalize_input(engine.contract, dn[window], seen[window])
                total[window] += engine.probabilities(chip[None])[0]
                votes[window] += 1
    with np.errstate(invalid="ignore"):
        mean = (total / votes)[:height, :width]
    without_vote = (votes[:height, :width, 0] == 0) | ~valid[:height, :width]
    classes = np.where(without_vote, NO_DATA.code, np.nan_to_num(mean).argmax(axis=2))
    return classes, np.where(without_vote, np.nan, mean.max(axis=2))
