"""Run a Keras model over chips: load it against its contract, scale its input, batch its work.

OpenVINO is the default backend (light, CPU, inference only); `KERAS_BACKEND` names another one. Keras reads that
variable when it is first imported, so Keras is imported here only, and late. The precision is named, never left to the
backend: OpenVINO would take bfloat16 by itself where the CPU has it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.checksum import sha256_of
from lc_assets.contract import ModelContract
from lc_assets.errors import BadModel
from lc_assets.raster.stack import Stack

DEFAULT_BACKEND = "openvino"
BATCH = 64
"""Chips per call. Every call has this many (the last one is filled up), so the graph is compiled once and each chip's
result does not depend on how many there are."""

_TOLERANCE = 0.02
"""How far probabilities may be from adding up to 1: bfloat16 keeps about three digits."""

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Engine:
    """A model ready to run.

    Attributes:
        contract: what the model promises.
        backend: Keras backend it runs on.
        precision: arithmetic precision of the network, e.g. `float32`.
        predict: (BATCH, chip, chip, bands) float32 -> (BATCH, classes) probabilities.
    """

    contract: ModelContract
    backend: str
    precision: str
    predict: Predict

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

    def normalised(self, pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Network input: (DN - mean) / std, and 0 where there is no valid data.

        Args:
            pixels: (..., bands) DN, offset removed, bands in the contract's order.
            valid: (...) bool.

        Returns:
            (..., bands) float32.
        """
        mean = np.asarray(self.contract.mean, np.float32)
        scale = 1 / np.asarray(self.contract.std, np.float32)
        out: np.ndarray = (pixels.astype(np.float32) - mean) * scale
        out[~valid] = 0
        return out

    def probabilities(self, chips: np.ndarray) -> np.ndarray:
        """(N, chip, chip, bands) network input -> (N, classes) float32 probabilities."""
        out = np.empty((len(chips), len(self.contract.class_names)), np.float32)
        for start in range(0, len(chips), BATCH):
            part = chips[start : start + BATCH]
            batch = part
            if len(part) < BATCH:
                batch = np.zeros((BATCH, *chips.shape[1:]), np.float32)
                batch[: len(part)] = part
            out[start : start + len(part)] = self.predict(batch)[: len(part)]
        # Also false where one is not a number.
        within = (out >= -_TOLERANCE).all() and (out <= 1 + _TOLERANCE).all()
        if not (within and (abs(out.sum(axis=1) - 1) <= _TOLERANCE).all()):
            raise BadModel(
                "what it predicts are no probabilities: ten numbers of 0 and above that add up to 1",
                asset=f"model {self.contract.name}",
                remedy="end the model in a softmax, and check its weights (lc-assets model check)",
            )
        return out.clip(0, 1, out=out)

    def windows(self, pixels: np.ndarray, stride: int, wanted: np.ndarray) -> np.ndarray:
        """Probabilities of windows cut from a strip.

        Args:
            pixels: (rows, columns, bands) network input.
            stride: step between windows in pixels.
            wanted: (window rows, window columns) bool: windows to evaluate; the others stay 0.

        Returns:
            (window rows, window columns, classes) float32.
        """
        chip = self.contract.chip_size
        views = np.lib.stride_tricks.sliding_window_view(pixels, (chip, chip), axis=(0, 1))[::stride, ::stride]
        out = np.zeros((*wanted.shape, len(self.contract.class_names)), np.float32)
        places = np.argwhere(wanted)
        for start in range(0, len(places), BATCH):
            row, column = places[start : start + BATCH].T
            out[row, column] = self.probabilities(views[row, column].transpose(0, 2, 3, 1))
        return out


_engines: dict[tuple[str, str, str], Engine] = {}


def load_engine(model: Path, contract: ModelContract) -> Engine:
    """Load a `.keras` file against its contract; at most once per process, file content and backend.

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
    key = (digest, os.environ["KERAS_BACKEND"], repr(contract))
    if key not in _engines:
        _engines[key] = _build(model, contract)
    return _engines[key]


def _build(path: Path, contract: ModelContract) -> Engine:
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
    shape = (BATCH, chip, chip, bands)
    try:
        predict = _openvino(model, shape) if backend == "openvino" else _plain(model)
    except Exception as error:  # OpenVINO raises whatever its converter or compiler met
        raise BadModel(
            f"{path} cannot be compiled ({type(error).__name__}: {_first_line(error)})",
            asset=f"model {contract.name}",
            remedy="use layers that OpenVINO supports, or another KERAS_BACKEND",
        ) from None
    return Engine(contract, backend, "float32", predict)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0][:200]


def _plain(model: Any) -> Predict:
    return lambda batch: np.asarray(model.predict_on_batch(batch), np.float32)


def _openvino(model: Any, shape: tuple[int, ...]) -> Predict:
    """The model as a compiled OpenVINO graph of static shape in float32."""
    import keras
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        exported = str(Path(folder) / "model.xml")
        # The batch size is part of the exported graph: some layers (Flatten) cannot be given another one afterwards.
        signature = [keras.InputSpec(shape=shape, dtype="float32")]
        model.export(exported, format="openvino", verbose=False, input_signature=signature)
        core = openvino.Core()
        graph = core.read_model(exported)
        compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def predict(batch: np.ndarray) -> np.ndarray:
        return compiled(np.ascontiguousarray(batch))[0]

    return predict
