"""How a backend runs the two halves of a dense model: the trunk over a block, the head over windows.

OpenVINO gets graphs of its own, channels first and compiled for one block shape; any other backend gets the model's own
Keras layers, called on a larger input.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.form import FullyConvSplit
from lc_assets.inference.dense.scaling import highest_dn, normalize_input, whole_means
from lc_assets.inference.openvino_runtime import Run, compiled
from lc_assets.sentinel2.radiometry import MIN_VALID_DN, remove_offset

HEAD_BATCH = 4096
"""Windows per call of the dense layers."""


Predict = Callable[[np.ndarray], np.ndarray]


class DensePasses(Protocol):
    """A backend's two halves of a model."""

    def trunk(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """As `Evaluator.positions`; may overwrite `dn`."""

    def head(self, means: np.ndarray) -> np.ndarray:
        """(HEAD_BATCH, outputs) -> (HEAD_BATCH, classes)."""


def batched(run: Predict, values: np.ndarray, size: int) -> np.ndarray:
    """Run (N, ...) in calls of exactly `size` each, the last one filled up with zeros; (N, classes) float32."""
    parts = []
    for start in range(0, len(values), size):
        part = values[start : start + size]
        whole = part
        if len(part) < size:
            whole = np.zeros((size, *values.shape[1:]), values.dtype)
            whole[: len(part)] = part
        parts.append(np.asarray(run(whole), np.float32)[: len(part)])
    return np.concatenate(parts) if parts else run(np.zeros((size, *values.shape[1:]), values.dtype))[:0]


@dataclass
class OpenVinoPasses:
    """Channels-first graphs, compiled once per block shape and process."""

    contract: ModelContract
    form: FullyConvSplit
    precision: str
    _trunks: dict[tuple[int, int], Run] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        from lc_assets.inference.dense import openvino

        # Its inputs are means of thousands of products: what the head computes is nothing beside the trunk.
        self._head = compiled(openvino.head(self.form, HEAD_BATCH), "float32")

    def trunk(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """As `Evaluator.positions`; `dn` is overwritten."""
        given = [self._centred(dn, offset)[None], usable[None, None].view(np.uint8)]
        return self._compiled(dn.shape[1:])(given)[0].transpose(1, 2, 0)

    def _centred(self, dn: np.ndarray, offset: int) -> np.ndarray:
        """int16 DN without offset, less each band's mean in whole DN.

        bfloat16 has 8 bits: what would be left of a DN of 2500 are steps of 16, of its distance from the mean, finer
        ones. OpenVINO rounds what enters the graph, so the mean is taken off before, in integers.
        """
        low = np.uint16(MIN_VALID_DN - offset)
        for layer, mean, highest in zip(dn, whole_means(self.contract), highest_dn(self.contract), strict=True):
            np.clip(layer, low, np.uint16(int(highest) - offset), out=layer)
            layer -= np.uint16(mean - offset)  # modulo 2**16, which as int16 is the difference
        return dn.view(np.int16)

    def head(self, means: np.ndarray) -> np.ndarray:
        """As `DensePasses.head`."""
        return self._head([means])

    def _compiled(self, shape: tuple[int, ...]) -> Run:
        from lc_assets.inference.dense import openvino

        rows, columns = shape
        with self._lock:
            if (rows, columns) not in self._trunks:
                graph = openvino.trunk(self.form, self.contract, rows, columns)
                self._trunks[rows, columns] = compiled(graph, self.precision)
            return self._trunks[rows, columns]


@dataclass
class KerasPasses:
    """The same layers, called on a larger input by Keras' own backend (torch, jax, tensorflow; a GPU if it has one)."""

    contract: ModelContract
    form: FullyConvSplit
    _trunks: dict[tuple[int, int], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def trunk(self, dn: np.ndarray, usable: np.ndarray, offset: int) -> np.ndarray:
        """As `Evaluator.positions`."""
        pixels = normalize_input(self.contract, remove_offset(dn, offset).transpose(1, 2, 0), usable)
        # One call at a time: Keras promises nothing to threads, and a GPU has one queue.
        with self._lock:
            out = self._model(pixels.shape).predict_on_batch(pixels[None])
        return np.asarray(out, np.float32)[0]

    def head(self, means: np.ndarray) -> np.ndarray:
        """As `DensePasses.head`."""
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
        if (rows, columns) not in self._trunks:
            given = keras.Input((rows, columns, bands), batch_size=1)
            known = {self.form.source: given}
            for step in self.form.steps:
                taken = [known[name] for name in step.takes]
                known[step.gives] = step.layer(taken[0] if len(taken) == 1 else taken)
            projected = keras.ops.matmul(known[self.form.features], self.form.kernel)
            self._trunks[rows, columns] = keras.Model(given, projected)
        return self._trunks[rows, columns]
