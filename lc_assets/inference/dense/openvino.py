"""Build channels-first OpenVINO graphs for a model's backbone (DN to projected features) and its head.

Keras models are channels-last. If such a model is exported unchanged, OpenVINO transposes the channels around every
convolution and takes about twice the time. So this module rebuilds the layers channels-first, with the weights of the
Keras layers. The input of the graph is 16 bits wide: the first operations in the graph scale it and set pixels without
data to the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from openvino import Model, Node, Type
from openvino import opset13 as ov
from openvino.opset1 import max_pool  # later opsets have a second output: the positions of the maxima

from lc_assets.inference.contract import ModelContract
from lc_assets.inference.dense.backends import HEAD_BATCH, DenseGraphs
from lc_assets.inference.dense.form import IDENTITIES, FullyConvSplit, NotFullyConvolutional
from lc_assets.inference.dense.scaling import whole_means

_END = np.iinfo(np.int32).max
"""A slice that ends here ends at the end of its axis."""


def dense_graphs(form: FullyConvSplit, contract: ModelContract) -> DenseGraphs:
    """Return the graphs of a split model.

    Raises:
        NotFullyConvolutional: a layer is not supported by this module.
    """
    return DenseGraphs(form.geometry, backbone(form, contract), head(form, HEAD_BATCH))


def backbone(form: FullyConvSplit, contract: ModelContract) -> Model:
    """Return the graph of the backbone for blocks of any number of rows and columns.

    Its inputs are (1, bands, rows, columns) int16, the DN minus `whole_means`, and (1, 1, rows, columns) uint8, 1 where
    a pixel is usable. Its output is (1, outputs, feature rows, feature columns) float32.

    Raises:
        NotFullyConvolutional: a layer is not supported by this module.
    """
    centred = ov.parameter([1, len(contract.bands), -1, -1], Type.i16, name="centred")
    usable = ov.parameter([1, 1, -1, -1], Type.u8, name="usable")
    fraction = np.asarray(contract.mean) - whole_means(contract)
    scale = 1 / np.asarray(contract.std, np.float32)
    scaled = ov.multiply(ov.subtract(ov.convert(centred, "f32"), _per_channel(fraction)), _per_channel(scale))
    known: dict[str, Node] = {form.source: ov.multiply(scaled, ov.convert(usable, "f32"))}
    for step in form.steps:
        inputs = [known[name] for name in step.inputs]
        known[step.output] = inputs[0] if step.kind in IDENTITIES else _layer(step.kind)(step.layer, inputs)
    return Model([_convolve(known[form.features], form.kernel[None, None])], [centred, usable], "backbone")


def head(form: FullyConvSplit, batch: int) -> Model:
    """Return the graph of the head for `batch` windows.

    Its input is (batch, outputs) float32, the means of the first dense layer's outputs without the bias. Its output is
    (batch, classes) float32.

    Raises:
        NotFullyConvolutional: a layer is not supported by this module.
    """
    means = ov.parameter([batch, len(form.bias)], Type.f32, name="means")
    activation, *layers = form.head
    x = _activated(ov.add(means, form.bias[None]), activation)
    for layer in layers:
        kind = type(layer).__name__
        if kind == "Dense":
            weights = layer.get_weights()
            x = ov.matmul(x, weights[0], False, False)
            x = _activated(ov.add(x, weights[1][None]) if layer.use_bias else x, layer.activation)
        elif kind == "Softmax":
            x = ov.softmax(x, -1)
        else:
            x = _layer(kind)(layer, [x])
    return Model([x], [means], "head")


def _layer(kind: str) -> Callable[[Any, list[Node]], Node]:
    if kind not in _LAYERS:
        raise NotFullyConvolutional(f"the channels-first graph does not support {kind} layers")
    return _LAYERS[kind]


def _conv(layer: Any, inputs: list[Node]) -> Node:
    kernel, *bias = layer.get_weights()
    if layer.groups > 1:
        raise NotFullyConvolutional(f"layer {layer.name} convolves in groups")
    out = _convolve(inputs[0], kernel, layer.strides, layer.dilation_rate)
    return _activated(ov.add(out, _per_channel(bias[0])) if bias else out, layer.activation)


def _convolve(
    x: Node, kernel: np.ndarray, strides: tuple[int, ...] = (1, 1), dilation: tuple[int, ...] = (1, 1)
) -> Node:
    weights = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    return ov.convolution(x, weights, list(strides), [0, 0], [0, 0], list(dilation))


def _depthwise(layer: Any, inputs: list[Node]) -> Node:
    kernel, *bias = layer.get_weights()  # (rows, columns, channels, multiplier)
    weights = np.ascontiguousarray(kernel.transpose(2, 3, 0, 1)[:, :, None])
    out = ov.group_convolution(inputs[0], weights, list(layer.strides), [0, 0], [0, 0], list(layer.dilation_rate))
    return _activated(ov.add(out, _per_channel(bias[0])) if bias else out, layer.activation)


def _batch_norm(layer: Any, inputs: list[Node]) -> Node:
    """Batch normalisation with the learnt statistics: one factor and one shift per channel."""
    variance, mean = np.asarray(layer.moving_variance), np.asarray(layer.moving_mean)
    factor = 1 / np.sqrt(variance + layer.epsilon)
    factor = factor * np.asarray(layer.gamma) if layer.scale else factor
    shift = (np.asarray(layer.beta) if layer.center else 0) - mean * factor
    return ov.add(ov.multiply(inputs[0], _per_channel(factor)), _per_channel(shift))


def _crop(layer: Any, inputs: list[Node]) -> Node:
    (top, bottom), (left, right) = layer.cropping
    ends = [-cut if cut else _END for cut in (bottom, right)]  # counted from the end of an axis
    return ov.slice(inputs[0], [top, left], ends, [1, 1], [2, 3])


def _max_pool(layer: Any, inputs: list[Node]) -> Node:
    return max_pool(inputs[0], list(layer.strides), [0, 0], [0, 0], list(layer.pool_size))


def _avg_pool(layer: Any, inputs: list[Node]) -> Node:
    return ov.avg_pool(inputs[0], list(layer.strides), [0, 0], [0, 0], list(layer.pool_size), True)


def _rescale(layer: Any, inputs: list[Node]) -> Node:
    return ov.add(ov.multiply(inputs[0], _per_channel(layer.scale)), _per_channel(layer.offset))


def _relu(layer: Any, inputs: list[Node]) -> Node:
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise NotFullyConvolutional(f"layer {layer.name} is a ReLU with a slope, a limit or a threshold")
    return ov.relu(inputs[0])


_LAYERS: dict[str, Callable[[Any, list[Node]], Node]] = {
    "Conv2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "BatchNormalization": _batch_norm,
    "Cropping2D": _crop,
    "MaxPooling2D": _max_pool,
    "AveragePooling2D": _avg_pool,
    "Rescaling": _rescale,
    "ReLU": _relu,
    "LeakyReLU": lambda layer, inputs: ov.prelu(inputs[0], np.float32(layer.negative_slope)),
    "Activation": lambda layer, inputs: _activated(inputs[0], layer.activation),
    "Add": lambda layer, inputs: _add(inputs),
    "Concatenate": lambda layer, inputs: ov.concat(inputs, 1),
}

_ACTIVATIONS: dict[str, Callable[[Node], Node]] = {
    "linear": lambda x: x,
    "relu": ov.relu,
    "sigmoid": ov.sigmoid,
    "tanh": ov.tanh,
    "silu": ov.swish,
    "softmax": lambda x: ov.softmax(x, 1),
}
"""Keras' name of an activation -> OpenVINO operation. Axis 1 has the channels in the backbone and the outputs in the
head."""


def _activated(x: Node, activation: Any) -> Node:
    name = getattr(activation, "__name__", str(activation))
    if name not in _ACTIVATIONS:
        raise NotFullyConvolutional(f"the channels-first graph does not support the activation {name}")
    return _ACTIVATIONS[name](x)


def _add(inputs: list[Node]) -> Node:
    total = inputs[0]
    for part in inputs[1:]:
        total = ov.add(total, part)
    return total


def _per_channel(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)
