from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import rasterio

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.engine import load_engine
from lc_assets.inference.loading import open_model, read_contract
from lc_assets.inference.windows.classify import Classification
from lc_assets.products.stac.validate import validate_offline
from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES
from lc_assets.training.augment import augment
from lc_assets.training.calibrate import fit_temperature, softmax
from lc_assets.training.data.chips import Chips, no_chips
from lc_assets.training.data.eurosat import (
    EUROSAT_ORDER,
    band_positions,
    read_eurosat_folder,
    read_packed,
    read_rgb,
    rgb_to_dn,
)
from lc_assets.training.data.splits import Splits, spatial
from lc_assets.training.evaluation.metrics import ClassificationMetrics
from lc_assets.training.network import multiply_adds_per_pixel
from lc_assets_tests.inference.maps import whole_map
from lc_assets_tests.sentinel2.stacks import stack_of

NO_PYTORCH = "needs PyTorch, which the train extra brings"


@pytest.mark.slow
def test_no_chip_of_the_evaluation_is_in_training_nor_its_rgb_twin(shared: Path) -> None:
    from lc_assets.training.data.splits import read_splits

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
    whole = augment(dn, present, mean, std, np.random.default_rng(1), bands_dropped=0, hidden=0)
    assert (whole[:, present[0]] != 0).all()
    assert first.dtype == np.float32


def test_temperature_makes_overconfident_logits_honest() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4000, 10))
    labels = np.array([rng.choice(10, p=row) for row in softmax(logits)])
    assert fit_temperature(4 * logits, labels) == pytest.approx(4, rel=0.1)
    honest, bold = (ClassificationMetrics.of(softmax(x), labels) for x in (logits, 4 * logits))
    assert honest.calibration_error < 0.03 < bold.calibration_error


def test_the_shipped_network_is_small_unpadded_and_fully_convolutional() -> None:
    """Counted from the layers of the file itself, not from the plan that it was made by."""
    contract, weights = read_contract()
    model = keras.saving.load_model(weights, compile=False, safe_mode=True)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds[-2:] == ["GlobalAveragePooling2D", "Dense"]
    assert set(kinds[:-2]) <= {"InputLayer", "Conv2D", "DepthwiseConv2D", "Cropping2D", "Add"}
    stride, total = 1, 0.0
    for layer in model.layers:
        if not hasattr(layer, "kernel_size"):
            continue
        assert layer.padding == "valid"
        stride *= layer.strides[0]  # branches have stride 1, so the order of the layers is that of the strides
        total += np.prod(layer.kernel.shape) / stride**2
    assert stride == 8
    assert total <= 5000
    assert total == pytest.approx(multiply_adds_per_pixel())
    assert contract.hyperparameters["multiply_adds_per_pixel"] == pytest.approx(total)
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
    pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training.fit import Recipe, fit, predict
    from lc_assets.training.scaling import Scaling

    chips = coloured_chips(40)
    splits, scaling = Splits(chips, chips, chips, chips, chips), Scaling.of(chips)
    recipe = Recipe(steps=4, batch_multispectral=8, batch_rgb=4, batch_weak=4)
    taught_by = [fit(splits, scaling, recipe, tmp_path / "t.pt")]
    whole = predict(fit(splits, scaling, recipe, tmp_path / "a.pt", teachers=taught_by, report_every=2), chips, scaling)
    halted = fit(splits, scaling, recipe, tmp_path / "b.pt", teachers=taught_by, report_every=2, stop_at=2)
    assert not np.allclose(whole, predict(halted, chips, scaling), atol=1e-4)
    resumed = fit(splits, scaling, recipe, tmp_path / "b.pt", teachers=taught_by, report_every=2)
    assert np.allclose(whole, predict(resumed, chips, scaling), atol=1e-4)


def coloured_chips(count: int) -> Chips:
    """Noise whose brightness tells the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, count)
    dn = (rng.integers(100, 900, (count, 12, 64, 64)) + 200 * labels[:, None, None, None]).astype(np.uint16)
    names = np.array([f"Chip_{n}" for n in range(count)])
    return Chips(dn, labels, names, np.ones(12, bool), np.full(count, 10), np.linspace(0, 20, count))


def test_the_keras_model_says_what_the_fitted_network_says(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training.network import keras_model, torch_module

    torch.manual_seed(0)
    module = torch_module().eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):  # as if fitted: none is the identity
            for values, low, high in (
                (part.running_mean, -0.5, 0.5),
                (part.running_var, 0.2, 1.5),
                (part.weight.data, 0.5, 2),
                (part.bias.data, -0.5, 0.5),
            ):
                values.uniform_(low, high)
    module[-1].weight.data *= 20
    chips = torch.randn(5, 12, 64, 64)
    with torch.no_grad():
        expected = softmax(module(chips).numpy() / 1.7)
    weights = tmp_path / "model.keras"
    keras_model(module, temperature=1.7).save(weights)
    contract = replace(read_contract()[0], sha256=sha256_of(weights))
    # By the engine, which names the precision: a backend left alone may take bfloat16.
    found = load_engine(weights, contract, "float32").probabilities(chips.permute(0, 2, 3, 1).numpy())
    assert expected.max() > 0.3
    assert np.abs(found - expected).max() < 1e-5


def test_another_keras_backend_goes_the_same_way_and_gives_the_same_map(demo_item: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=NO_PYTORCH)
    stack = stack_of(demo_item, tmp_path)
    # A process of its own: Keras takes its backend when it is first imported.
    program = f"""
import numpy as np
from pathlib import Path
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.sentinel2.bands.stack import Stack
stack = Stack.open(Path({str(stack.path)!r}), Path({str(stack.scl_path)!r}), {stack.item!r})
classification = Classification(stack, open_model(), 8)
print(classification.engine.backend, classification.engine.precision, classification.evaluator.name)
np.save({str(tmp_path / "map.npy")!r}, np.concatenate([block.classes for block in classification.blocks()]))
"""
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["torch", "float32", "dense"]
    expected, _ = whole_map(Classification(stack, open_model(SHIPPED, "float32"), 8))
    assert (np.load(tmp_path / "map.npy") == expected).mean() > 0.9999


@pytest.mark.parametrize("has", [True, False])
def test_a_fit_uses_bfloat16_only_on_a_cpu_that_has_it(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training import device

    monkeypatch.setattr(device, "has_bfloat16", lambda: has)
    values = torch.ones(2, 2)
    with device.mixed_precision(torch.device("cpu")):
        assert (values @ values).dtype == (torch.bfloat16 if has else torch.float32)


def test_rgb_chips_are_completed_from_their_twins_alone(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training.band_completion import complete
    from lc_assets.training.scaling import Scaling

    chips = coloured_chips(60)
    seen = np.isin(BAND_NAMES, ("B02", "B03", "B04"))
    rgb = replace(chips, dn=np.where(seen[:, None, None], chips.dn, 0).astype(np.uint16), bands=seen)
    scaling = Scaling.of(chips)
    done = complete(rgb, chips, scaling, tmp_path / "c.pt", seed=1, steps=60)
    assert done.bands.all()
    assert (done.dn[:, seen] == rgb.dn[:, seen]).all()
    # Brightness is the class here, in every band: what is filled in follows it.
    filled = done.dn[:, ~seen].mean(axis=(1, 2, 3))
    assert np.corrcoef(filled, chips.dn[:, ~seen].mean(axis=(1, 2, 3)))[0, 1] > 0.8
    again = complete(rgb, chips, scaling, tmp_path / "c.pt", seed=1, steps=60)
    assert (again.dn == done.dn).all()
    strangers = replace(rgb, names=np.array(["stranger"] * 60))
    assert complete(strangers, chips, scaling, tmp_path / "d.pt", seed=1).bands.tolist() == seen.tolist()


def test_the_spatial_split_keeps_the_east_and_its_rgb_twins_out_of_training() -> None:
    chips = coloured_chips(80)
    first, second = chips.where(np.arange(80) % 4 != 0), chips.where(np.arange(80) % 4 == 0)
    western, eastern = spatial(Splits(first, chips, no_chips(), second, no_chips()))
    assert len(eastern) == 20
    assert eastern.longitudes.min() > western.multispectral.longitudes.max()
    held = set(eastern.names)
    assert not held & set(western.multispectral.names)
    assert not held & set(western.rgb.names)
    assert held & set(first.names) and held & set(second.names)  # of both official lists


def packed(folder: Path, chips: int = 2, rows: int = 2, name: str = "Forest") -> None:
    profile = {"driver": "GTiff", "width": 64, "height": 64 * chips, "count": 12, "dtype": "uint16"}
    with rasterio.open(folder / "eurosat_ms.tif", "w", **profile) as dataset:
        dataset.write(np.full((12, 64 * chips, 64), 500, np.uint16))
        dataset.descriptions = BAND_NAMES
    lines = "".join(f"{name}_{n},{name},train\n" for n in range(rows))
    (folder / "eurosat_ms.csv").write_text("name,class_name,official_split\n" + lines)


def test_chips_that_cannot_be_read_are_told_by_their_file(tmp_path: Path) -> None:
    packed(tmp_path)
    assert len(read_packed(tmp_path, "eurosat_ms")[0]) == 2
    packed(tmp_path, rows=3)
    with pytest.raises(LandCoverError, match=r"64 x 128 px of uint16, 3 chips of eurosat_ms\.csv are 64 x 192"):
        read_packed(tmp_path, "eurosat_ms")
    packed(tmp_path, name="Swamp")
    with pytest.raises(LandCoverError, match=r"eurosat_ms.csv is no file of chips.*Swamp"):
        read_packed(tmp_path, "eurosat_ms")
    (tmp_path / "eurosat_ms.csv").unlink()
    with pytest.raises(LandCoverError, match=r"eurosat_ms\.csv is no file of chips"):
        read_packed(tmp_path, "eurosat_ms")
    packed(tmp_path)
    (tmp_path / "eurosat_ms.tif").write_bytes(b"x" * 100)
    with pytest.raises(LandCoverError, match=r"eurosat_ms\.tif is no file of chips"):
        read_packed(tmp_path, "eurosat_ms")


def test_pictures_that_cannot_be_read_are_told_by_their_file(tmp_path: Path) -> None:
    archive = tmp_path / "eurosat_rgb.zip"
    archive.write_bytes(b"no zip")
    with pytest.raises(LandCoverError, match=r"eurosat_rgb\.zip is no file of chips"):
        read_rgb(archive)
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("train/Forest/Forest_1.jpg", b"no picture")
    with pytest.raises(LandCoverError, match=r"Forest_1\.jpg is no file of chips"):
        read_rgb(archive)
    assert len(read_rgb(archive, without=["Forest_1"])) == 0
    (tmp_path / "Forest").mkdir()
    (tmp_path / "Forest" / "Forest_1.tif").write_bytes(b"no raster")
    with pytest.raises(LandCoverError, match=r"Forest_1.tif is no file of chips"):
        read_eurosat_folder(tmp_path)
