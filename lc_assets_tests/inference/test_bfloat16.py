"""Maps are computed in bfloat16 only if its results agree with float32; otherwise in float32, and tags and logs say so.

The faults are put into the programs that OpenVINO compiles in bfloat16, so these tests need no CPU with bfloat16.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from lc_assets.core.errors import BadModel
from lc_assets.core.progress import progress_callbacks
from lc_assets.core.settings import SHIPPED
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference import build, chip_programs, openvino_runtime
from lc_assets.inference.bfloat16_check import TOLERANCE
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense import backends
from lc_assets.inference.dense.backends import OpenVinoPasses
from lc_assets.inference.dense.scaling import normalize_input
from lc_assets.inference.engine import Engine
from lc_assets.inference.graph_cache import ModelGraphs
from lc_assets.inference.keras_file import load_keras_model
from lc_assets.inference.loading import open_model, read_contract
from lc_assets.inference.synthetic_ground import synthetic_block
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets_tests.conftest import Desk, own_model
from lc_assets_tests.rig.command import invoke
from lc_assets_tests.rig.marks import further

Fault = Callable[[np.ndarray], np.ndarray]


def rounded(values: np.ndarray) -> np.ndarray:
    """Round float32 to the nearest bfloat16, as a correct computation may."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def channels_shifted(values: np.ndarray) -> np.ndarray:
    return np.roll(values, 1, axis=1)


def one_channel_zero(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[:, 7] = 0
    return values


def five_times_as_large(values: np.ndarray) -> np.ndarray:
    return values * 5


def one_not_a_number(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.ravel()[values.size // 5] = np.nan
    return values


def a_kernel_that_fails(values: np.ndarray) -> np.ndarray:
    raise RuntimeError("could not execute a primitive")


WRONG: list[Fault] = [channels_shifted, one_channel_zero, five_times_as_large, one_not_a_number, a_kernel_that_fails]


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A CPU with bfloat16. `dense` and `chips` change the results of its programs."""

    def install(dense: Fault = rounded, chips: Fault = rounded) -> None:
        monkeypatch.setattr(build, "has_bfloat16", lambda: True)
        monkeypatch.setattr(build, "cpu_name", lambda: "Model CPU 9000")
        monkeypatch.setattr(build, "_engines", {})
        monkeypatch.setattr(build.graph_cache, "load", lambda key: None)
        monkeypatch.setattr(build.graph_cache, "save", lambda key, graphs: None)
        # What is the same for every fault: the model in float32.
        monkeypatch.setattr(build, "load_keras_model", _loaded)
        monkeypatch.setattr(build, "_checked_graphs", _checked_graphs)
        for module, fault in ((backends, dense), (chip_programs, chips)):
            monkeypatch.setattr(module, "compile_graph", _faulty(fault))

    return install


_known: dict[Any, Any] = {}


def _once(make: Callable[[], Any], *key: Any) -> Any:
    """What `make` returns, made once for a key."""
    if key not in _known:
        _known[key] = make()
    return _known[key]


def _loaded(path: Path, contract: ModelContract) -> Any:
    return _once(lambda: load_keras_model(path, contract), contract.sha256, repr(contract))


_make_graphs = build._checked_graphs


def _checked_graphs(model: Any, contract: ModelContract) -> ModelGraphs:
    graphs = _once(lambda: _make_graphs(model, contract), "graphs", id(model), repr(contract))
    _known["graph", id(graphs.chips)] = graphs.chips
    return graphs


def _compiled(graph: Any) -> openvino_runtime.Run:
    """In float32. The backbone is compiled for each engine, the graph of the whole model once."""
    if ("graph", id(graph)) not in _known:
        return openvino_runtime.compile_graph(graph, "float32")
    return _once(lambda: openvino_runtime.compile_graph(graph, "float32"), "program", id(graph))


def _faulty(fault: Fault) -> Callable[[Any, str], openvino_runtime.Run]:
    def compile_graph(graph: Any, precision: str) -> openvino_runtime.Run:
        run = _compiled(graph)
        if precision == "float32":
            return run

        def faulty(inputs: Sequence[np.ndarray]) -> np.ndarray:
            return fault(run(inputs))

        return faulty

    return compile_graph


@functools.cache
def float32() -> Engine:
    return open_model(SHIPPED, "float32")


def assert_in_float32(found: Engine) -> None:
    """The engine is in float32, and its results equal those of float32 bit by bit, both ways."""
    assert found.precision == "float32"
    dn, usable = synthetic_block(found.contract.band_indices, 2, 64)
    chip = normalize_input(found.contract, dn.transpose(1, 2, 0), usable)[None, :64, :64]
    assert (found.probabilities(chip) == float32().probabilities(chip)).all()
    features, right = (e.evaluator(8).features(dn.copy(), usable, 0) for e in (found, float32()))
    assert (features == right).all()


@pytest.mark.parametrize(
    ("way", "fault"),
    [("dense", WRONG[0]), *further(*product(["dense"], WRONG[1:]), *product(["chips"], WRONG))],
)
def test_a_model_with_wrong_results_in_bfloat16_runs_in_float32(bfloat16: Any, way: str, fault: Fault) -> None:
    bfloat16(**{way: fault})
    found = open_model(SHIPPED)
    assert_in_float32(found)
    assert found.warning
    assert found.bfloat16.startswith("not used: ")


@pytest.mark.parametrize("module", [backends, chip_programs])
def test_bfloat16_that_does_not_compile_is_not_used(
    bfloat16: Any, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    def compile_graph(graph: Any, precision: str) -> openvino_runtime.Run:
        if precision == "bfloat16":
            raise RuntimeError("no such kernel")
        return openvino_runtime.compile_graph(graph, precision)

    bfloat16()
    monkeypatch.setattr(module, "compile_graph", compile_graph)
    found = open_model(SHIPPED)
    assert_in_float32(found)
    assert "no such kernel" in found.warning


def test_the_warning_names_model_machine_difference_and_remedy(bfloat16: Any) -> None:
    bfloat16(dense=channels_shifted)
    warning = open_model(SHIPPED).warning
    for part in ("eurosat12-gap", "Model CPU 9000", "OpenVINO 20", "densely", f"{TOLERANCE} is allowed"):
        assert part in warning
    assert "float32 is used" in warning
    assert "LC_ASSETS_PRECISION=float32" in warning
    assert "\n" not in warning


def test_bfloat16_that_only_rounds_is_used_both_ways(bfloat16: Any) -> None:
    bfloat16()
    found = open_model(SHIPPED)
    assert found.precision == "bfloat16"
    assert isinstance(found.dense, OpenVinoPasses)
    assert found.dense.precision == "bfloat16"
    assert found.warning == ""
    assert found.bfloat16.endswith(f"on 36 synthetic windows, chip by chip and densely ({TOLERANCE} allowed)")
    assert "agrees with float32 within 0.0" in found.bfloat16
    out = found.predict(np.zeros((64, 64, 64, 12), np.float32))
    assert (rounded(out) == out).all()  # the program that was compared is the one that is used


def test_a_model_of_few_bands_that_is_not_dense_is_compared_too(bfloat16: Any, tmp_path: Path) -> None:
    item = own_model(tmp_path / "m", ("B08", "B04", "B03"), 10)
    bfloat16()
    assert open_model(item).precision == "bfloat16"
    assert "chip by chip (" in open_model(item).bfloat16
    bfloat16(chips=channels_shifted)
    found = open_model(item)
    assert found.precision == "float32"
    assert "evaluated chip by chip" in found.warning


@pytest.mark.parametrize("fault", [one_not_a_number, *further(channels_shifted)])
def test_requested_bfloat16_with_wrong_results_is_an_error(bfloat16: Any, fault: Fault) -> None:
    bfloat16(dense=fault)
    with pytest.raises(BadModel, match=r"requested, but is wrong with OpenVINO .* on Model CPU 9000: .*float32"):
        open_model(SHIPPED, "bfloat16")


def test_requested_bfloat16_with_correct_results_is_used(bfloat16: Any) -> None:
    bfloat16()
    assert open_model(SHIPPED, "bfloat16").precision == "bfloat16"


def test_requested_float32_is_not_compared_and_gives_no_warning(bfloat16: Any) -> None:
    bfloat16(dense=a_kernel_that_fails, chips=a_kernel_that_fails)
    found = open_model(SHIPPED, "float32")
    assert (found.precision, found.bfloat16, found.warning) == ("float32", "", "")


@pytest.mark.slow
def test_a_map_has_the_tag_float32_and_its_run_and_the_terminal_say_why(bfloat16: Any, classified: Desk) -> None:
    bfloat16(dense=channels_shifted)
    desk = classified
    desk.settings = dataclasses.replace(desk.settings, precision="auto")
    lines: list[str] = []
    with progress_callbacks(None, lines.append):
        result = desk.materialize("class_raster", stride=64)
    assert result.success
    with rasterio.open(desk.folder(DEMO_ITEM_ID).classified) as dataset:
        assert dataset.tags()["PRECISION"] == "float32"
    [made] = result.asset_materializations_for_node("class_raster")
    assert made.metadata["precision"].value == "float32"
    warned = [entry for entry in desk.instance.all_logs(result.run_id) if "bfloat16 is wrong" in entry.user_message]
    assert [entry.level for entry in warned] == [30]  # logging.WARNING
    assert [line for line in lines if "bfloat16 is wrong" in line] == [warned[0].user_message]


def test_model_check_says_that_bfloat16_agrees(bfloat16: Any) -> None:
    bfloat16()
    assert "\nbfloat16: agrees with float32 within 0.0" in invoke("model", "check", SHIPPED, code=0).stdout


def test_model_check_warns_if_bfloat16_is_wrong(bfloat16: Any) -> None:
    bfloat16(chips=five_times_as_large)
    done = invoke("model", "check", SHIPPED, code=0)  # nothing is wrong with the model
    assert "runs on openvino in float32" in done.stdout
    assert "\nbfloat16: not used: evaluated chip by chip, probabilities differ" in done.stdout
    assert done.stderr.startswith("warning: asset model eurosat12-gap: bfloat16 is wrong")


def test_model_check_says_that_the_cpu_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "has_bfloat16", lambda: False)
    monkeypatch.setattr(build, "_engines", {})
    assert "\nbfloat16: not supported by this CPU\n" in invoke("model", "check", SHIPPED, code=0).stdout


def test_the_synthetic_windows_have_most_classes_and_the_model_is_not_certain() -> None:
    contract = read_contract()[0]
    block, usable = synthetic_block(contract.band_indices, 6, 64)
    pixels = normalize_input(contract, block.transpose(1, 2, 0), usable)
    chips = pixels.reshape(6, 64, 6, 64, 12).swapaxes(1, 2).reshape(36, 64, 64, 12)
    found = open_model(SHIPPED, "float32").probabilities(chips)
    assert len(set(found.argmax(axis=1))) >= 8
    assert (found.max(axis=1) < 0.9).sum() >= 8  # small differences do not show where the model is certain


def test_the_synthetic_windows_are_the_same_each_time_and_for_any_bands() -> None:
    block, usable = synthetic_block(tuple(range(len(BAND_NAMES))), 3, 20)
    again, _ = synthetic_block((7, 3), 3, 20)
    assert (again == block[[7, 3]]).all()
    assert block.shape == (12, 60, 60)
    assert 0.9 < usable.mean() < 1
