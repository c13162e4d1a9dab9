from __future__ import annotations

import numpy as np
import pytest

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.sentinel2.band_table import BAND_INDEX
from lc_assets.training.data.chips import COVER_NAMES
from lc_assets.training.data.tiles import tiles_of
from lc_assets.training.levels import GAIN, OFFSET, conversion
from lc_assets.training.position_labels import ALLOWED, cover_weights
from lc_assets.training.scaling import Scaling
from lc_assets_tests.training.chips import NO_PYTORCH, coloured_chips


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
    # The brightness of a whole tile is that of its class, as L1C or as L2A.
    tiles, labels = source.tiles(12, np.random.default_rng(2))
    b8 = BAND_INDEX["B08"]
    brightness = 500 + 200 * labels.numpy()
    found = tiles.x[:, b8].mean(dim=(1, 2)).numpy()
    as_l2a = (brightness - OFFSET[b8]) / GAIN[b8]
    assert (np.minimum(abs(found - brightness), abs(found - as_l2a)) < 60).all()


def test_the_two_levels_are_converted_back_and_forth() -> None:
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


def test_a_label_and_the_cover_leave_the_classes_that_both_allow() -> None:
    def allowed(label: str | None, cover: str) -> set[str]:
        row = CLASS_NAMES.index(label) if label else len(CLASS_NAMES)
        return {CLASS_NAMES[n] for n in np.flatnonzero(ALLOWED[row, COVER_NAMES.index(cover)])}

    assert allowed("River", "water") == {"River"}
    assert allowed("River", "trees") == {"Forest"}
    assert allowed(None, "water") == {"River", "SeaLake"}
    assert allowed("Highway", "built") == {"Residential", "Industrial", "Highway"}
    assert allowed(None, "built") == {"Residential", "Industrial"}
    assert ALLOWED.any(axis=-1).all()
    for label in CLASS_NAMES:  # each class can be learnt from its own chips
        assert any(label in allowed(label, cover) for cover in COVER_NAMES)
    weights = cover_weights(np.array([[0.7, 0.3, 0, 0, 0, 0, 0, 0, 0], [0.0] * 9]))
    assert weights[0].sum() == pytest.approx(1) and weights[0, 0] > 0.8
    assert (weights[1] == 0).all()
