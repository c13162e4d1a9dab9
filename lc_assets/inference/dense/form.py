"""Split a Keras model for dense evaluation: one pass of the convolutions over a scene instead of one pass per window.

The mathematics. Let a chip classifier be `head(mean(backbone(chip)))`: convolutions without padding, the mean over all
positions of their output (global average pooling), dense layers.

1. *One feature map serves all windows.* Unpadded layers compute each output from a fixed neighbourhood of their input,
   in the same way everywhere. With T the product of the strides, shifting the input by T pixels shifts the output by
   one position. So the features of a window whose corner is at pixel (T i, T j) are positions i .. i + n - 1 by j .. j
   + n - 1 of the scene's feature map, where n is the side of the feature map of one chip. (Sermanet et al. 2014,
   OverFeat, arXiv:1312.6229, section 3.5; Long et al. 2015, arXiv:1411.4038.)
2. *Means of windows are box means of the map.* A window's pooled features are the mean over its n x n positions.
3. *The kernel of the first dense layer is applied before the mean.* mean(f) K + b = mean(f K) + b. So the
   backbone projects the map by the kernel K, and returns only as many values per position as the first dense layer has
   outputs (ten, if the head is one layer).

The result for a window equals that for its chip, except for the order of summation. The windows also start at
the same pixels: `lc_assets.inference.windows.grid` extends the scene by reflection at its lower and right edge, so that
every window starts at a multiple of the stride.

`split_fully_convolutional` checks the layers of a model to find out whether it has this form. No weight is stored a
second time. `UNPADDED` and `POINTWISE` list the supported layers. Any other model is evaluated chip by chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

POINTWISE = frozenset({"Activation", "ReLU", "LeakyReLU", "BatchNormalization", "Rescaling"})
"""Layers that compute every position in the same way and independently of its neighbours."""
IDENTITIES = frozenset({"Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "ActivityRegularization"})
"""Layers that have an effect only in training."""
MERGES = frozenset({"Add", "Concatenate"})
UNPADDED = frozenset({"Conv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D"})
"""Layers that use a neighbourhood. They must be unpadded, or have a kernel of one pixel."""
_POOLING = "GlobalAveragePooling2D"


MAX_BYTES_PER_PIXEL = 16
"""Largest size of a feature map per pixel of the scene. A larger map would take more memory than the scene."""


class NotFullyConvolutional(Exception):
    """The model cannot be evaluated densely; the message says why."""


@dataclass(frozen=True)
class DenseGeometry:
    """The numbers of a split model that the arithmetic of windows and positions needs.

    Attributes:
        stride: pixels from one position of the feature map to the next (T).
        map_side: side of the feature map of one chip, in positions (n).
        outputs: values per position: the outputs of the first dense layer.
    """

    stride: int
    map_side: int
    outputs: int

    def receptive_field(self, chip: int) -> int:
        """Return the side of the square of pixels that one position depends on, for chips of `chip` pixels."""
        return chip - self.stride * (self.map_side - 1)


@dataclass(frozen=True)
class Step:
    """One layer of a model, with the names of its inputs and of its output (the name of the layer)."""

    layer: Any
    inputs: tuple[str, ...]
    output: str

    @property
    def kind(self) -> str:
        """The layer's class name in Keras."""
        return type(self.layer).__name__


@dataclass(frozen=True)
class FullyConvSplit:
    """A chip classifier, split into backbone and head.

    Attributes:
        steps: the layers before pooling, in order.
        source, features: names of the first layer's input and of the last layer's output.
        geometry: stride, side of the feature map, outputs.
        kernel: (features, outputs) kernel of the first dense layer; applied in the backbone.
        bias: (outputs,) bias of the same layer, added after the mean.
        head: the layers after that kernel; the first one is the dense layer's own activation.
    """

    steps: tuple[Step, ...]
    source: str
    features: str
    geometry: DenseGeometry
    kernel: np.ndarray
    bias: np.ndarray
    head: tuple[Any, ...]


def split_fully_convolutional(model: Any) -> FullyConvSplit:
    """Split a Keras model into backbone and head.

    Args:
        model: maps (N, chip, chip, bands) to (N, classes).

    Raises:
        NotFullyConvolutional: the model does not have the form described above; the message names the layer.
    """
    steps = _steps(model)
    pools = [number for number, step in enumerate(steps) if step.kind == _POOLING]
    if len(pools) != 1:
        raise NotFullyConvolutional(f"it has {len(pools) or 'no'} {_POOLING} layers")
    pool = pools[0]
    source, features = steps[0].inputs[0], steps[pool].inputs[0]
    strides = {source: 1}
    for step in steps[:pool]:
        strides[step.output] = _stride(step, [strides[name] for name in step.inputs])
    _check_channels_last(steps[pool].layer)
    _, rows, columns, _ = steps[pool].layer.input.shape
    if rows != columns or rows is None:
        raise NotFullyConvolutional(f"its feature map of {rows} x {columns} positions is not square")
    first, *rest = _head(steps[pool:])
    weights = first.get_weights()
    bias = weights[1] if first.use_bias else np.zeros(weights[0].shape[1], np.float32)
    if 4 * len(bias) > MAX_BYTES_PER_PIXEL * strides[features] ** 2:
        raise NotFullyConvolutional(
            f"its feature map ({len(bias)} values every {strides[features]} px) would need too much memory"
        )
    head = (first.activation, *rest)
    geometry = DenseGeometry(strides[features], rows, len(bias))
    return FullyConvSplit(steps[:pool], source, features, geometry, weights[0], bias, head)


def window_means(features: np.ndarray, window_features: int, window_hop: int) -> np.ndarray:
    """Return the box means of a feature map: the result of global average pooling for each window.

    Args:
        features: (rows, columns, outputs) float32.
        window_features: features along a window's side (n).
        window_hop: features from one window to the next.

    Returns:
        (window rows, window columns, outputs) float32. There are (m - window_features) // window_hop + 1 windows along
        a side of m features. The order of summation is fixed, so the result does not depend on how the scene is cut
        into blocks.
    """
    down = _boxes(features, window_features, window_hop, 0)
    return _boxes(down, window_features, window_hop, 1) / np.float32(window_features**2)


def _boxes(values: np.ndarray, side: int, hop: int, axis: int) -> np.ndarray:
    count = (values.shape[axis] - side) // hop + 1
    along = (slice(None),) * axis
    parts = [values[(*along, slice(shift, shift + count * hop, hop))] for shift in range(side)]
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _steps(model: Any) -> tuple[Step, ...]:
    """Return the layers of a model in order, read from its `get_config`. Nested models are flattened."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise NotFullyConvolutional(
            f"it, or a model inside it, has {len(model.inputs)} inputs and {len(model.outputs)} outputs"
        )
    if type(model).__name__ == "Sequential":
        last, steps = "input", []
        for layer in model.layers:
            steps += _flattened(layer, (last,), layer.name)
            last = layer.name
        return tuple(steps)
    if type(model).__name__ != "Functional":
        raise NotFullyConvolutional(f"it is a {type(model).__name__}, not a Sequential or functional model")
    config = model.get_config()
    layers = {layer.name: layer for layer in model.layers}
    steps, known = [], set()
    for described in config["layers"]:
        name, nodes = described["name"], described["inbound_nodes"]
        if not nodes:
            known.add(name)
            continue
        inputs = tuple(_input_layers(nodes[0]["args"]))
        if len(nodes) > 1 or not inputs or not known.issuperset(inputs):
            raise NotFullyConvolutional(
                f"layer {name} is used more than once, or has an input that is not the output of a layer"
            )
        if any(value not in (None, False) for value in nodes[0].get("kwargs", {}).values()):
            raise NotFullyConvolutional(
                f"layer {name} is called with extra arguments ({', '.join(nodes[0]['kwargs'])})"
            )
        if name not in layers:
            raise NotFullyConvolutional(f"{name} is an operation outside of any layer")
        steps += _flattened(layers[name], inputs, name)
        known.add(name)
    if not steps or _output_layers(config["output_layers"]) != [steps[-1].output]:
        raise NotFullyConvolutional("its output is not that of its last layer")
    return tuple(steps)


def _output_layers(described: Any) -> list[str]:
    """Return the names of the layers that compute a model's outputs."""
    if isinstance(described, list) and len(described) == 3 and isinstance(described[0], str):
        return [described[0]]
    return [name for part in described for name in _output_layers(part)]


def _flattened(layer: Any, inputs: tuple[str, ...], name: str) -> list[Step]:
    if type(layer).__name__ not in ("Functional", "Sequential"):
        return [Step(layer, inputs, name)]
    inner = _steps(layer)
    if not inner:
        raise NotFullyConvolutional(f"the model {name} inside it has no layers")
    outer = {inner[0].inputs[0]: inputs[0], inner[-1].output: name}

    def outer_name(key: str) -> str:
        return outer.get(key, f"{name}/{key}")

    return [Step(step.layer, tuple(map(outer_name, step.inputs)), outer_name(step.output)) for step in inner]


def _input_layers(argument: Any) -> list[str]:
    """Return the names of the layers whose outputs are the inputs of a call; `argument` is a call in `get_config`."""
    if isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__":
        name, _, output = argument["config"]["keras_history"]
        return [name] if output == 0 else [f"output {output} of {name}"]
    if isinstance(argument, list | tuple):
        return [name for part in argument for name in _input_layers(part)]
    return []


def _stride(step: Step, incoming: list[int]) -> int:
    """Return the pixels from one position to the next after a layer.

    Args:
        step: the layer.
        incoming: the same for each input of the layer.

    Raises:
        NotFullyConvolutional: the layer does not compute all positions in the same way.
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
            raise NotFullyConvolutional(f"layer {layer.name} normalises an axis other than the channels")
        if kind == "Rescaling" and any(set(np.shape(value)[:-1]) - {1} for value in (layer.scale, layer.offset)):
            raise NotFullyConvolutional(f"layer {layer.name} scales positions differently")
        return here
    if kind in MERGES:
        if len({tuple(tensor.shape[1:3]) for tensor in layer.input}) > 1:
            raise NotFullyConvolutional(f"layer {layer.name} merges maps of different sizes")
        if kind == "Concatenate" and layer.axis not in (-1, 3):
            raise NotFullyConvolutional(f"layer {layer.name} joins an axis other than the channels")
        return here
    if kind not in UNPADDED:
        raise NotFullyConvolutional(f"layer {layer.name} is a {kind}")
    size = layer.pool_size if kind.endswith("Pooling2D") else layer.kernel_size
    if layer.padding != "valid" and set(size) != {1}:
        raise NotFullyConvolutional(f"layer {layer.name} pads its input")
    if layer.strides[0] != layer.strides[1]:
        raise NotFullyConvolutional(f"layer {layer.name} has different strides for rows and columns")
    return here * int(layer.strides[0])


def _check_channels_last(layer: Any) -> None:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise NotFullyConvolutional(f"layer {layer.name} has its channels first")


def _head(steps: tuple[Step, ...]) -> list[Any]:
    """Return the layers after pooling. They must be a chain that starts with a dense layer."""
    chain = []
    for before, step in pairwise(steps):
        if step.inputs != (before.output,):
            raise NotFullyConvolutional(f"the layers after pooling are not a chain (at {step.layer.name})")
        if step.kind in IDENTITIES:
            continue
        if step.kind not in ("Dense", "Activation", "Softmax", "ReLU"):
            raise NotFullyConvolutional(f"layer {step.layer.name} after pooling is a {step.kind}")
        chain.append(step.layer)
    if not chain or type(chain[0]).__name__ != "Dense":
        raise NotFullyConvolutional("no dense layer follows pooling")
    return chain
