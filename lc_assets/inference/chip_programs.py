"""Turn a whole Keras model into a function of a batch of chips: an OpenVINO program of static shape, or Keras."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.core.errors import BadModel
from lc_assets.inference.dense.backends import Predict
from lc_assets.inference.openvino_runtime import compile_graph


def keras_program(model: Any) -> Predict:
    """Return a function from (N, chip, chip, bands) to (N, classes) float32 that runs on Keras' own backend."""
    return lambda batch: np.asarray(model.predict_on_batch(batch), np.float32)


def lazy_program(graph: Callable[[], Any], precision: str, name: str) -> Predict:
    """Return a model as a function of a batch of chips. OpenVINO compiles it at the first call.

    Args:
        graph: returns the `openvino.Model`; called once.
        precision: `float32` or `bfloat16`.
        name: the model's name, for errors.

    Returns:
        A function that raises the errors of `graph` and `compile_program`.
    """
    lock = threading.Lock()
    compiled: list[Predict] = []

    def predict(batch: np.ndarray) -> np.ndarray:
        with lock:
            if not compiled:
                compiled.append(compile_program(graph(), precision, name))
        return compiled[0](batch)

    return predict


def export_openvino(model: Any, shape: tuple[int, ...], name: str) -> Any:
    """Return a Keras model as an `openvino.Model` for chips of one shape.

    Args:
        model: the Keras model.
        shape: (chips per call, chip, chip, bands).
        name: the model's name, for errors.

    Raises:
        BadModel: OpenVINO's converter does not support a part of the model.
    """
    import keras
    import openvino

    try:
        with tempfile.TemporaryDirectory() as folder:
            exported = str(Path(folder) / "model.xml")
            # The batch size is fixed in the graph: with some layers (Flatten) it cannot be changed afterwards.
            signature = [keras.InputSpec(shape=shape, dtype="float32")]
            model.export(exported, format="openvino", verbose=False, input_signature=signature)
            # The graph is used after the folder is deleted, so its weights are read, not memory-mapped.
            return openvino.Core().read_model(exported, config={"ENABLE_MMAP": False})
    except Exception as error:  # the converter can raise any error
        raise _compile_error(error, name) from None


def compile_program(graph: Any, precision: str, name: str) -> Predict:
    """Compile an exported model and return it as a function of a batch of chips.

    Raises:
        BadModel: OpenVINO cannot compile the model.
    """
    try:
        run = compile_graph(graph, precision)
    except Exception as error:  # the compiler can raise any error
        raise _compile_error(error, name) from None
    return lambda batch: run([batch])


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, at most 200 characters."""
    return (str(error).strip() or "no reason given").splitlines()[0][:200]


def _compile_error(error: Exception, name: str) -> BadModel:
    return BadModel(
        f"it cannot be compiled ({type(error).__name__}: {first_line(error)})",
        asset=f"model {name}",
        remedy="use layers that OpenVINO supports, or another KERAS_BACKEND",
    )
