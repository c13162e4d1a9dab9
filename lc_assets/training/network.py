"""The architecture of the network, as a PyTorch module for the fit and as a Keras model for inference.

It has unpadded convolutions with a total stride of 4, global average pooling and a head of dense layers: one during the
fit, two in the end (`lc_assets.training.head`). So the head can be applied to each position of the feature map or to
the mean features of a chip, and a scene can be evaluated densely and exactly. Dilated convolutions (Yu and Koltun 2016,
arXiv:1511.07122) widen the receptive field of a position to 48 px without more stride. Inverted residuals (Sandler et
al. 2018, arXiv:1801.04381) follow the strided convolutions, because they learn more than plain 3 x 3 convolutions with
the same number of multiply-adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.training.data.chips import CHIP

if TYPE_CHECKING:
    import torch


class Conv(NamedTuple):
    """One unpadded convolution with batch normalisation (while fitting) and ReLU: side of the kernel, stride,
    filters."""

    kernel: int
    stride: int
    filters: int


class Residual(NamedTuple):
    """Inverted residual: 1 x 1 convolution to `width` features, 3 x 3 depthwise, 1 x 1 back. The result is added to the
    input without its border of `dilation` px."""

    width: int
    dilation: int = 1


SHIPPED_PLAN: tuple[Conv | Residual, ...] = (
    Conv(4, 2, 24),
    Conv(3, 2, 48),
    Residual(160),
    Residual(160, 2),
    Residual(160, 2),
    Conv(1, 1, 192),
)
"""The layers before pooling, in order."""
_DROPOUT = 0.1
POSITION_STRIDE = 4
"""Stride of the shipped plan: pixels from one position to the next."""
VIEW = 48
"""Side of the receptive field of a position of the shipped plan, px."""
MARGIN = (VIEW - POSITION_STRIDE) // 2
"""Pixels from the border of a chip to the cell of its first position."""


def multiply_adds_per_pixel() -> float:
    """Return the multiply-adds per input pixel of the shipped layers before pooling, when a scene is evaluated densely.

    For each layer they are those of one output pixel, divided by the square of the stride up to this layer.
    """
    total, stride, channels = 0.0, 1, len(BAND_NAMES)
    for layer in SHIPPED_PLAN:
        if isinstance(layer, Conv):
            stride *= layer.stride
            total += layer.kernel**2 * channels * layer.filters / stride**2
            channels = layer.filters
        else:
            total += layer.width * (channels + 9 + channels) / stride**2
    return total


def torch_module(outputs: int = len(CLASS_NAMES)) -> torch.nn.Module:
    """Return the network to fit: (N, 12, height, width) float32 -> (N, outputs, rows, columns) logits of positions.

    The logits of a chip are those of its mean features. With one dense layer they are the mean of the logits of its
    positions.
    """
    from torch import nn

    layers: list[nn.Module] = []
    channels = len(BAND_NAMES)
    for layer in SHIPPED_PLAN:
        if isinstance(layer, Conv):
            convolution = nn.Conv2d(channels, layer.filters, layer.kernel, layer.stride, bias=False)
            layers.append(nn.Sequential(convolution, nn.BatchNorm2d(layer.filters), nn.ReLU(inplace=True)))
            channels = layer.filters
        else:
            layers.append(_residual(channels, layer.width, layer.dilation))
    return nn.Sequential(*layers, nn.Dropout2d(_DROPOUT), nn.Conv2d(channels, outputs, 1))


def body_and_head(network: torch.nn.Module) -> tuple[torch.nn.Sequential, Any]:
    """Return the layers of a network before pooling, and its head."""
    from torch import nn

    *layers, head = network.children()
    return nn.Sequential(*layers), head


def _residual(channels: int, width: int, dilation: int) -> torch.nn.Module:
    from torch import nn

    class InvertedResidual(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = x[:, :, dilation:-dilation, dilation:-dilation] + super().forward(x)
            return out

    return InvertedResidual(
        nn.Conv2d(channels, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, groups=width, dilation=dilation, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def keras_model(module: torch.nn.Module, temperature: float) -> Any:
    """Return the fitted network as a Keras model of chips: (N, 64, 64, 12) -> (N, 10) probabilities.

    Batch normalisation is folded into the convolutions, the calibration temperature into the dense layer.

    Args:
        module: a fitted module from `torch_module`.
        temperature: divisor of the logits; see `lc_assets.training.calibrate`.
    """
    import keras
    from keras import layers

    fitted: list[Any] = list(module.children())
    weights: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def convolved(x: Any, pair: tuple[Any, Any], name: str, activation: str | None = "relu", stride: int = 1) -> Any:
        convolution, norm = pair
        weights[name] = _folded(convolution, norm)
        side = convolution.kernel_size[0]
        if convolution.groups > 1:
            apart = convolution.dilation[0]
            return layers.DepthwiseConv2D(side, stride, dilation_rate=apart, activation=activation, name=name)(x)
        return layers.Conv2D(convolution.out_channels, side, stride, activation=activation, name=name)(x)

    x = chip = keras.Input((CHIP, CHIP, len(BAND_NAMES)), name="chip")
    for number, (layer, block) in enumerate(zip(SHIPPED_PLAN, fitted, strict=False), start=1):
        if isinstance(layer, Conv):
            x = convolved(x, (block[0], block[1]), f"conv{number}", stride=layer.stride)
            continue
        inner = layers.Cropping2D(layer.dilation, name=f"inner{number}")(x)
        x = convolved(x, (block[0], block[1]), f"widen{number}")
        x = convolved(x, (block[3], block[4]), f"look{number}")
        x = convolved(x, (block[6], block[7]), f"narrow{number}", activation=None)
        x = layers.Add(name=f"add{number}")([inner, x])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    *hidden, head = [layer for layer in fitted[-1].modules() if hasattr(layer, "weight")]
    for number, layer in enumerate(hidden, start=1):
        weights[f"hidden{number}"] = _numpy(layer.weight)[:, :, 0, 0].T, _numpy(layer.bias)
        x = layers.Dense(layer.out_channels, activation="relu", name=f"hidden{number}")(x)
    weights["head"] = (_numpy(head.weight)[:, :, 0, 0].T / temperature, _numpy(head.bias) / temperature)
    x = layers.Dense(len(CLASS_NAMES), activation="softmax", name="head")(x)
    model = keras.Model(chip, x, name="eurosat12_gap")
    for name, pair in weights.items():
        model.get_layer(name).set_weights(pair)
    return model


def _folded(convolution: Any, norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """Fold batch normalisation into the convolution before it.

    Returns:
        Kernel (k, k, in, out), or (k, k, in, 1) for a depthwise convolution, and bias.
    """
    scale = _numpy(norm.weight) / np.sqrt(_numpy(norm.running_var) + norm.eps)
    kernel = (_numpy(convolution.weight) * scale[:, None, None, None]).transpose(2, 3, 1, 0)
    if convolution.groups > 1:
        kernel = kernel.transpose(0, 1, 3, 2)
    return kernel, _numpy(norm.bias) - _numpy(norm.running_mean) * scale


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)
