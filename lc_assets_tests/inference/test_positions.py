"""A map of positions: every position predicts its own cell, and pixels interpolate between cells."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lc_assets.core.errors import BadModel
from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.inference import classify_stack
from lc_assets.inference.chip_programs import compile_program, export_openvino
from lc_assets.inference.dense.scaling import normalize_input
from lc_assets.inference.engine import Engine
from lc_assets.inference.loading import open_model
from lc_assets.inference.positions.interpolate import interpolate, weights
from lc_assets.inference.windows import strips
from lc_assets.inference.windows.classify import Classification
from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES
from lc_assets.sentinel2.radiometry import remove_offset
from lc_assets_tests.conftest import copy_scene, cropped, edit_bands, own_model
from lc_assets_tests.inference.maps import whole_map
from lc_assets_tests.inference.networks import mean_head, mean_network, position_model, position_network
from lc_assets_tests.rig.marks import further
from lc_assets_tests.sentinel2.stacks import pixels, stack_of

STRIDE = 4


def engine_of(folder: Path) -> Engine:
    return open_model(position_model(folder / "model"), "float32")


@pytest.mark.parametrize("view", [16, 48])
def test_the_prediction_of_a_position_equals_that_of_its_view_alone(demo_item: Path, tmp_path: Path, view: int) -> None:
    stack, model = stack_of(demo_item, tmp_path / "store"), position_model(tmp_path / "m", position_network(view=view))
    engine = open_model(model, "float32")
    evaluator = engine.position_evaluator()
    assert (evaluator.feature_stride, evaluator.receptive_field) == (STRIDE, view)
    # Keras' own OpenVINO backend computes in bfloat16 where the CPU can.
    graph = export_openvino(position_network(view, view), (1, view, view, len(BAND_NAMES)), "alone")
    alone = compile_program(graph, "float32", "alone")
    dn, usable = pixels(stack)
    seen = normalize_input(engine.contract, remove_offset(dn, stack.offset).transpose(1, 2, 0), usable)
    features = evaluator.features(dn.copy(), usable, stack.offset)
    rng = np.random.default_rng(0)
    for row, column in zip(rng.integers(0, features.shape[0], 40), rng.integers(0, features.shape[1], 40), strict=True):
        square = seen[row * STRIDE : row * STRIDE + view, column * STRIDE : column * STRIDE + view]
        found = evaluator.probabilities(features[row, column][None])[0]
        assert np.abs(found - alone(square[None])[0]).max() < 1e-4


@pytest.mark.parametrize("view", [16, 48])
@pytest.mark.parametrize("crop", [None, *further(((102, 90),))])
def test_a_map_equals_the_one_computed_by_hand(
    demo_item: Path, tmp_path: Path, view: int, crop: tuple[int, int] | None
) -> None:
    """The definition, for a model that predicts from the mean of its view: each view is centred on a cell, the scene is
    reflected on all four sides, and pixels interpolate between the centres of the cells."""
    item = cropped(demo_item, tmp_path / "cropped", *crop) if crop else demo_item
    item = copy_scene(item, tmp_path / "bright")
    edit_bands(item, _bright, (*BAND_NAMES, "SCL"))
    stack = stack_of(item, tmp_path / "store")
    engine = open_model(position_model(tmp_path / "model", mean_network(view)), "float32")
    classes, confidence = whole_map(Classification(stack, engine, 8, mask_hidden=False))
    dn, usable = pixels(stack)
    known = normalize_input(engine.contract, remove_offset(dn, stack.offset).transpose(1, 2, 0), usable)[
        ..., BAND_INDEX["B02"]
    ]
    height, width = known.shape
    rows, columns = -(-height // STRIDE), -(-width // STRIDE)
    margin = (view - STRIDE) // 2
    wide = np.pad(
        known, [(margin, rows * STRIDE - height + margin), (margin, columns * STRIDE - width + margin)], "symmetric"
    )
    views = np.lib.stride_tricks.sliding_window_view(wide, (view, view))[::STRIDE, ::STRIDE].mean(axis=(2, 3))
    assert views.shape == (rows, columns)
    kernel, bias = mean_head()
    logits = views[..., None] * kernel[BAND_INDEX["B02"]] + bias
    cells = np.exp(logits - logits.max(axis=2, keepdims=True))
    cells /= cells.sum(axis=2, keepdims=True)
    # np.interp continues the outermost values beyond the outermost centres.
    down = np.apply_along_axis(
        lambda v: np.interp(np.arange(height) + 0.5, STRIDE * (np.arange(rows) + 0.5), v), 0, cells
    )
    mean = np.apply_along_axis(
        lambda v: np.interp(np.arange(width) + 0.5, STRIDE * (np.arange(columns) + 0.5), v), 1, down
    )
    assert len(np.unique(classes)) > 5
    assert classes.max() < NO_DATA.code
    won = np.take_along_axis(mean, classes[..., None].astype(int), axis=2)[..., 0]
    assert (won >= mean.max(axis=2) - 1e-4).all()
    assert (abs(confidence - 100 * won) <= 0.51).all()


def _bright(name: str, dn: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
    """B02: a slope and squares that differ in rows and columns, so that a shift of the map is found. All bands have
    data everywhere."""
    if name != "B02":
        return np.full_like(dn, 4) if name == "SCL" else np.maximum(dn, 1200)
    (rows, columns), (height, width) = np.indices(dn.shape), dn.shape
    return (1100 + 1300 * rows / height + 700 * columns / width + 600 * ((rows // 9 + columns // 7) % 2)).astype(
        dn.dtype
    )


def test_a_map_does_not_depend_on_strips_blocks_or_threads(
    demo_item: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, stack = engine_of(tmp_path), stack_of(demo_item, tmp_path / "store")
    first = whole_map(Classification(stack, engine, 8))
    assert len(np.unique(first[0])) > 3
    for blocks, threads, strip in (((64, 72), 1, 64), ((100, 4000), 4, 97), ((48, 120), 3, 17), ((544, 1056), 2, 999)):
        monkeypatch.setattr(strips, "BLOCK_PIXELS", blocks)
        again = whole_map(Classification(stack, engine, 8, threads=threads, strip_pixels=strip))
        assert (again[0] == first[0]).all()
        assert (again[1] == first[1]).all()


@pytest.mark.parametrize("stride", [3, 4, 8])
def test_a_pixel_has_the_largest_interpolated_probability_of_the_predicted_cells(stride: int) -> None:
    rng = np.random.default_rng(1)
    cells = rng.dirichlet(np.full(10, 0.3), (9, 11)).astype(np.float32).transpose(2, 0, 1)
    cells[:, :4, :4] = cells[:, :1, :1]
    predicted = rng.random((9, 11)) > 0.3
    predicted[5:8, 5:8] = False
    cells[:, ~predicted] = 0
    classes, percent = interpolate(cells, predicted, stride)
    wy, wx = np.divmod(np.arange(8 * stride), stride), np.divmod(np.arange(10 * stride), stride)
    share = np.array(weights(stride), np.float64)
    for y, (row, down) in enumerate(zip(*wy, strict=True)):
        for x, (column, across) in enumerate(zip(*wx, strict=True)):
            four = np.outer([1 - share[down], share[down]], [1 - share[across], share[across]])
            four = four * predicted[row : row + 2, column : column + 2]
            if not four.sum():
                assert (classes[y, x], percent[y, x]) == (NO_DATA.code, 255)
                continue
            mean = (cells[:, row : row + 2, column : column + 2] * four).sum(axis=(1, 2)) / four.sum()
            assert mean[classes[y, x]] >= mean.max() - 1e-6
            assert abs(percent[y, x] - 100 * mean.max()) < 0.501


def test_pixels_without_a_prediction_nearby_are_counted(demo_item: Path, tmp_path: Path) -> None:
    def specks(name: str, dn: np.ndarray, profile: dict[str, Any]) -> np.ndarray:
        factor = round(profile["transform"].a) // 10
        keep = np.zeros_like(dn)
        keep[60 // factor : 66 // factor, 60 // factor : 66 // factor] = 1500
        keep[120 // factor :, 120 // factor :] = np.maximum(dn[120 // factor :, 120 // factor :], 1200)
        return keep

    item = copy_scene(demo_item, tmp_path)
    edit_bands(item, specks)
    made = Classification(stack_of(item, tmp_path / "store"), engine_of(tmp_path), 8, mask_hidden=False)
    classes, confidence = whole_map(made)
    assert made.statistics.no_vote == 36
    assert (classes[60:66, 60:66] == NO_DATA.code).all()
    assert ((confidence == 255) == (classes == NO_DATA.code)).all()
    assert made.statistics.pixels.tolist() == np.bincount(classes.ravel(), minlength=11).tolist()
    assert made.statistics.confidence.sum() == (confidence != 255).sum()
    assert made.statistics.no_source_data + 36 == made.statistics.pixels[NO_DATA.code]


def test_a_stack_in_memory_gets_the_classes_of_the_pipeline(demo_item: Path, tmp_path: Path) -> None:
    stack = stack_of(demo_item, tmp_path / "store")
    dn, valid = pixels(stack)
    dn = remove_offset(dn, stack.offset).transpose(1, 2, 0)
    dn = np.where(valid[..., None], dn, 0).astype(np.uint16)
    model = position_model(tmp_path / "model")
    found = classify_stack(dn, stack.product_level, model)
    classes, confidence = whole_map(Classification(stack, open_model(model, "float32"), 8, mask_hidden=False))
    assert (found.classes == classes).all()
    assert (found.confidence == confidence).all()
    shipped = classify_stack(dn, stack.product_level)
    engine = open_model(precision="float32")
    assert (shipped.classes == whole_map(Classification(stack, engine, 8, mask_hidden=False))[0]).all()


def test_a_stack_that_does_not_fit_is_refused() -> None:
    good = np.full((70, 80, 12), 1000, np.uint16)
    assert (classify_stack(np.zeros_like(good), "L2A").classes == NO_DATA.code).all()
    assert (classify_stack(good, "L2A").classes < len(CLASSES)).all()
    for stack, level, why in (
        (good[..., :11], "L2A", "shape"),
        (good[:60], "L2A", "at least 64"),
        (good.astype(np.float32), "L2A", "uint16 is required"),
        (good, "L3", "the scene is L3"),
    ):
        with pytest.raises(BadModel, match=why):
            classify_stack(stack, level)


def test_only_a_contract_with_positions_has_them_and_its_fingerprint_differs(tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    plain = dataclasses.replace(engine.contract, positions=False)
    rivers = dataclasses.replace(engine.contract, rivers=((100, 0.5),))
    assert len({contract.fingerprint for contract in (plain, engine.contract, rivers)}) == 3
    assert [engine.contract.resolve_window(window) for window in (None, 0, 64)] == [0, 0, 64]
    assert [plain.resolve_window(window) for window in (None, 64)] == [64, 64]
    for contract, window, why in ((plain, 0, "no positions"), (plain, 32, "64 px"), (engine.contract, 8, "0 or 64")):
        with pytest.raises(BadModel, match=why):
            contract.resolve_window(window)
    padded = open_model(own_model(tmp_path / "padded", ("B02",), 10, positions=True), "float32")
    with pytest.raises(BadModel, match="positions cannot be evaluated"):
        padded.position_evaluator()


def test_a_map_of_windows_is_the_same_with_and_without_positions(demo_item: Path, tmp_path: Path) -> None:
    engine, stack = engine_of(tmp_path), stack_of(demo_item, tmp_path / "store")
    plain = dataclasses.replace(engine, contract=dataclasses.replace(engine.contract, positions=False))
    windows, same = Classification(stack, engine, 8, window=64), Classification(stack, plain, 8)
    assert (whole_map(windows)[0] == whole_map(same)[0]).all()
    assert "WINDOW" not in windows.tags
