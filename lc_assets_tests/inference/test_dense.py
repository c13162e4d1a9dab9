"""Dense evaluation equals evaluation chip by chip, which is used for models that cannot be evaluated densely."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lc_assets.core.errors import BadModel
from lc_assets.core.landcover import NO_DATA
from lc_assets.core.settings import SHIPPED
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference.dense.backends import OpenVinoPasses
from lc_assets.inference.dense.check import check_dense
from lc_assets.inference.dense.form import NotFullyConvolutional, split_fully_convolutional, window_means
from lc_assets.inference.dense.openvino import dense_graphs
from lc_assets.inference.engine import Engine
from lc_assets.inference.keras_file import load_keras_model
from lc_assets.inference.loading import open_model, read_contract
from lc_assets.inference.openvino_runtime import has_bfloat16
from lc_assets.inference.windows import strips
from lc_assets.inference.windows.classify import Classification
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets_tests.conftest import Desk, copy_scene, edit_bands, own_model, read
from lc_assets_tests.inference.maps import by_hand, whole_map
from lc_assets_tests.rig.marks import further
from lc_assets_tests.sentinel2.stacks import pixels, stack_of

BANDS = ("B02", "B03", "B04", "B08")


def chip_by_chip(engine: Engine) -> Engine:
    return dataclasses.replace(engine, dense=None, why_chips="for this test")


def windows_of(engine: Engine, stack: Stack, stride: int) -> np.ndarray:
    """(rows, columns, classes): the probabilities of all windows of a scene, extended by reflection at its edges."""
    evaluator = engine.evaluator(stride)
    grid = Classification(stack, engine, stride, window=64).window_grid
    rows, columns = ((n - 1) * stride + 64 for n in (grid.rows, grid.columns))
    dn, usable = pixels(stack)
    dn = dn[list(engine.contract.band_indices)]
    beyond = ((0, rows - stack.grid.height), (0, columns - stack.grid.width))
    features = evaluator.features(
        np.pad(dn, ((0, 0), *beyond), "symmetric"), np.pad(usable, beyond, "symmetric"), stack.offset
    )
    means = window_means(features, evaluator.window_features, evaluator.window_hop)
    assert means.shape[:2] == (grid.rows, grid.columns)
    return evaluator.probabilities(means.reshape(-1, means.shape[-1])).reshape(*means.shape[:2], -1)


@pytest.mark.parametrize("stride", [pytest.param(8, marks=pytest.mark.slow), 16, 64])
def test_every_window_of_the_real_scene_equals_its_chip(real_item: Path, tmp_path: Path, stride: int) -> None:
    engine, stack = open_model(SHIPPED, "float32"), stack_of(real_item, tmp_path)
    assert engine.evaluator(stride).name == "dense"
    dense, chips = windows_of(engine, stack, stride), windows_of(chip_by_chip(engine), stack, stride)
    assert dense.shape == chips.shape
    assert np.abs(dense - chips).max() < 1e-4
    assert dense.argmax(axis=2).std() > 0  # not one class everywhere


def test_a_scene_with_clouds_and_a_nodata_corner_is_the_same_both_ways(demo_item: Path, tmp_path: Path) -> None:
    engine, stack = open_model(SHIPPED, "float32"), stack_of(demo_item, tmp_path)
    dense = whole_map(Classification(stack, engine, 8, window=64))
    chips = whole_map(Classification(stack, chip_by_chip(engine), 8, window=64))
    assert (dense[0] == chips[0]).mean() > 0.9999  # where two classes are equally likely, rounding decides
    assert ((dense[0] == NO_DATA.code) == (chips[0] == NO_DATA.code)).all()
    assert np.abs(dense[1].astype(int) - chips[1]).max() <= 1


@pytest.mark.parametrize(("stride", "strip"), [(64, 48), (64, 0), *further((64, 100), (32, 72), (16, 200))])
def test_windows_with_gaps_between_them_do_not_depend_on_strips(
    demo_item: Path, tmp_path: Path, stride: int, strip: int
) -> None:
    engine, stack = open_model(SHIPPED, "float32"), stack_of(demo_item, tmp_path)
    dense = whole_map(Classification(stack, engine, stride, strip_pixels=strip, window=64))
    chips = whole_map(Classification(stack, chip_by_chip(engine), stride, window=64))
    assert (dense[0] == chips[0]).mean() > 0.9999
    assert np.abs(dense[1].astype(int) - chips[1]).max() <= 1


@pytest.mark.slow
def test_windows_that_overlap_an_empty_block_equal_their_chips(
    demo_item: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def emptied(name: str, dn: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
        dn[: dn.shape[0] // 2] = 0
        return dn

    item = copy_scene(demo_item, tmp_path)
    edit_bands(item, emptied)
    stack = stack_of(item, tmp_path / "store")
    engine = open_model(own_model(tmp_path / "m", BAND_NAMES, 10, networks(len(BAND_NAMES))["plain"]), "float32")
    monkeypatch.setattr(strips, "BLOCK_PIXELS", (24, 60))
    dense = whole_map(Classification(stack, engine, 8, strip_pixels=40, window=64))
    chips = whole_map(Classification(stack, chip_by_chip(engine), 8, window=64))
    assert (dense[0] == chips[0]).mean() > 0.9999
    assert np.abs(dense[1].astype(int) - chips[1]).max() <= 1


def networks(bands: int = len(BANDS)) -> dict[str, Any]:
    """Several combinations of convolutions, pooling and dense layers."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)

    def sequential(*parts: Any) -> Any:
        return keras.Sequential([keras.Input((64, 64, bands)), *parts])

    def tail(*hidden: Any) -> tuple[Any, ...]:
        return (layers.GlobalAveragePooling2D(), layers.Dropout(0.3), *hidden, layers.Dense(10, activation="softmax"))

    plain = sequential(layers.Conv2D(8, 5, 4, activation="relu"), layers.Conv2D(8, 3, 2), *tail())
    norm = layers.BatchNormalization()
    normed = sequential(layers.Conv2D(8, 4, 2, use_bias=False), norm, layers.LeakyReLU(0.1), *tail())
    norm.set_weights([np.random.default_rng(n).uniform(0.5, 2, 8) for n in range(4)])
    pooled = sequential(
        layers.Rescaling(0.5, offset=0.1),
        layers.Conv2D(8, 3, activation="silu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(12, 3, dilation_rate=2, activation="tanh"),
        layers.AveragePooling2D(2),
        *tail(layers.Dense(16, activation="relu"), layers.Dense(12), layers.Activation("sigmoid")),
    )
    nested = sequential(
        keras.Sequential([layers.Conv2D(8, 4, 4), layers.ReLU()]), layers.Conv2D(6, 1, padding="same"), *tail()
    )
    chip = keras.Input((64, 64, bands))
    x = layers.Conv2D(8, 4, 2, activation="relu")(chip)
    y = layers.DepthwiseConv2D(3, depth_multiplier=2)(layers.Conv2D(8, 1, activation="relu")(x))
    inner = layers.Cropping2D(((0, 2), (1, 1)))(x)
    z = layers.Conv2D(8, 3, 2)(layers.Concatenate()([inner, layers.Add()([layers.Conv2D(16, 1)(inner), y])]))
    branched = keras.Model(chip, layers.Softmax()(layers.Dense(10)(layers.GlobalAveragePooling2D()(z))))
    return {"plain": plain, "normed": normed, "pooled": pooled, "nested": nested, "branched": branched}


@pytest.mark.parametrize("name", ["plain", "pooled", *further("normed", "nested", "branched")])
def test_fully_convolutional_networks_are_evaluated_densely(demo_item: Path, tmp_path: Path, name: str) -> None:
    engine = open_model(own_model(tmp_path / "m", BANDS, 10, networks()[name]), "float32")
    assert engine.why_chips == ""
    stack = stack_of(demo_item, tmp_path)
    dense, chips = windows_of(engine, stack, 16), windows_of(chip_by_chip(engine), stack, 16)
    voting = chips.sum(axis=2) > 0.5  # chip by chip, windows without a vote are skipped
    assert voting.mean() > 0.5
    assert np.abs(dense - chips)[voting].max() < 1e-4


def other_networks() -> dict[str, tuple[Any, str]]:
    import keras
    from keras import layers

    def sequential(*parts: Any) -> Any:
        return keras.Sequential([keras.Input((64, 64, len(BANDS))), *parts])

    mean, dense = layers.GlobalAveragePooling2D, layers.Dense
    one, two = keras.Input((64, 64, 4)), keras.Input((64, 64, 4))
    twice = keras.Model([one, two], dense(10)(mean()(layers.Conv2D(4, 3)(layers.Add()([one, two])))))
    shared = layers.Conv2D(4, 1)
    inside = keras.Model(one, [layers.Conv2D(4, 3)(one), layers.Conv2D(4, 3)(one)])
    other = keras.Input((64, 64, 4))
    learning = layers.BatchNormalization()(one, training=True)
    per_row = layers.Rescaling(np.linspace(0, 2, 64).reshape(64, 1, 1))
    return {
        "an operation": (keras.Model(one, dense(10)(mean()(layers.Conv2D(4, 3)(one) + 1.0))), "outside of any layer"),
        "in training mode": (keras.Model(one, dense(10)(mean()(learning))), "extra arguments"),
        "two outputs inside": (keras.Model(other, dense(10)(mean()(inside(other)[0]))), "2 outputs"),
        "scaled by row": (sequential(per_row, layers.Conv2D(4, 3), mean(), dense(10)), "scales positions differently"),
        "too wide": (sequential(layers.Conv2D(4, 3), mean(), dense(256), dense(10)), "too much memory"),
        "flatten": (sequential(layers.Conv2D(4, 3, 8), layers.Flatten(), dense(10)), "no GlobalAveragePooling2D"),
        "padded": (sequential(layers.Conv2D(4, 3, padding="same"), mean(), dense(10)), "pads its input"),
        "two inputs": (twice, "2 inputs"),
        "max pooling": (sequential(layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(), dense(10)), "no GlobalAverage"),
        "upsampled": (sequential(layers.UpSampling2D(), mean(), dense(10)), "is a UpSampling2D"),
        "no dense": (sequential(layers.Conv2D(10, 3), mean(), layers.Softmax()), "no dense layer"),
        "used twice": (keras.Model(one, dense(10)(mean()(shared(shared(one))))), "more than once"),
        "channels first": (
            sequential(layers.Conv2D(4, 3), mean(data_format="channels_first"), dense(10)),
            "channels first",
        ),
        "unequal strides": (sequential(layers.Conv2D(4, 3, (1, 2)), mean(), dense(10)), "strides"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "flatten",
        "padded",
        "two inputs",
        "max pooling",
        "upsampled",
        "no dense",
        "used twice",
        "channels first",
        "unequal strides",
        "an operation",
        "in training mode",
        "two outputs inside",
        "scaled by row",
        "too wide",
    ],
)
def test_other_networks_are_refused_with_a_reason(name: str) -> None:
    network, why = other_networks()[name]
    with pytest.raises(NotFullyConvolutional, match=why):
        split_fully_convolutional(network)


def test_a_split_with_other_results_than_its_model_is_not_used() -> None:
    engine, (contract, weights) = open_model(SHIPPED, "float32"), read_contract(SHIPPED)
    form = split_fully_convolutional(load_keras_model(weights, contract))
    rolled = dense_graphs(dataclasses.replace(form, bias=np.roll(form.bias, 1)), contract)
    with pytest.raises(NotFullyConvolutional, match="other probabilities"):
        check_dense(contract, OpenVinoPasses(contract, rolled, "float32"), engine.probabilities)


def test_a_model_with_an_impossible_mean_is_evaluated_chip_by_chip(tmp_path: Path) -> None:
    item = own_model(tmp_path / "m", BANDS, 10, networks()["plain"], mean=(-300.0, 1.0, 1.0, 1.0))
    assert "mean of a band is outside" in open_model(item, "float32").why_chips


def test_a_padded_model_is_evaluated_chip_by_chip_and_says_so(classified: Desk, tmp_path: Path) -> None:
    model = own_model(tmp_path / "m", BAND_NAMES, 10)  # padded, and flattened
    classified.settings = dataclasses.replace(classified.settings, model=model, precision="float32")
    result = classified.materialize("class_raster", stride=32, mask_clouds=False)
    assert result.success
    [made] = result.asset_materializations_for_node("class_raster")
    assert made.metadata["evaluation"].value == "chips: it has no GlobalAveragePooling2D layers, one every 32 px"
    folder = classified.folder(DEMO_ITEM_ID)
    stack = Stack.open(folder.resampled_stack / "stack.vrt", None, DEMO_ITEM_ID)
    expected, _ = by_hand(stack, 32, open_model(model, "float32"))
    assert (read(folder.classified) == expected).mean() > 0.9999


def test_a_stride_that_does_not_fit_the_features_falls_back_to_chips(demo_item: Path, tmp_path: Path) -> None:
    engine, stack = open_model(SHIPPED, "float32"), stack_of(demo_item, tmp_path)
    assert engine.evaluator(2).name == "chips"
    assert "4 px apart" in engine.evaluator(2).why
    assert (whole_map(Classification(stack, engine, 32, window=64))[0] < 11).all()


def test_the_map_does_not_depend_on_blocks_or_threads(
    demo_item: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, stack = open_model(SHIPPED, "float32"), stack_of(demo_item, tmp_path)
    first = whole_map(Classification(stack, engine, 8, window=64))
    for size, threads, strip in (((64, 72), 1, 64), ((100, 4000), 4, 96), ((48, 120), 3, 512)):
        monkeypatch.setattr(strips, "BLOCK_PIXELS", size)
        again = whole_map(Classification(stack, engine, 8, threads=threads, strip_pixels=strip, window=64))
        assert (again[0] == first[0]).all()
        assert (again[1] == first[1]).all()


@pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no bfloat16")
def test_bfloat16_changes_few_classes_of_the_real_scene(real_item: Path, tmp_path: Path) -> None:
    stack = stack_of(real_item, tmp_path)
    exact, fast = (
        whole_map(Classification(stack, open_model(SHIPPED, precision), 8, window=64))[0]
        for precision in ("float32", "bfloat16")
    )
    assert 0.995 <= (exact == fast).mean() < 1  # equal maps would mean that the setting does nothing


def test_a_precision_that_the_cpu_does_not_support_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lc_assets.inference.build.has_bfloat16", lambda: False)
    monkeypatch.setattr("lc_assets.inference.build._engines", {})
    item = own_model(tmp_path / "m", BANDS, 10)
    with pytest.raises(BadModel, match="this CPU does not support it"):
        open_model(item, "bfloat16")
    assert open_model(item, "auto").precision == "float32"
