from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from lc_assets.core.checksum import sha256_of
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.build import load_engine
from lc_assets.inference.loading import open_model, read_contract
from lc_assets.inference.windows.classify import Classification
from lc_assets.products.stac.validate import validate_offline
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.training.calibrate import fit_temperature, softmax
from lc_assets.training.data.tiles import no_tiles, tiles_of
from lc_assets.training.evaluation.metrics import ClassificationMetrics
from lc_assets.training.network import multiply_adds_per_pixel
from lc_assets.training.scaling import Scaling
from lc_assets_tests.inference.maps import whole_map
from lc_assets_tests.sentinel2.stacks import stack_of
from lc_assets_tests.training.chips import NO_PYTORCH, coloured_chips


def test_the_temperature_calibrates_overconfident_logits() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4000, 10))
    labels = np.array([rng.choice(10, p=row) for row in softmax(logits)])
    assert fit_temperature([(4 * logits, np.eye(10, dtype=bool)[labels])]) == pytest.approx(4, rel=0.1)
    honest, bold = (ClassificationMetrics.of(softmax(x), labels) for x in (logits, 4 * logits))
    assert honest.calibration_error < 0.03 < bold.calibration_error


def test_the_shipped_network_is_small_unpadded_and_fully_convolutional() -> None:
    """The multiply-adds are counted from the layers of the file, not from the plan."""
    contract, weights = read_contract()
    model = keras.saving.load_model(weights, compile=False, safe_mode=True)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds[-3:] == ["GlobalAveragePooling2D", "Dense", "Dense"]
    assert set(kinds[:-3]) <= {"InputLayer", "Conv2D", "DepthwiseConv2D", "Cropping2D", "Add"}
    stride, total = 1, 0.0
    for layer in model.layers:
        if not hasattr(layer, "kernel_size"):
            continue
        assert layer.padding == "valid"
        stride *= layer.strides[0]  # branches have stride 1, so the order of the layers is that of the strides
        total += np.prod(layer.kernel.shape) / stride**2
    assert stride == 4
    assert total <= 6000
    assert contract.hyperparameters["multiply_adds_per_pixel"] == pytest.approx(total)
    assert contract.total_parameters == model.count_params()


def test_the_network_needs_fewer_than_6000_multiply_adds_per_pixel() -> None:
    assert multiply_adds_per_pixel() < 6000


def test_the_shipped_contract_is_valid_stac_and_fits_its_file() -> None:
    contract, weights = read_contract()
    assert validate_offline(json.loads(SHIPPED.read_text())) == []
    assert contract.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert contract.bands == BAND_NAMES
    assert contract.class_names == CLASS_NAMES
    assert "Patrick Helber" in json.dumps(contract.training_data)
    assert contract.metrics["l1c_official_validation"]["accuracy"] >= 0.9


def test_a_resumed_fit_gives_the_same_network_as_an_uninterrupted_one(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training.fit import Recipe, class_loss, fit, predict
    from lc_assets.training.mosaics import Mosaics
    from lc_assets.training.network import torch_module

    chips = coloured_chips(40)
    scaling = Scaling.of(chips)
    source = Mosaics([tiles_of(chips, l2a=False)], [1], scaling)
    recipe = Recipe(steps=4, batch_mosaics=2, batch_tiles=4)

    def fitted(name: str, stop_at: int | None = None) -> np.ndarray:
        loss = class_loss(recipe)
        found = fit(source, recipe, tmp_path / name, loss, torch_module, report_every=2, stop_at=stop_at)
        return predict(found, chips, scaling)

    whole = fitted("a.pt")
    assert not np.allclose(whole, fitted("b.pt", stop_at=2), atol=1e-4)
    assert np.allclose(whole, fitted("b.pt"), atol=1e-4)


@pytest.mark.parametrize("dense_layers", [1, 2])
def test_the_keras_model_predicts_the_same_as_the_fitted_network(tmp_path: Path, dense_layers: int) -> None:
    torch = pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training.network import body_and_head, keras_model, torch_module

    torch.manual_seed(0)
    module = torch_module().eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):  # as after a fit: no layer is the identity
            for values, low, high in (
                (part.running_mean, -0.5, 0.5),
                (part.running_var, 0.2, 1.5),
                (part.weight.data, 0.5, 2),
                (part.bias.data, -0.5, 0.5),
            ):
                values.uniform_(low, high)
    module[-1].weight.data *= 40
    if dense_layers == 2:
        module[-1] = torch.nn.Sequential(torch.nn.Conv2d(192, 32, 1), torch.nn.ReLU(), torch.nn.Conv2d(32, 10, 1))
        module[-1][2].weight.data *= 40
    chips = torch.randn(5, 12, 64, 64)
    body, head = body_and_head(module)
    with torch.no_grad():
        expected = softmax(head(body(chips).mean(dim=(2, 3), keepdim=True))[..., 0, 0].numpy() / 1.7)
    weights = tmp_path / "model.keras"
    keras_model(module, temperature=1.7).save(weights)
    contract = replace(read_contract()[0], sha256=sha256_of(weights))
    # The engine sets the precision. Without it, a backend may use bfloat16.
    found = load_engine(weights, contract, "float32").probabilities(chips.permute(0, 2, 3, 1).numpy())
    assert expected.max() > 0.3
    assert np.abs(found - expected).max() < 1e-5


def test_a_head_of_two_layers_classifies_whole_chips_and_keeps_the_positions() -> None:
    """Chips of Highway consist of positions that are AnnualCrop or Industrial, as roads between fields do."""
    torch = pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training.fit import predict
    from lc_assets.training.head import fit_head

    crop, road, industry = (CLASS_NAMES.index(name) for name in ("AnnualCrop", "Highway", "Industrial"))
    kinds = np.tile([crop, road, industry], 8)
    chips = replace(coloured_chips(len(kinds)), labels=kinds)
    chips.dn[...] = 1000
    chips.dn[kinds == industry] = 3000
    chips.dn[kinds == road, :, :, 16:32] = 3000
    scaling = Scaling.of(chips)
    linear = torch.nn.Conv2d(12, 10, 1)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.fill_(-20)
        linear.bias[[crop, industry]] = 0
        linear.weight[crop], linear.weight[industry] = -1.0, 1.0
    network = torch.nn.Sequential(torch.nn.AvgPool2d(4), linear).eval()
    assert set(predict(network, chips, scaling).argmax(axis=1)[kinds == road]) <= {crop, industry}
    found = fit_head(network, [chips], no_tiles(), scaling, seed=1, steps=600)
    assert (predict(found, chips, scaling).argmax(axis=1) == kinds).all()
    x = torch.from_numpy(scaling.apply(chips.dn))
    with torch.no_grad():
        assert (found(x).argmax(dim=1) == network(x).argmax(dim=1)).all()


def test_another_keras_backend_gives_the_same_map(demo_item: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=NO_PYTORCH)
    stack = stack_of(demo_item, tmp_path)
    # In a new process, because Keras reads its backend when it is imported.
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
    assert done.stdout.split() == ["torch", "float32", "positions"]
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


def test_the_missing_bands_of_rgb_chips_are_learnt_from_their_twins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason=NO_PYTORCH)
    from lc_assets.training import band_completion
    from lc_assets.training.band_completion import complete

    monkeypatch.setattr(band_completion, "BATCH", 8)
    chips = coloured_chips(60)
    seen = np.isin(BAND_NAMES, ("B02", "B03", "B04"))
    rgb = replace(chips, dn=np.where(seen[:, None, None], chips.dn, 0).astype(np.uint16), bands=seen)
    scaling = Scaling.of(chips)
    done = complete(rgb, chips, scaling, tmp_path / "c.pt", seed=1, steps=60)
    assert done.bands.all()
    assert (done.dn[:, seen] == rgb.dn[:, seen]).all()
    # Here the brightness of every band depends on the class, so the predicted bands must follow it.
    filled = done.dn[:, ~seen].mean(axis=(1, 2, 3))
    assert np.corrcoef(filled, chips.dn[:, ~seen].mean(axis=(1, 2, 3)))[0, 1] > 0.8
    again = complete(rgb, chips, scaling, tmp_path / "c.pt", seed=1, steps=60)
    assert (again.dn == done.dn).all()
    strangers = replace(rgb, names=np.array(["stranger"] * 60))
    assert complete(strangers, chips, scaling, tmp_path / "d.pt", seed=1).bands.tolist() == seen.tolist()
