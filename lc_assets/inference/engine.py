"""A Keras model, loaded against its contract and ready to run: over chips, or densely where its shape allows it.

OpenVINO is the default backend (light, CPU, inference only); `KERAS_BACKEND` names another one. Keras reads that
variable when it is first imported, so Keras is imported here only, and late. The precision is named, never left to the
backend: OpenVINO would take bfloat16 by itself where the CPU has it.
"""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.checksum import sha256_of
from lc_assets.contract import ModelContract
from lc_assets.errors import BadModel
from lc_assets.inference.dense import DenseForm, NotDense, find_dense_form
from lc_assets.inference.dense_check import CHECKED_WINDOWS, check_dense
from lc_assets.inference.evaluators import BATCH, ChipEvaluator, DenseEvaluator, Evaluator
from lc_assets.inference.openvino_graphs import Run, compiled, has_bfloat16
from lc_assets.inference.passes import DensePasses, KerasPasses, OpenVinoPasses, Predict, batched
from lc_assets.raster.stack import Stack

DEFAULT_BACKEND = "openvino"
PRECISIONS = ("auto", "float32", "bfloat16")
"""`auto` is bfloat16 where the backend and the CPU have it, else float32."""

_TOLERANCE = 0.02
"""How far probabilities may be from adding up to 1: bfloat16 keeps about three digits."""


@dataclass(frozen=True)
class Engine:
    """A model ready to run.

    Attributes:
        contract: what the model promises.
        backend: Keras backend it runs on.
        precision: arithmetic of the network: `float32` or `bfloat16`.
        predict: (BATCH, chip, chip, bands) float32 -> (BATCH, classes) probabilities.
        form: the model taken apart, where it can be evaluated densely.
        passes: what runs its two halves.
        why_chips: why it cannot be; empty when it can.
    """

    contract: ModelContract
    backend: str
    precision: str
    predict: Predict
    form: DenseForm | None = None
    passes: DensePasses | None = None
    why_chips: str = ""

    def check_stack(self, stack: Stack) -> None:
        """Refuse a stack that the model was not made for.

        Raises:
            BadModel: another product level or another resampling kernel; the message names both.
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
        """The cheapest exact way to evaluate windows that start every `stride` pixels."""
        if self.form is None or self.passes is None:
            return ChipEvaluator(self.contract, self.predict, stride, self.why_chips)
        if stride % self.form.stride:
            why = f"windows every {stride} px do not fall on the model's places, which are {self.form.stride} px apart"
            return ChipEvaluator(self.contract, self.predict, stride, why)
        return DenseEvaluator(self.contract, self.form, self.passes, stride // self.form.stride)

    def probabilities(self, chips: np.ndarray) -> np.ndarray:
        """(N, chip, chip, bands) network input -> (N, classes) float32 probabilities, chip by chip."""
        return self.checked(batched(self.predict, chips, BATCH))

    def checked(self, out: np.ndarray) -> np.ndarray:
        """Probabilities (..., classes) as they are, clipped to 0..1.

        Raises:
            BadModel: they are none.
        """
        # Also false where one is not a number.
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
    """Load a `.keras` file against its contract; at most once per process, file content, backend and precision.

    Args:
        model: the `.keras` file.
        contract: what it has to fit.
        precision: one of `PRECISIONS`.

    Raises:
        BadModel: the file is missing or corrupt, is not the one that the contract was written for, or its input or
        output shape
            is not the contract's.
    """
    os.environ.setdefault("KERAS_BACKEND", DEFAULT_BACKEND)
    try:
        # A device or a pipe would be read for ever.
        digest = sha256_of(model) if model.is_file() or not model.exists() else "no regular file"
    except OSError as error:
        raise BadModel(
            f"the model file {model} cannot be read ({error.strerror})",
            asset=f"model {contract.name}",
            remedy="put the file back, or mend the href of the model asset in its MLM item",
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
    try:
        import keras
    except (ImportError, ValueError) as error:  # ValueError: Keras does not know the backend
        raise BadModel(
            f"Keras cannot use KERAS_BACKEND={os.environ['KERAS_BACKEND']} ({error})",
            asset="class_raster",
            remedy=f"install that backend, or unset KERAS_BACKEND to use {DEFAULT_BACKEND}",
        ) from None
    try:
        model: Any = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the broken part of the archive made it raise
        raise BadModel(
            f"{path} cannot be loaded as a Keras model ({type(error).__name__}: {_first_line(error)})",
            asset="class_raster",
            remedy="save it again with model.save('model.keras') from Keras 3, without custom code (Lambda layers)",
        ) from None
    chip, bands, classes = contract.chip_size, len(contract.bands), len(contract.class_names)
    for what, promised in (("input", (None, chip, chip, bands)), ("output", (None, classes))):
        try:
            found = tuple(getattr(model, f"{what}_shape"))
        except (AttributeError, TypeError, ValueError):  # it was never built, or is no model but a layer
            found = ()
        fits = len(found) == len(promised) and all(a in (None, b) for a, b in zip(found[1:], promised[1:], strict=True))
        if not fits:
            raise BadModel(
                f"its {what} shape is {found or 'not known'}, the contract promises {promised} "
                f"({chip} px chips, {bands} bands, {classes} classes)",
                asset=f"model {contract.name}",
                remedy="mend the contract or use the model that it describes",
            )
    backend = keras.config.backend()
    precision = _precision(wanted, backend)
    shape = (BATCH, chip, chip, bands)
    predict = _openvino(model, shape, precision, contract.name) if backend == "openvino" else _plain(model)
    try:
        form = find_dense_form(model)
        passes = _passes(contract, form, backend, precision)
        exact = passes if precision == "float32" else _passes(contract, form, backend, "float32")
        check_dense(contract, form, exact, _chips(model, contract, backend))
    except NotDense as error:
        return Engine(contract, backend, precision, predict, why_chips=str(error))
    except Exception as error:  # a model may be built of anything: what cannot be taken apart is run as it is
        why = f"it cannot be taken apart ({type(error).__name__}: {_first_line(error)})"
        return Engine(contract, backend, precision, predict, why_chips=why)
    return Engine(contract, backend, precision, predict, form, passes)


def _passes(contract: ModelContract, form: DenseForm, backend: str, precision: str) -> DensePasses:
    return OpenVinoPasses(contract, form, precision) if backend == "openvino" else KerasPasses(contract, form)


def _chips(model: Any, contract: ModelContract, backend: str) -> Predict:
    """The model in float32 on the few chips of the check."""
    if backend != "openvino":
        return _plain(model)
    shape = (CHECKED_WINDOWS**2, contract.chip_size, contract.chip_size, len(contract.bands))
    return _openvino(model, shape, "float32", contract.name)


def _precision(wanted: str, backend: str) -> str:
    possible = backend == "openvino" and has_bfloat16()
    if wanted == "auto":
        return "bfloat16" if possible else "float32"
    if wanted == "bfloat16" and not possible:
        raise BadModel(
            f"bfloat16 was asked for, but {'this CPU' if backend == 'openvino' else f'the {backend} backend'} "
            "does not offer it here",
            asset="class_raster",
            remedy="set LC_ASSETS_PRECISION to auto or float32",
        )
    return wanted


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0][:200]


def _plain(model: Any) -> Predict:
    return lambda batch: np.asarray(model.predict_on_batch(batch), np.float32)


def _openvino(model: Any, shape: tuple[int, ...], precision: str, name: str) -> Predict:
    """The whole model as an OpenVINO graph of static shape, for chips; compiled when it is first called."""
    lock = threading.Lock()
    programs: list[Run] = []

    def predict(batch: np.ndarray) -> np.ndarray:
        with lock:
            if not programs:
                programs.append(_exported(model, shape, precision, name))
        return programs[0]([batch])

    return predict


def _exported(model: Any, shape: tuple[int, ...], precision: str, name: str) -> Run:
    import keras
    import openvino

    try:
        with tempfile.TemporaryDirectory() as folder:
            exported = str(Path(folder) / "model.xml")
            # The batch size is part of the graph: some layers (Flatten) cannot be given another one afterwards.
            signature = [keras.InputSpec(shape=shape, dtype="float32")]
            model.export(exported, format="openvino", verbose=False, input_signature=signature)
            return compiled(openvino.Core().read_model(exported), precision)
    except Exception as error:  # OpenVINO raises whatever its converter or compiler met
        raise BadModel(
            f"it cannot be compiled ({type(error).__name__}: {_first_line(error)})",
            asset=f"model {name}",
            remedy="use layers that OpenVINO supports, or another KERAS_BACKEND",
        ) from None
