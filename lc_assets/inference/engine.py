"""Load a Keras model, check it against its contract, and run it: chip by chip, or densely where its layers allow it.

OpenVINO is the default backend (small, CPU only, inference only); `KERAS_BACKEND` selects another one. Keras reads that
variable when it is first imported, so this module imports Keras late. The precision is always set explicitly: by
default OpenVINO uses bfloat16 where the CPU supports it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.core.checksum import sha256_of
from lc_assets.core.environment import set_default, variable
from lc_assets.core.errors import BadModel, LandCoverError
from lc_assets.inference.bfloat16_check import WrongBfloat16, compare_bfloat16
from lc_assets.inference.chip_programs import (
    compile_program,
    export_openvino,
    first_line,
    keras_program,
    lazy_program,
)
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import DensePasses, KerasPasses, OpenVinoPasses, Predict, batched
from lc_assets.inference.dense.check import CHECKED_WINDOWS, check_dense
from lc_assets.inference.dense.evaluators import BATCH, ChipEvaluator, DenseEvaluator, Evaluator, PositionEvaluator
from lc_assets.inference.dense.form import FullyConvSplit, NotFullyConvolutional, split_fully_convolutional
from lc_assets.inference.keras_file import DEFAULT_BACKEND, load_keras_model
from lc_assets.inference.openvino_runtime import cpu_name, has_bfloat16, version
from lc_assets.sentinel2.bands.stack import Stack

_TOLERANCE = 0.02
"""Largest accepted difference of a sum of probabilities from 1: bfloat16 has about three significant digits."""


@dataclass(frozen=True)
class Engine:
    """A model ready to run.

    Attributes:
        contract: the model's contract.
        backend: the Keras backend that it runs on.
        precision: arithmetic of the network: `float32` or `bfloat16`.
        predict: function from (BATCH, chip, chip, bands) float32 to (BATCH, classes) probabilities.
        form: the split model, or None where it cannot be evaluated densely.
        passes: runs the two halves of the split model, or None.
        why_chips: reason why it cannot be evaluated densely; empty if it can.
        bfloat16: result of the comparison of bfloat16 with float32, in words; empty if float32 was requested.
        warning: one line for the user if the CPU has bfloat16 but the model runs in float32; otherwise empty.
    """

    contract: ModelContract
    backend: str
    precision: str
    predict: Predict
    form: FullyConvSplit | None = None
    passes: DensePasses | None = None
    why_chips: str = ""
    bfloat16: str = ""
    warning: str = ""

    def check_stack(self, stack: Stack) -> None:
        """Check that the stack has the product level and the resampling kernel that the model was made for.

        Raises:
            BadModel: one of them differs; the message names both values.
        """
        contract = self.contract
        if stack.product_level not in contract.product_levels:
            raise BadModel(
                f"the scene is {stack.product_level}, model {contract.name} was made for "
                f"{' and '.join(contract.product_levels)}",
                item=stack.item,
                asset="class_raster",
                remedy="use a model for this product level",
            )
        if stack.kernel != contract.resampling:
            raise BadModel(
                f"the stack was resampled by {stack.kernel}, but model {contract.name} expects {contract.resampling}",
                item=stack.item,
                asset="class_raster",
                remedy=f"materialise resampled_stack again with kernel: {contract.resampling}",
            )

    def evaluator(self, stride: int) -> Evaluator:
        """Return the evaluator for windows that start every `stride` pixels: dense if possible, else chip by chip."""
        if self.form is None or self.passes is None:
            return ChipEvaluator(self.contract, self.predict, stride, self.why_chips)
        if stride % self.form.stride:
            why = (
                f"windows every {stride} px do not fit the features of the model, which are {self.form.stride} px apart"
            )
            return ChipEvaluator(self.contract, self.predict, stride, why)
        return DenseEvaluator(self.contract, self.form, self.passes, stride // self.form.stride)

    def position_evaluator(self) -> PositionEvaluator:
        """Return the evaluator of single positions.

        Raises:
            BadModel: the model is not fully convolutional with a single dense layer.
        """
        why = self.why_chips
        if self.form and any(type(layer).__name__ == "Dense" for layer in self.form.head):
            why = "it has several dense layers"
        if why or self.form is None or self.passes is None:
            raise BadModel(
                f"its positions cannot be evaluated: {why}",
                asset=f"model {self.contract.name}",
                remedy=f"set LC_ASSETS_WINDOW={self.contract.chip_size}, or remove lc:positions from its MLM item",
            )
        return PositionEvaluator(self.contract, self.form, self.passes, 1)

    def probabilities(self, chips: np.ndarray) -> np.ndarray:
        """Return (N, classes) float32 probabilities for (N, chip, chip, bands) network input, evaluated chip by
        chip."""
        return self.check_probabilities(batched(self.predict, chips, BATCH))

    def check_probabilities(self, out: np.ndarray) -> np.ndarray:
        """Check (..., classes) probabilities and return them clipped to 0..1.

        Raises:
            BadModel: the numbers are not probabilities.
        """
        # Comparisons with NaN are false, so NaN is an error too.
        within = (out >= -_TOLERANCE).all() and (out <= 1 + _TOLERANCE).all()
        if not (within and (abs(out.sum(axis=-1) - 1) <= _TOLERANCE).all()):
            raise BadModel(
                "its output is not a set of probabilities: ten numbers from 0 to 1 whose sum is 1",
                asset=f"model {self.contract.name}",
                remedy="end the model with a softmax layer, and check its weights (lc-assets model check)",
            )
        return out.clip(0, 1)


_engines: dict[tuple[str, str, str, str], Engine] = {}
_loading = threading.Lock()


def load_engine(model: Path, contract: ModelContract, precision: str = "auto") -> Engine:
    """Load a `.keras` file and check it against its contract.

    A process loads each combination of file content, contract, backend and precision once.

    Args:
        model: the `.keras` file.
        contract: the model's contract.
        precision: one of `PRECISIONS`.

    Raises:
        BadModel: the file is missing or corrupt, its SHA-256, input shape or output shape differs from the contract, or
            bfloat16 was requested explicitly and the CPU does not support it or its results are wrong.
    """
    set_default("KERAS_BACKEND", DEFAULT_BACKEND)
    try:
        # Reading a device or a pipe would never end.
        digest = sha256_of(model) if model.is_file() or not model.exists() else None
    except OSError as error:
        raise BadModel(
            f"the model file {model} cannot be read ({error.strerror})",
            asset=f"model {contract.name}",
            remedy="put the file back, or correct the href of the model asset in its MLM item",
        ) from None
    if digest != contract.sha256:
        found = f"its SHA-256 is {digest[:12]}..." if digest else "it is not a regular file"
        raise BadModel(
            f"{model} is not the file that its contract was written for, or it is damaged: "
            f"{found}, the contract has {contract.sha256[:12]}...",
            asset=f"model {contract.name}",
            remedy="put the original file back, or write a new contract for this one",
        )
    key = (contract.sha256, variable("KERAS_BACKEND"), repr(contract), precision)
    with _loading:
        if key not in _engines:
            _engines[key] = _build(model, contract, precision)
        return _engines[key]


def _build(path: Path, contract: ModelContract, requested: str) -> Engine:
    model = load_keras_model(path, contract)
    import keras

    backend = keras.config.backend()
    precision = _precision(requested, backend)
    if precision == "bfloat16":
        return _in_bfloat16(model, contract, backend, requested)
    if backend == "openvino":
        predict, predict_few = (
            lazy_program(model, _shape(contract, chips), "float32", contract.name)
            for chips in (BATCH, CHECKED_WINDOWS**2)
        )
    else:
        predict = predict_few = keras_program(model)
    engine = _in_float32(model, contract, backend, predict, predict_few)
    return replace(engine, bfloat16=f"not supported by {_without_bfloat16(backend)}") if requested == "auto" else engine


def _in_float32(model: Any, contract: ModelContract, backend: str, predict: Predict, predict_few: Predict) -> Engine:
    """Return the engine in float32. `predict` takes `BATCH` chips, `predict_few` those of `check_dense`."""
    engine = Engine(contract, backend, "float32", predict)
    try:
        form = split_fully_convolutional(model)
        passes = OpenVinoPasses(contract, form, "float32") if backend == "openvino" else KerasPasses(contract, form)
        check_dense(contract, form, passes, predict_few)
    except NotFullyConvolutional as error:
        return replace(engine, why_chips=str(error))
    except Exception as error:  # any error: a model that cannot be split is evaluated chip by chip
        return replace(engine, why_chips=f"it cannot be split ({type(error).__name__}: {first_line(error)})")
    return replace(engine, form=form, passes=passes)


def _in_bfloat16(model: Any, contract: ModelContract, backend: str, requested: str) -> Engine:
    """Return the engine in bfloat16 if its results agree with float32, else the engine in float32.

    Raises:
        BadModel: the results differ, and bfloat16 was requested explicitly.
    """
    graph = export_openvino(model, _shape(contract, BATCH), contract.name)
    predict = compile_program(graph, "float32", contract.name)
    exact = _in_float32(model, contract, backend, predict, lambda chips: batched(predict, chips, BATCH))
    try:
        fast = compile_program(graph, "bfloat16", contract.name)
        passes = OpenVinoPasses(contract, exact.form, "bfloat16") if exact.form else None
        compared = compare_bfloat16(contract, predict, fast, exact.form, passes)
    except WrongBfloat16 as error:
        why = str(error)
    except Exception as error:  # OpenVINO's compiler and kernels can raise any error
        why = f"it cannot be computed ({type(error).__name__}: {first_line(error)})"
    else:
        return replace(exact, precision="bfloat16", predict=fast, passes=passes, bfloat16=compared)
    where = f"with OpenVINO {version()} on {cpu_name()}"
    if requested == "bfloat16":
        raise BadModel(
            f"bfloat16 was requested, but is wrong {where}: {why}",
            asset=f"model {contract.name}",
            remedy="set LC_ASSETS_PRECISION to auto or float32, or install another version of OpenVINO",
        )
    warning = LandCoverError(
        f"bfloat16 is wrong {where}: {why}; float32 is used, which is slower",
        asset=f"model {contract.name}",
        remedy="set LC_ASSETS_PRECISION=float32 to silence this, or install another version of OpenVINO",
    )
    return replace(exact, bfloat16=f"not used: {why}", warning=str(warning))


def _shape(contract: ModelContract, chips: int) -> tuple[int, int, int, int]:
    return chips, contract.chip_size, contract.chip_size, len(contract.bands)


def _precision(requested: str, backend: str) -> str:
    possible = backend == "openvino" and has_bfloat16()
    if requested == "auto":
        return "bfloat16" if possible else "float32"
    if requested == "bfloat16" and not possible:
        raise BadModel(
            f"bfloat16 was requested, but {_without_bfloat16(backend)} does not support it",
            asset="class_raster",
            remedy="set LC_ASSETS_PRECISION to auto or float32",
        )
    return requested


def _without_bfloat16(backend: str) -> str:
    return "this CPU" if backend == "openvino" else f"the {backend} backend"
