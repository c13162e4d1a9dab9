"""Run the two halves of a dense model on a backend: the backbone over a block, the head over windows.

For OpenVINO the layers are rebuilt as channels-first graphs; the backbone is compiled for each shape of blocks. Any
other backend calls the model's own Keras layers on a larger input.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.form import DenseGeometry, FullyConvSplit
from lc_assets.inference.dense.scaling import highest_dn, normalize_input, whole_means
from lc_assets.inference.openvino_runtime import Run, compile_graph
from lc_assets.sentinel2.radiometry import MIN_VALID_DN, remove_offset

HEAD_BATCH = 4096
"""Windows per call of the dense layers."""


Predict = Callable[[np.ndarray], np.ndarray]
"""A function from a batch of N chips, or of N window means, to (N, classes) probabilities."""


class DensePasses(Protocol):
    """The two halves of a model, ready to run on one backend."""

    @property
    def geometry(self) -> DenseGeometry:
        """The geometry of the split model."""

    def backbone(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return the features of a block, as `Evaluator.features`. May overwrite `dn`."""

    def head(self, means: np.ndarray) -> np.ndarray:
        """Return (HEAD_BATCH, classes) probabilities for (HEAD_BATCH, outputs) window means."""


def batched(run: Predict, values: np.ndarray, size: int) -> np.ndarray:
    """Call `run` on parts of exactly `size` rows and return (N, classes) float32.

    Args:
        run: the function to call.
        values: (N, ...) input.
        size: rows per call; the last part is padded with zeros.
    """
    parts = []
    for start in range(0, len(values), size):
        part = values[start : start + size]
        padded = part
        if len(part) < size:
            padded = np.zeros((size, *values.shape[1:]), values.dtype)
            padded[: len(part)] = part
        parts.append(np.asarray(run(padded), np.float32)[: len(part)])
    return np.concatenate(parts) if parts else run(np.zeros((size, *values.shape[1:]), values.dtype))[:0]


@dataclass(frozen=True)
class DenseGraphs:
    """A split model as OpenVINO graphs; `lc_assets.inference.dense.openvino` makes them.

    Attributes:
        geometry: the geometry of the split model.
        backbone: `openvino.Model` for blocks of any number of rows and columns.
        head: `openvino.Model` for `HEAD_BATCH` windows.
    """

    geometry: DenseGeometry
    backbone: Any
    head: Any


@dataclass
class OpenVinoPasses:
    """Run a model on OpenVINO: channels-first graphs, compiled once per block shape and process."""

    contract: ModelContract
    graphs: DenseGraphs
    precision: str
    _backbones: dict[tuple[int, int], Run] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # The head always runs in float32: its cost is negligible compared with the backbone.
        self._head = compile_graph(self.graphs.head, "float32")

    @property
    def geometry(self) -> DenseGeometry:
        """The geometry of the split model."""
        return self.graphs.geometry

    def backbone(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return the features of a block, as `Evaluator.features`. Overwrites `dn`."""
        inputs = [self._centred(dn, offset)[None], usable[None, None].view(np.uint8)]
        return self._compiled(dn.shape[1:])(inputs)[0].transpose(1, 2, 0)

    def _centred(self, dn: np.ndarray, offset: int) -> np.ndarray:
        """Return int16 DN without the offset and minus each band's mean in whole DN. Overwrites `dn`.

        bfloat16 has 8 significant bits: it rounds a DN of 2500 to steps of 16, and the difference from the mean to
        finer steps. OpenVINO rounds the input of the graph, so the mean is subtracted before, in integers.
        """
        low = np.uint16(MIN_VALID_DN - offset)
        for layer, mean, highest in zip(dn, whole_means(self.contract), highest_dn(self.contract), strict=True):
            np.clip(layer, low, np.uint16(int(highest) - offset), out=layer)
            layer -= np.uint16(mean - offset)  # uint16 wraps around; read as int16 it is the difference
        return dn.view(np.int16)

    def head(self, means: np.ndarray) -> np.ndarray:
        """Return the probabilities of windows, as `DensePasses.head`."""
        return self._head([means])

    def _compiled(self, shape: tuple[int, ...]) -> Run:
        rows, columns = shape
        with self._lock:
            if (rows, columns) not in self._backbones:
                graph = self.graphs.backbone.clone()
                graph.reshape({part: [*part.partial_shape[:2], rows, columns] for part in graph.inputs})
                self._backbones[rows, columns] = compile_graph(graph, self.precision)
            return self._backbones[rows, columns]


@dataclass
class KerasPasses:
    """Run a model's own layers on a larger input with Keras' backend (torch, jax, tensorflow; on a GPU if it has
    one)."""

    contract: ModelContract
    form: FullyConvSplit
    _backbones: dict[tuple[int, int], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def geometry(self) -> DenseGeometry:
        """The geometry of the split model."""
        return self.form.geometry

    def backbone(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """Return the features of a block, as `Evaluator.features`."""
        pixels = normalize_input(self.contract, remove_offset(dn, offset).transpose(1, 2, 0), usable)
        # One call at a time: Keras does not guarantee thread safety, and a GPU has one queue.
        with self._lock:
            out = self._model(pixels.shape).predict_on_batch(pixels[None])
        return np.asarray(out, np.float32)[0]

    def head(self, means: np.ndarray) -> np.ndarray:
        """Return the probabilities of windows, as `DensePasses.head`."""
        from keras import ops

        with self._lock:
            activation, *layers = self.form.head
            out = activation(ops.convert_to_tensor(means + self.form.bias))
            for layer in layers:
                out = layer(out)
            found: np.ndarray = ops.convert_to_numpy(out)
        return found

    def _model(self, shape: tuple[int, ...]) -> Any:
        import keras

        rows, columns, bands = shape
        if (rows, columns) not in self._backbones:
            source = keras.Input((rows, columns, bands), batch_size=1)
            known = {self.form.source: source}
            for step in self.form.steps:
                inputs = [known[name] for name in step.inputs]
                known[step.output] = step.layer(inputs[0] if len(inputs) == 1 else inputs)
            projected = keras.ops.matmul(known[self.form.features], self.form.kernel)
            self._backbones[rows, columns] = keras.Model(source, projected)
        return self._backbones[rows, columns]
