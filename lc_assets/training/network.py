"""The network, described once: as a PyTorch module to be fitted, and as a Keras model to be shipped.

Unpadded convolutions with a total stride of 8, global average pooling, one dense layer. So a window's features are the
mean over its part of a feature map that all windows of a scene share, which is what lets a scene be evaluated densely
and exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lc_assets.evaluation.chips import CHIP
from lc_assets.landcover import CLASS_NAMES
from lc_assets.sentinel2.bands import BAND_NAMES

if TYPE_CHECKING:
    import torch


class Conv(NamedTuple):
    """One convolution: kernel side, stride, filters. 'valid' padding, batch normalisation while fitting, ReLU."""

    kernel: int
    stride: int
    filters: int


CONVOLUTIONS: tuple[Conv, ...] = (Conv(4, 2, 32), Conv(3, 2, 48), Conv(3, 1, 48), Conv(3, 2, 64), Conv(3, 1, 96))


def multiply_adds_per_pixel(convolutions: tuple[Conv, ...] = CONVOLUTIONS, bands: int = len(BAND_NAMES)) -> float:
    """Multiply-adds of the convolutions per input pixel when a scene is evaluated densely: k*k*in*out / (stride so
    far)**2."""
    total, stride, channels = 0.0, 1, bands
    for conv in convolutions:
        stride *= conv.stride
        total += conv.kernel**2 * channels * conv.filters / stride**2
        channels = conv.filters
    return total


def torch_module() -> torch.nn.Module:
    """The network to be fitted: (N, 12, 64, 64) float32 -> (N, 10) logits."""
    from torch import nn

    layers: list[nn.Module] = []
    channels = len(BAND_NAMES)
    for conv in CONVOLUTIONS:
        layers += [
            nn.Conv2d(channels, conv.filters, conv.kernel, conv.stride, bias=False),
            nn.BatchNorm2d(conv.filters),
            nn.ReLU(inplace=True),
        ]
        channels = conv.filters
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(channels, len(CLASS_NAMES))
    )


TEACHER_WIDTHS = (48, 96, 160)
"""Filters of the teacher at strides 2, 4 and 8; about four times the student's work. It is never shipped."""


def teacher_module() -> torch.nn.Module:
    """A wider, residual network that the shipped one learns from: (N, 12, 64, 64) float32 -> (N, 10) logits."""
    from torch import nn

    def unit(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
        padding = (kernel - stride) // 2 if kernel % 2 == 0 else kernel // 2
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    class Residual(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.body = unit(width, width, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.body(x)

    first, second, third = TEACHER_WIDTHS
    return nn.Sequential(
        unit(len(BAND_NAMES), first, 4, 2),
        unit(first, second, 3, 2),
        Residual(second),
        unit(second, third, 3, 2),
        Residual(third),
        Residual(third),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(third, len(CLASS_NAMES)),
    )


def keras_model(module: torch.nn.Module, temperature: float) -> Any:
    """The fitted network as a Keras model: (N, 64, 64, 12) -> (N, 10) probabilities.

    Batch normalisation is folded into the convolutions, the calibration temperature into the dense layer.

    Args:
        module: from `torch_module`, fitted.
        temperature: what logits are divided by; see `lc_assets.training.calibrate`.
    """
    import keras
    from torch import nn

    model = keras.Sequential([keras.Input((CHIP, CHIP, len(BAND_NAMES)))], name="eurosat12_gap")
    layers = list(module.children())
    for number, conv in enumerate(CONVOLUTIONS):
        convolution, norm = layers[3 * number], layers[3 * number + 1]
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        kernel, bias = _folded(convolution, norm)
        layer = keras.layers.Conv2D(conv.filters, conv.kernel, conv.stride, activation="relu", name=f"conv{number + 1}")
        model.add(layer)
        layer.set_weights([kernel, bias])
    model.add(keras.layers.GlobalAveragePooling2D(name="mean"))
    linear = layers[-1]
    assert isinstance(linear, nn.Linear)
    head = keras.layers.Dense(len(CLASS_NAMES), activation="softmax", name="head")
    model.add(head)
    head.set_weights([_numpy(linear.weight).T / temperature, _numpy(linear.bias) / temperature])
    return model


def _folded(convolution: Any, norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (k, k, in, out) and bias of a convolution and the batch normalisation after it."""
    scale = _numpy(norm.weight) / np.sqrt(_numpy(norm.running_var) + norm.eps)
    kernel = _numpy(convolution.weight).transpose(2, 3, 1, 0) * scale
    return kernel, _numpy(norm.bias) - _numpy(norm.running_mean) * scale


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)
