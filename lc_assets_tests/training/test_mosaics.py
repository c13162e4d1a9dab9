from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.sentinel2.band_table import BAND_INDEX
from lc_assets.training.data.chips import COVER_NAMES
from lc_assets.training.data.tiles import tiles_of
from lc_assets.training.level_conversion import GAIN, OFFSET, conversion
from lc_assets.training.position_labels import ALLOWED, cover_weights
from lc_assets.training.scaling import Scaling
from lc_assets_tests.training.chips import NO_PYTORCH, coloured_chips

if TYPE_CHECKING:
    import torch


def test_a_mosaic_has_the_labels_and_the_level_of_its_parts() -> None:
    pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training.mosaics import Mosaics

    chips = coloured_chips(30)
    mean, std = np.zeros(12, np.float32), np.ones(12, np.float32)
    source = Mosaics([tiles_of(chips, l2a=False)], [1], Scaling(mean, std, std), jitter=0)
    batch = source.mosaics(6, np.random.default_rng(1))
    assert batch.x.shape == (6, 12, 112, 112)
    assert batch.labels.shape == (6, 17, 17)
    counted = batch.weights.sum(-1) > 0
    assert 0.5 < counted.float().mean() < 1  # cells that cross a border do not count
    for part in batch.parts[counted].unique():
        assert len(batch.labels[batch.parts == part].unique()) == 1
    again = source.mosaics(6, np.random.default_rng(1))
    assert (again.x == batch.x).all()
    # The brightness of a whole tile without water is that of its class, as L1C or as L2A.
    tiles, labels = source.tiles(12, np.random.default_rng(2))
    dry = labels % 9 != 0
    _is_of(labels[dry], tiles.x[dry])


def _is_of(labels: np.ndarray, x: torch.Tensor) -> None:
    b12 = BAND_INDEX["B12"]  # this band has almost no haze
    brightness = 500 + 200 * np.asarray(labels)
    found = x[:, b12].mean(dim=(1, 2)).numpy()
    off = np.minimum(abs(found - brightness), abs(found - (brightness - OFFSET[b12]) / GAIN[b12]))
    assert (off < 20).mean() > 0.8  # a few tiles are mostly hidden


def test_water_of_another_tile_often_replaces_the_water_of_a_tile_but_not_its_label() -> None:
    pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training.mosaics import Mosaics

    chips = coloured_chips(60)
    mean, std = np.zeros(12, np.float32), np.ones(12, np.float32)
    lakes = tiles_of(chips.where(chips.labels == 9), l2a=False)  # their cover is water, as that of class 0
    rest = tiles_of(chips.where(chips.labels == 0), l2a=False)
    source = Mosaics([lakes, rest], [0.5, 0.5], Scaling(mean, std, std), jitter=0)
    tiles, labels = source.tiles(40, np.random.default_rng(3))
    assert set(labels.tolist()) == {0, 9}
    bright = tiles.x[:, BAND_INDEX["B08"]].mean(dim=(1, 2)) > 1600  # classes 0 and 9 are 1,800 DN apart
    for label in (0, 9):
        changed = (bright[labels == label] != (label == 9)).float().mean()
        assert 0.1 < changed < 0.5
    dry = tiles_of(chips.where(chips.labels % 9 != 0), l2a=False)
    tiles, labels = Mosaics([dry], [1], Scaling(mean, std, std), jitter=0).tiles(40, np.random.default_rng(3))
    _is_of(labels, tiles.x)


def test_l1c_and_l2a_pixels_are_converted_into_each_other() -> None:
    l2a = np.array([True, False, True])
    dn = np.random.default_rng(0).uniform(500, 4000, (3, 12)).astype(np.float32)
    factor, summand = conversion(l2a, l2a, np.random.default_rng(1))
    assert (factor == 1).all() and (summand == 0).all()
    factor, summand = conversion(l2a, ~l2a, np.random.default_rng(1))
    # With the mean atmosphere, `L1C = GAIN * L2A + OFFSET`; the haze varies about it.
    assert np.allclose(factor[0], GAIN) and np.allclose(factor[1], 1 / GAIN)
    haze = summand[1] * -GAIN / OFFSET
    assert np.allclose(haze, haze[0]) and 0.5 < haze[0] < 1.8
    assert dn.shape == factor.shape


def test_label_and_cover_together_allow_only_classes_that_fit_both() -> None:
    def allowed(label: str | None, cover: str) -> set[str]:
        row = CLASS_NAMES.index(label) if label else len(CLASS_NAMES)
        return {CLASS_NAMES[n] for n in np.flatnonzero(ALLOWED[row, COVER_NAMES.index(cover)])}

    assert allowed("River", "water") == {"River"}
    assert allowed("River", "trees") == {"Forest"}
    assert allowed(None, "water") == {"River", "SeaLake"}
    assert allowed("Highway", "built") == {"Residential", "Industrial", "Highway"}
    assert allowed("AnnualCrop", "built") == allowed(None, "built") == {"Residential", "Industrial", "Highway"}
    assert ALLOWED.any(axis=-1).all()
    for label in CLASS_NAMES:  # each class can be learnt from its own chips
        assert any(label in allowed(label, cover) for cover in COVER_NAMES)
    weights = cover_weights(np.array([[0.7, 0.3, 0, 0, 0, 0, 0, 0, 0], [0.0] * 9]))
    assert weights[0].sum() == pytest.approx(1) and weights[0, 0] > 0.8
    assert (weights[1] == 0).all()
