from __future__ import annotations

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import rasterio

from lc_assets.errors import LandCoverError
from lc_assets.evaluation.chips import EUROSAT_ORDER, band_positions, read_eurosat_folder, rgb_to_dn
from lc_assets.evaluation.figures import Judgement
from lc_assets.inference.models import SHIPPED, read_contract
from lc_assets.landcover import CLASS_NAMES
from lc_assets.sentinel2.bands import BAND_INDEX, BAND_NAMES
from lc_assets.stac.validate import validate_offline
from lc_assets.training.augment import augment
from lc_assets.training.calibrate import fit_temperature, softmax
from lc_assets.training.network import multiply_adds_per_pixel


def test_no_chip_of_the_evaluation_is_in_training_nor_its_rgb_twin(shared: Path) -> None:
    from lc_assets.evaluation.splits import read_splits

    splits = read_splits(shared / "eurosat")
    judged = set(splits.validation.names)
    assert len(judged) == 261
    assert not judged & set(splits.multispectral.names)
    assert not judged & set(splits.rgb.names)
    assert len(splits.rgb) == 21_600 - len(judged)
    # The L2A chips that are learnt from and those that are reported on are different ones.
    learnt = {chip.tobytes() for chip in splits.weak.dn}
    assert not learnt & {chip.tobytes() for chip in splits.weak_validation.dn}


def test_eurosats_own_band_order_is_put_right(tmp_path: Path) -> None:
    folder = tmp_path / "Forest"
    folder.mkdir()
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 13, "dtype": "uint16"}
    with rasterio.open(folder / "Forest_1.tif", "w", **profile) as dataset:
        for position, name in enumerate(EUROSAT_ORDER, start=1):
            value = 100 * (BAND_INDEX[name] + 1) if name in BAND_INDEX else 9999
            dataset.write(np.full((64, 64), value, np.uint16), position)
    chips = read_eurosat_folder(tmp_path)
    assert chips.dn[0, :, 0, 0].tolist() == [100 * (n + 1) for n in range(12)]
    assert chips.labels.tolist() == [CLASS_NAMES.index("Forest")]
    with pytest.raises(LandCoverError, match="11 bands"):
        band_positions(11, (None,) * 11, tmp_path)


def test_rgb_levels_become_dn_again() -> None:
    dn = np.array([1, 500, 1000, 2700])
    levels = np.rint(1 + dn * 254 / 2750)
    assert np.abs(rgb_to_dn(levels.astype(np.uint8)).astype(int) - dn).max() <= 6
    assert rgb_to_dn(np.array([0, 1], np.uint8)).min() >= 1


def test_augmentation_shows_absent_bands_as_zero_and_is_seeded() -> None:
    dn = np.full((16, 12, 64, 64), 1200, np.uint16)
    present = np.broadcast_to(np.isin(BAND_NAMES, ("B02", "B03", "B04")), (16, 12))
    mean, std = np.full(12, 1000, np.float32), np.full(12, 300, np.float32)
    first = augment(dn, present, mean, std, np.random.default_rng(1))
    again = augment(dn, present, mean, std, np.random.default_rng(1))
    assert (first == again).all()
    assert (first[:, ~present[0]] == 0).all()
    assert (first[:, present[0]] != 0).mean() > 0.7
    assert first.dtype == np.float32


def test_temperature_makes_overconfident_logits_honest() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4000, 10))
    labels = np.array([rng.choice(10, p=row) for row in softmax(logits)])
    assert fit_temperature(4 * logits, labels) == pytest.approx(4, rel=0.1)
    honest, bold = (Judgement.of(softmax(x), labels) for x in (logits, 4 * logits))
    assert honest.calibration_error < 0.03 < bold.calibration_error


def test_the_shipped_network_is_small_unpadded_and_fully_convolutional() -> None:
    contract, weights = read_contract()
    model = keras.saving.load_model(weights, compile=False, safe_mode=True)
    layers = list(model.layers)
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds == ["Conv2D"] * len(convolutions) + ["GlobalAveragePooling2D", "Dense"]
    assert all(layer.padding == "valid" for layer in convolutions)
    stride, channels, total = 1, 12, 0.0
    for layer in convolutions:
        stride *= layer.strides[0]
        total += np.prod(layer.kernel_size) * channels * layer.filters / stride**2
        channels = layer.filters
    assert stride == 8
    assert total <= 5000
    assert total == pytest.approx(multiply_adds_per_pixel())
    assert contract.total_parameters == model.count_params()


def test_the_shipped_contract_is_valid_stac_and_fits_its_file() -> None:
    contract, weights = read_contract()
    assert validate_offline(json.loads(SHIPPED.read_text())) == []
    assert contract.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert contract.bands == BAND_NAMES
    assert contract.class_names == CLASS_NAMES
    assert "Patrick Helber" in json.dumps(contract.training_data)
    assert contract.metrics["l1c_official_validation"]["accuracy"] >= 0.9


def test_a_fit_can_be_resumed_and_gives_what_an_unbroken_one_gives(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="fitting needs the train extra")
    from lc_assets.evaluation.chips import Chips
    from lc_assets.evaluation.splits import Splits
    from lc_assets.training.fit import Recipe, Scaling, fit, predict

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 40)
    dn = (rng.integers(100, 900, (40, 12, 64, 64)) + 200 * labels[:, None, None, None]).astype(np.uint16)
    chips = Chips(dn, labels, np.array([""] * 40), np.ones(12, bool), np.full(40, 10), np.full(40, np.nan))
    splits, scaling = Splits(chips, chips, chips, chips, chips), Scaling.of(chips)
    recipe = Recipe(steps=4, batch_multispectral=8, batch_rgb=4, batch_weak=4)
    whole = predict(fit(splits, scaling, recipe, tmp_path / "a.pt", report_every=2), chips, scaling)
    fit(splits, scaling, recipe, tmp_path / "b.pt", report_every=2, stop_at=2)
    resumed = predict(fit(splits, scaling, recipe, tmp_path / "b.pt", report_every=2), chips, scaling)
    assert np.allclose(whole, resumed, atol=1e-4)
