"""Dense evaluation: one pass of the convolutions over a scene instead of one pass per window.

The maths, once. Let a chip classifier be `head(mean(trunk(chip)))`: convolutions without padding, the mean over all
positions of their output (global average pooling), dense layers.

1. *One feature map serves all windows.* Unpadded layers compute each output from a fixed neighbourhood of their input,
   the same everywhere. With T the product of the strides, shifting the input by T pixels shifts the output by one
   position. So the features of a window whose corner lies at pixel (T i, T j) are positions i .. i + n - 1 by
   j .. j + n - 1 of the scene's feature map, n being the side of the map of one chip. (Sermanet et al. 2014, OverFeat,
   arXiv:1312.6229, section 3.5; Long et al. 2015, arXiv:1411.4038.)
2. *Means of windows are box means of the map.* A window's pooled features are the mean over its n x n positions.
3. *The first dense layer moves before the mean.* mean(f) K + b = mean(f K) + b, so the map is projected by the kernel K
   where it is made, and only that many numbers per position (ten, where the head is one layer) leave the network.

A window's result is then that of its chip but for the order of sums. Where windows start is the same too: `layout`
continues the scene by reflection at its lower and right edge, so that every window stays on the lattice of T.

`split_fully_convolutional` finds out whether a Keras model has this shape by looking at its layers; no weight is copied
or stored a second time. `UNPADDED` and `POINTWISE` list the layers that it knows. Any other model is evaluated chip by
chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

POINTWISE = frozenset({"Activation", "ReLU", "LeakyReLU", "BatchNormalization", "Rescaling"})
"""Layers that treat every position alike and on its own."""
IDENTITIES = frozenset({"Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "ActivityRegularization"})
"""Layers that do nothing but in training."""
MERGES = frozenset({"Add", "Concatenate"})
UNPADDED = frozenset({"Conv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D"})
"""Layers that look at a neighbourhood: unpadded, or else only one pixel large."""
_POOLING = "GlobalAveragePooling2D"


MOST_BYTES_PER_PIXEL = 16
"""A feature map that takes more than this per pixel of the scene is not kept: it would be larger than the scene."""


class NotFullyConvolutional(Exception):
    """Why a model must be evaluated chip by chip, in words."""


@dataclass(frozen=True)
class Step:
    """One layer's place in a model: the names of what it takes and of what it gives (its own name)."""

    layer: Any
    takes: tuple[str, ...]
    gives: str

    @property
    def kind(self) -> str:
        """The layer's class name in Keras."""
        return type(self.layer).__name__


@dataclass(frozen=True)
class FullyConvSplit:
    """A chip classifier taken apart.

    Attributes:
        steps: the layers before pooling, in order.
        source, features: what the first of them takes and the last one gives.
        stride: pixels per position (T).
        positions: side of one chip's feature map (n).
        kernel: (features, outputs) of the first dense layer; it moves into the trunk.
        bias: (outputs,) of the same, added after the mean.
        head: the layers after that kernel, beginning with its own activation.
    """

    steps: tuple[Step, ...]
    source: str
    features: str
    stride: int
    positions: int
    kernel: np.ndarray
    bias: np.ndarray
    head: tuple[Any, ...]


def split_fully_convolutional(model: Any) -> FullyConvSplit:
    """Take a Keras model apart.

    Args:
        model: (N, chip, chip, bands) -> (N, classes).

    Raises:
        NotDense: it is of another shape; the message names the layer.
    """
    steps = _steps(model)
    pools = [number for number, step in enumerate(steps) if step.kind == _POOLING]
    if len(pools) != 1:
        raise NotFullyConvolutional(f"it has {len(pools) or 'no'} {_POOLING} layers")
    pool = pools[0]
    source, features = steps[0].takes[0], steps[pool].takes[0]
    strides = {source: 1}
    for step in steps[:pool]:
        strides[step.gives] = _stride(step, [strides[name] for name in step.takes])
    _check_channels_last(steps[pool].layer)
    _, rows, columns, _ = steps[pool].layer.input.shape
    if rows != columns or rows is None:
        raise NotFullyConvolutional(f"its feature map of {rows} x {columns} positions is not square")
    first, *rest = _head(steps[pool:])
    weights = first.get_weights()
    bias = weights[1] if first.use_bias else np.zeros(weights[0].shape[1], np.float32)
    if 4 * len(bias) > MOST_BYTES_PER_PIXEL * strides[features] ** 2:
        raise NotFullyConvolutional(
            f"its map of {len(bias)} numbers every {strides[features]} px would take too much memory"
        )
    head = (first.activation, *rest)
    return FullyConvSplit(steps[:pool], source, features, strides[features], rows, weights[0], bias, head)


def window_means(positions: np.ndarray, side: int, hop: int) -> np.ndarray:
    """Box means of a feature map: what global average pooling gives for each window.

    Args:
        positions: (rows, columns, outputs) float32.
        side: positions along a window's side (n).
        hop: positions from one window to the next.

    Returns:
        ((rows - side) // hop + 1, (columns - side) // hop + 1, outputs), added up in one order whatever the cut.
    """
    return _boxes(_boxes(positions, side, hop, 0), side, hop, 1) / np.float32(side**2)


def _boxes(values: np.ndarray, side: int, hop: int, axis: int) -> np.ndarray:
    count = (values.shape[axis] - side) // hop + 1
    along = (slice(None),) * axis
    parts = [values[(*along, slice(shift, shift + count * hop, hop))] for shift in range(side)]
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _steps(model: Any) -> tuple[Step, ...]:
    """The layers of a model in order, from its own description (`get_config`); nested models are taken apart too."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise NotFullyConvolutional(
            f"it, or a model inside it, has {len(model.inputs)} inputs and {len(model.outputs)} outputs"
        )
    if type(model).__name__ == "Sequential":
        last, steps = "input", []
        for layer in model.layers:
            steps += _unfolded(layer, (last,), layer.name)
            last = layer.name
        return tuple(steps)
    if type(model).__name__ != "Functional":
        raise NotFullyConvolutional(f"it is no Sequential or functional model, but a {type(model).__name__}")
    config = model.get_config()
    layers = {layer.name: layer for layer in model.layers}
    steps, given = [], set()
    for described in config["layers"]:
        name, nodes = described["name"], described["inbound_nodes"]
        if not nodes:
            given.add(name)
            continue
        takes = tuple(_histories(nodes[0]["args"]))
        if len(nodes) > 1 or not takes or not given.issuperset(takes):
            raise NotFullyConvolutional(
                f"layer {name} is used more than once, or takes something that is no layer's output"
            )
        if any(value not in (None, False) for value in nodes[0].get("kwargs", {}).values()):
            raise NotFullyConvolutional(f"layer {name} is called in a special way ({', '.join(nodes[0]['kwargs'])})")
        if name not in layers:
            raise NotFullyConvolutional(f"{name} is an operation outside of any layer")
        steps += _unfolded(layers[name], takes, name)
        given.add(name)
    if not steps or _ends(config["output_layers"]) != [steps[-1].gives]:
        raise NotFullyConvolutional("its output is not that of its last layer")
    return tuple(steps)


def _ends(described: Any) -> list[str]:
    """Names of the layers that a model's outputs come from."""
    if isinstance(described, list) and len(described) == 3 and isinstance(described[0], str):
        return [described[0]]
    return [name for part in described for name in _ends(part)]


def _unfolded(layer: Any, takes: tuple[str, ...], name: str) -> list[Step]:
    if type(layer).__name__ not in ("Functional", "Sequential"):
        return [Step(layer, takes, name)]
    inner = _steps(layer)
    if not inner:
        raise NotFullyConvolutional(f"the model {name} inside it has no layers")
    outer = {inner[0].takes[0]: takes[0], inner[-1].gives: name}

    def known(key: str) -> str:
        return outer.get(key, f"{name}/{key}")

    return [Step(step.layer, tuple(map(known, step.takes)), known(step.gives)) for step in inner]


def _histories(argument: Any) -> list[str]:
    """Names of the layers whose outputs a described call takes."""
    if isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__":
        name, _, output = argument["config"]["keras_history"]
        return [name] if output == 0 else [f"output {output} of {name}"]
    if isinstance(argument, list | tuple):
        return [name for part in argument for name in _histories(part)]
    return []


def _stride(step: Step, incoming: list[int]) -> int:
    """Pixels per position after a layer.

    Raises:
        NotDense: the layer does not do the same everywhere.
    """
    layer, kind = step.layer, step.kind
    _check_channels_last(layer)
    if len(set(incoming)) > 1:
        raise NotFullyConvolutional(f"layer {layer.name} merges maps of different strides")
    here = incoming[0]
    if kind in IDENTITIES or kind == "Cropping2D":
        return here
    if kind in POINTWISE:
        if kind == "BatchNormalization" and layer.axis not in (-1, 3):
            raise NotFullyConvolutional(f"layer {layer.name} normalises another axis than the channels")
        if kind == "Rescaling" and any(set(np.shape(value)[:-1]) - {1} for value in (layer.scale, layer.offset)):
            raise NotFullyConvolutional(f"layer {layer.name} scales places differently")
        return here
    if kind in MERGES:
        if len({tuple(taken.shape[1:3]) for taken in layer.input}) > 1:
            raise NotFullyConvolutional(f"layer {layer.name} merges maps of different sizes")
        if kind == "Concatenate" and layer.axis not in (-1, 3):
            raise NotFullyConvolutional(f"layer {layer.name} joins another axis than the channels")
        return here
    if kind not in UNPADDED:
        raise NotFullyConvolutional(f"layer {layer.name} is a {kind}")
    size = layer.pool_size if kind.endswith("Pooling2D") else layer.kernel_size
    if layer.padding != "valid" and set(size) != {1}:
        raise NotFullyConvolutional(f"layer {layer.name} pads its input")
    if layer.strides[0] != layer.strides[1]:
        raise NotFullyConvolutional(f"layer {layer.name} has strides that differ")
    return here * int(layer.strides[0])


def _check_channels_last(layer: Any) -> None:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise NotFullyConvolutional(f"layer {layer.name} has its channels first")


def _head(steps: tuple[Step, ...]) -> list[Any]:
    """The layers after pooling, a chain that begins with a dense one."""
    chain = []
    for before, step in pairwise(steps):
        if step.takes != (before.gives,):
            raise NotFullyConvolutional(f"what follows pooling is no chain of layers (at {step.layer.name})")
        if step.kind in IDENTITIES:
            continue
        if step.kind not in ("Dense", "Activation", "Softmax", "ReLU"):
            raise NotFullyConvolutional(f"layer {step.layer.name} after pooling is a {step.kind}")
        chain.append(step.layer)
    if not chain or type(chain[0]).__name__ != "Dense":
        raise NotFullyConvolutional("no dense layer follows pooling")
    return chain
