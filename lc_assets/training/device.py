"""The device and the precision that a fit uses."""

from __future__ import annotations

from typing import Any

import torch

from lc_assets.inference.openvino_runtime import has_bfloat16


def best_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def placed(module: Any, device: torch.device) -> torch.nn.Module:
    """Move a network to a device, with its channels last, which convolutions read fastest."""
    moved: torch.nn.Module = module.to(device, memory_format=torch.channels_last)
    return moved


def mixed_precision(device: torch.device) -> torch.autocast:
    """Return a context in which a network computes in bfloat16; its weights stay in float32.

    bfloat16 halves the time on GPUs and on CPUs with bfloat16 instructions. Other CPUs emulate it and need eight times
    as long (measured on AVX2), so the context has no effect there.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or has_bfloat16())
