"""Load a Keras model, check it against its contract, and run it: chip by chip, or densely where its layers allow it.

OpenVINO is the default backend (small, CPU only, inference only); `KERAS_BACKEND` selects another one. Keras reads that
variable when it is first imported, so this module imports Keras late. The precision is always set explicitly: by
default OpenVINO uses bfloat16 where the CPU supports it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import BadModel, LandCoverError
from lc_assets.inference.bfloat16_check import WrongBfloat16, compare_bfloat16
from lc_assets.inference.chip_programs import export, first_line, keras_program, late_program, program
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
        why_chips: reason why it cannot be evaluated densely; empty when it can.
        bfloat16: result of the comparison of bfloat16 with float32, in words; empty where float32 was requested.
        warning: one line for the user when the CPU has bfloat16 but the model runs in float32; otherwise empty.
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
        """Check that the model was made for such a stack.

        Raises:
            BadModel: the product level or the resampling kernel differs; the message names both values.
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
                f"the stack was resampled by {stack.kernel}, model {contract.name} expects {contract.resampling}",
                item=stack.item,
                asset="class_raster",
                remedy=f"materialise resampled_stack again with kernel: {contract.resampling}",
            )

    def evaluator(self, stride: int) -> Evaluator:
        """Return the fastest exact evaluator for windows that start every `stride` pixels."""
        if self.form is None or self.passes is None:
            return ChipEvaluator(self.contract, self.predict, stride, self.why_chips)
        if stride % self.form.stride:
            why = f"windows every {stride} px do not fall on the model's places, which are {self.form.stride} px apart"
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
        return self.checked(batched(self.predict, chips, BATCH))

    def checked(self, out: np.ndarray) -> np.ndarray:
        """Check (..., classes) probabilities and return them clipped to 0..1.

        Raises:
            BadModel: the numbers are not probabilities.
        """
        # Comparisons with NaN are false, so NaN is refused too.
        within = (out >= -_TOLERANCE).all() and (out <= 1 + _TOLERANCE).all()
        if not (within and (abs(out.sum(axis=-1) - 1) <= _TOLERANCE).all()):
            raise BadModel(
                "what it predicts are no probabilities: ten numbers of 0 and above that add up to 1",
                asset=f"model {self.contract.name}",
                remedy="end the model in a softmax, and check its weights (lc-assets model check)",
            )
        return out.clip(0, 1)


_engines: dict[tuple[str, str, str, str], Engine] = {}
_loading = threading.Lock()


def load_engine(model: Path, contract: ModelContract, precision: str = "auto") -> Engine:
    """Load a `.keras` file and check it against its contract. Each file content, contract, backend and precision is
    loaded once per process.

    Args:
        model: the `.keras` file.
        contract: the contract that it must fit.
        precision: one of `PRECISIONS`.

    Raises:
        BadModel: the file is missing or corrupt, it is not the file that the contract was written for, or its input or
            output shape is not that of the contract. Or bfloat16 was requested explicitly, and the CPU does not support
            it or the results differ from float32.
    """
    os.environ.setdefault("KERAS_BACKEND", DEFAULT_BACKEND)
    try:
        # Reading a device or a pipe would never end.
        digest = sha256_of(model) if model.is_file() or not model.exists() else "no regular file"
    except OSError as error:
        raise BadModel(
            f"the model file {model} cannot be read ({error.strerror})",
            asset=f"model {contract.name}",
            remedy="put the file back, or correct the href of the model asset in its MLM item",
        ) from None
    if digest != contract.sha256:
        raise BadModel(
            f"{model} is not the file that its contract was written for, or it is damaged: "
            f"SHA-256 {digest[:12]}..., contract {contract.sha256[:12]}...",
            asset=f"model {contract.name}",
            remedy="put the original file back, or write a new contract for this one",
        )
    key = (digest, os.environ["KERAS_BACKEND"], repr(contract), precision)
    with _loading:
        if key not in _engines:
            _engines[key] = _build(model, contract, precision)
        return _engines[key]


def _build(path: Path, contract: ModelContract, wanted: str) -> Engine:
    model = load_keras_model(path, contract)
    import keras

    backend = keras.config.backend()
    precision = _precision(wanted, backend)
    if precision == "bfloat16":
        return _in_bfloat16(model, contract, backend, wanted)
    if backend == "openvino":
        predict, few = (
            late_program(model, _shape(contract, chips), "float32", contract.name)
            for chips in (BATCH, CHECKED_WINDOWS**2)
        )
    else:
        predict = few = keras_program(model)
    engine = _in_float32(model, contract, backend, predict, few)
    return replace(engine, bfloat16=f"not offered by {_lacking(backend)}") if wanted == "auto" else engine


def _in_float32(model: Any, contract: ModelContract, backend: str, predict: Predict, few: Predict) -> Engine:
    """Return the engine in float32. `predict` is for `BATCH` chips, `few` for the number of chips of `check_dense`."""
    engine = Engine(contract, backend, "float32", predict)
    try:
        form = split_fully_convolutional(model)
        passes = OpenVinoPasses(contract, form, "float32") if backend == "openvino" else KerasPasses(contract, form)
        check_dense(contract, form, passes, few)
    except NotFullyConvolutional as error:
        return replace(engine, why_chips=str(error))
    except Exception as error:  # any error: a model that cannot be split is evaluated chip by chip
        return replace(engine, why_chips=f"it cannot be taken apart ({type(error).__name__}: {first_line(error)})")
    return replace(engine, form=form, passes=passes)


def _in_bfloat16(model: Any, contract: ModelContract, backend: str, wanted: str) -> Engine:
    """Return the engine in bfloat16 if its results agree with float32, else the engine in float32.

    Raises:
        BadModel: the results differ, and bfloat16 was requested explicitly.
    """
    graph = export(model, _shape(contract, BATCH), contract.name)
    predict = program(graph, "float32", contract.name)
    exact = _in_float32(model, contract, backend, predict, lambda chips: batched(predict, chips, BATCH))
    try:
        fast = program(graph, "bfloat16", contract.name)
        passes = OpenVinoPasses(contract, exact.form, "bfloat16") if exact.form else None
        compared = compare_bfloat16(contract, predict, fast, exact.form, passes)
    except WrongBfloat16 as error:
        why = str(error)
    except Exception as error:  # OpenVINO's compiler and kernels can raise any error
        why = f"it cannot be computed ({type(error).__name__}: {first_line(error)})"
    else:
        return replace(exact, precision="bfloat16", predict=fast, passes=passes, bfloat16=compared)
    where = f"with OpenVINO {version()} on {cpu_name()}"
    if wanted == "bfloat16":
        raise BadModel(
            f"bfloat16 was asked for, but is wrong {where}: {why}",
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


def _precision(wanted: str, backend: str) -> str:
    possible = backend == "openvino" and has_bfloat16()
    if wanted == "auto":
        return "bfloat16" if possible else "float32"
    if wanted == "bfloat16" and not possible:
        raise BadModel(
            f"bfloat16 was asked for, but {_lacking(backend)} does not offer it here",
            asset="class_raster",
            remedy="set LC_ASSETS_PRECISION to auto or float32",
        )
    return wanted


def _lacking(backend: str) -> str:
    return "this CPU" if backend == "openvino" else f"the {backend} backend"
