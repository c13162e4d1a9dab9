"""The networks, each described once: as a PyTorch module to be fitted, and as a Keras model to be shipped.

Unpadded convolutions with a total stride of 8, global average pooling, one dense layer. So a window's features are the
mean over its part of a feature map that all windows of a scene share, which is what lets a scene be evaluated densely
and exactly. Between the strides stand inverted residuals (Sandler et al. 2018, arXiv:1801.04381): for the same
multiply-adds they learn more than plain 3 x 3 convolutions, for they spend them on many features of few neighbours.
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
    """One convolution: kernel side, stride, filters. Unpadded; batch normalisation while fitting, ReLU."""

    kernel: int
    stride: int
    filters: int


class Residual(NamedTuple):
    """1 x 1 convolution to `width` features, 3 x 3 depthwise, 1 x 1 back; added to the input less its 1 px border."""

    width: int


Plan = tuple[Conv | Residual, ...]
"""The layers before pooling, in order."""

SHIPPED_PLAN: Plan = (
    Conv(4, 2, 24),
    Conv(3, 2, 48),
    Residual(160),
    Conv(3, 2, 96),
    Residual(288),
    Conv(1, 1, 320),
)
TEACHER_PLAN: Plan = (
    Conv(4, 2, 40),
    Conv(3, 2, 80),
    Residual(240),
    Residual(240),
    Conv(3, 2, 160),
    Residual(480),
    Residual(480),
    Conv(1, 1, 512),
)
"""About three times the shipped network's work. It is never shipped."""


def multiply_adds_per_pixel(plan: Plan = SHIPPED_PLAN, bands: int = len(BAND_NAMES)) -> float:
    """Multiply-adds of the layers before pooling, per input pixel, when a scene is evaluated densely: those of an
    output pixel / (stride so far)**2."""
    total, stride, channels = 0.0, 1, bands
    for layer in plan:
        if isinstance(layer, Conv):
            stride *= layer.stride
            total += layer.kernel**2 * channels * layer.filters / stride**2
            channels = layer.filters
        else:
            total += layer.width * (channels + 9 + channels) / stride**2
    return total


def torch_module(plan: Plan = SHIPPED_PLAN, dropout: float = 0.1) -> torch.nn.Module:
    """The network to be fitted: (N, 12, 64, 64) float32 -> (N, 10) logits."""
    from torch import nn

    layers: list[nn.Module] = []
    channels = len(BAND_NAMES)
    for layer in plan:
        if isinstance(layer, Conv):
            convolution = nn.Conv2d(channels, layer.filters, layer.kernel, layer.stride, bias=False)
            layers.append(nn.Sequential(convolution, nn.BatchNorm2d(layer.filters), nn.ReLU(inplace=True)))
            channels = layer.filters
        else:
            layers.append(_residual(channels, layer.width))
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, len(CLASS_NAMES)))
    return nn.Sequential(*layers, *pooled)


def teacher_module() -> torch.nn.Module:
    """A larger network that the shipped one learns from: (N, 12, 64, 64) float32 -> (N, 10) logits."""
    return torch_module(TEACHER_PLAN, dropout=0.2)


def _residual(channels: int, width: int) -> torch.nn.Module:
    from torch import nn

    class InvertedResidual(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = x[:, :, 1:-1, 1:-1] + super().forward(x)
            return out

    return InvertedResidual(
        nn.Conv2d(channels, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def keras_model(module: torch.nn.Module, temperature: float, plan: Plan = SHIPPED_PLAN) -> Any:
    """The fitted network as a Keras model: (N, 64, 64, 12) -> (N, 10) probabilities.

    Batch normalisation is folded into the convolutions, the calibration temperature into the dense layer.

    Args:
        module: from `torch_module`, fitted.
        temperature: what logits are divided by; see `lc_assets.training.calibrate`.
        plan: of the module.
    """
    import keras
    from keras import layers

    fitted = list(module.children())
    weights: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def convolved(x: Any, pair: tuple[Any, Any], name: str, activation: str | None = "relu", stride: int = 1) -> Any:
        convolution, norm = pair
        weights[name] = _folded(convolution, norm)
        side = convolution.kernel_size[0]
        if convolution.groups > 1:
            return layers.DepthwiseConv2D(side, stride, activation=activation, name=name)(x)
        return layers.Conv2D(convolution.out_channels, side, stride, activation=activation, name=name)(x)

    x = chip = keras.Input((CHIP, CHIP, len(BAND_NAMES)), name="chip")
    for number, (layer, block) in enumerate(zip(plan, fitted, strict=False), start=1):
        if isinstance(layer, Conv):
            x = convolved(x, (block[0], block[1]), f"conv{number}", stride=layer.stride)
            continue
        inner = layers.Cropping2D(1, name=f"inner{number}")(x)
        x = convolved(x, (block[0], block[1]), f"widen{number}")
        x = convolved(x, (block[3], block[4]), f"look{number}")
        x = convolved(x, (block[6], block[7]), f"narrow{number}", activation=None)
        x = layers.Add(name=f"add{number}")([inner, x])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    linear = fitted[-1]
    weights["head"] = (_numpy(linear.weight).T / temperature, _numpy(linear.bias) / temperature)
    x = layers.Dense(len(CLASS_NAMES), activation="softmax", name="head")(x)
    model = keras.Model(chip, x, name="eurosat12_gap")
    for name, pair in weights.items():
        model.get_layer(name).set_weights(pair)
    return model


def _folded(convolution: Any, norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (k, k, in, out), or (k, k, in, 1) where depthwise, and bias of a convolution and the batch normalisation
    after it."""
    scale = _numpy(norm.weight) / np.sqrt(_numpy(norm.running_var) + norm.eps)
    kernel = (_numpy(convolution.weight) * scale[:, None, None, None]).transpose(2, 3, 1, 0)
    if convolution.groups > 1:
        kernel = kernel.transpose(0, 1, 3, 2)
    return kernel, _numpy(norm.bias) - _numpy(norm.running_mean) * scale


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)
