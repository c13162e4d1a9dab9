"""A whole Keras model as a function of a batch of chips: an OpenVINO program of static shape, or Keras itself."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.core.errors import BadModel
from lc_assets.inference.dense.backends import Predict
from lc_assets.inference.openvino_runtime import compiled


def keras_program(model: Any) -> Predict:
    """(N, chip, chip, bands) -> (N, classes) float32, by Keras' own backend."""
    return lambda batch: np.asarray(model.predict_on_batch(batch), np.float32)


def late_program(model: Any, shape: tuple[int, ...], precision: str, name: str) -> Predict:
    """The model for chips of one shape, compiled by OpenVINO when it is first called.

    Args:
        model: the Keras model.
        shape: (chips a call, chip, chip, bands).
        precision: `float32` or `bfloat16`.
        name: the model's, for errors.

    Returns:
        A function that may raise what `export` and `program` raise.
    """
    lock = threading.Lock()
    programs: list[Predict] = []

    def predict(batch: np.ndarray) -> np.ndarray:
        with lock:
            if not programs:
                programs.append(program(export(model, shape, name), precision, name))
        return programs[0](batch)

    return predict


def export(model: Any, shape: tuple[int, ...], name: str) -> Any:
    """The model as an `openvino.Model` for chips of one shape; arguments as of `late_program`.

    Raises:
        BadModel: it has something that OpenVINO's converter does not support.
    """
    import keras
    import openvino

    try:
        with tempfile.TemporaryDirectory() as folder:
            exported = str(Path(folder) / "model.xml")
            # The batch size is part of the graph: some layers (Flatten) cannot be given another one afterwards.
            signature = [keras.InputSpec(shape=shape, dtype="float32")]
            model.export(exported, format="openvino", verbose=False, input_signature=signature)
            # The graph outlives the folder, so its weights are read, not mapped.
            return openvino.Core().read_model(exported, config={"ENABLE_MMAP": False})
    except Exception as error:  # whatever the converter met
        raise _cannot(error, name) from None


def program(graph: Any, precision: str, name: str) -> Predict:
    """An exported model, compiled.

    Raises:
        BadModel: OpenVINO cannot compile it.
    """
    try:
        run = compiled(graph, precision)
    except Exception as error:  # whatever the compiler met
        raise _cannot(error, name) from None
    return lambda batch: run([batch])


def first_line(error: Exception) -> str:
    """What an error of a library says, in one line of 200 characters at most."""
    return (str(error).strip() or "no reason given").splitlines()[0][:200]


def _cannot(error: Exception, name: str) -> BadModel:
    return BadModel(
        f"it cannot be compiled ({type(error).__name__}: {first_line(error)})",
        asset=f"model {name}",
        remedy="use layers that OpenVINO supports, or another KERAS_BACKEND",
    )
