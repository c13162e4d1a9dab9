"""Predict the nine missing bands of RGB chips from their colour and context.

Many RGB chips of EuroSAT are available, but only few multispectral ones. A small U-net (Ronneberger et al. 2015,
arXiv:1505.04597) learns the other nine bands from the training chips that exist in both forms, and predicts them for
all RGB chips, so the classifier is fitted to twelve bands everywhere. The U-net does not see the class, so it adds only
information that is in the picture. No chip of the evaluation is used to fit it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES, TRUE_COLOUR
from lc_assets.training.data.chips import Chips
from lc_assets.training.device import best_device, mixed_precision, placed
from lc_assets.training.scaling import Scaling

log = logging.getLogger(__name__)

STEPS = 1500
BATCH = 32
LEARNING_RATE = 4e-3
MIN_TWINS = 50
"""Lowest number of RGB chips with a multispectral twin that is enough for a fit."""

_SEEN = [BAND_INDEX[name] for name in TRUE_COLOUR]
_UNSEEN = [n for n in range(len(BAND_NAMES)) if n not in _SEEN]


def complete(
    rgb: Chips, multispectral: Chips, scaling: Scaling, checkpoint: Path, *, seed: int, steps: int = STEPS
) -> Chips:
    """Add the nine missing bands to RGB chips.

    Args:
        rgb: chips of three bands. The network learns from those that share their name with a multispectral chip.
        multispectral: multispectral training chips.
        scaling: scaling of the network's input.
        checkpoint: file of the fitted network. It is loaded instead of a new fit, if it fits the other arguments.
        seed: seed of the fit.
        steps: steps of the fit.

    Returns:
        The same chips with twelve bands; unchanged if there are fewer than `MIN_TWINS` twins.
    """
    place = {name: n for n, name in enumerate(rgb.names)}
    twins = [(place[name], n) for n, name in enumerate(multispectral.names) if name in place]
    if len(twins) < MIN_TWINS:
        log.warning("only %d RGB chips have a multispectral twin: the bands of RGB chips are not completed", len(twins))
        return rgb
    device = best_device()
    network = placed(_Completion(), device)
    fingerprint = {"seed": seed, "steps": steps, "twins": len(twins)}
    saved = torch.load(checkpoint, weights_only=True) if checkpoint.exists() else {}
    if saved.get("of") == fingerprint:
        network.load_state_dict(saved["network"])
    else:
        ours, theirs = (list(column) for column in zip(*twins, strict=True))
        pairs = np.concatenate(
            [scaling.apply(rgb.dn[ours], _SEEN), scaling.apply(multispectral.dn[theirs], _UNSEEN)], 1
        )
        _fit(network, torch.from_numpy(pairs), device, seed, steps)
        torch.save({"of": fingerprint, "network": network.state_dict()}, checkpoint)
    network.eval()
    mean, std = scaling.mean[_UNSEEN][:, None, None], scaling.std[_UNSEEN][:, None, None]
    dn = rgb.dn.copy()
    with torch.inference_mode(), mixed_precision(device):
        for start in range(0, len(dn), 128):
            x = torch.from_numpy(scaling.apply(dn[start : start + 128], _SEEN))
            predicted = network(x.to(device, memory_format=torch.channels_last)).float().cpu().numpy() * std + mean
            dn[start : start + 128, _UNSEEN] = np.clip(np.rint(predicted), 1, 65535)
    return replace(rgb, dn=dn, bands=np.ones(len(BAND_NAMES), bool))


def _fit(network: nn.Module, pairs: torch.Tensor, device: torch.device, seed: int, steps: int) -> None:
    """Fit the network to (N, 12, 64, 64) scaled chips: the visible bands first, then the others."""
    torch.manual_seed(seed)
    for module in network.modules():
        reset: Any = getattr(module, "reset_parameters", None)
        if reset:
            reset()
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, steps, pct_start=0.1)
    rng = np.random.default_rng(seed)
    network.train()
    for step in range(steps):
        batch = pairs[rng.integers(0, len(pairs), BATCH)]
        turned = torch.rot90(batch, int(rng.integers(4)), (2, 3))
        if rng.random() < 0.5:
            turned = turned.flip(3)
        seen, unseen = turned[:, : len(_SEEN)], turned[:, len(_SEEN) :]
        with mixed_precision(device):
            predicted = network(seen.to(device, memory_format=torch.channels_last))
        loss = functional.smooth_l1_loss(predicted.float(), unseen.to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 250 == 0:
            log.info("completion step %d loss %.3f", step + 1, loss.item())


class _Completion(nn.Module):
    """U-net with four scales: (N, 3, 64, 64) scaled visible bands -> (N, 9, 64, 64) scaled other bands."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()

        def unit(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
            convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

        self.at_full = unit(len(_SEEN), width)
        self.at_half = nn.Sequential(unit(width, 2 * width, 2), unit(2 * width, 2 * width))
        self.at_quarter = nn.Sequential(unit(2 * width, 4 * width, 2), unit(4 * width, 4 * width))
        self.at_eighth = nn.Sequential(unit(4 * width, 4 * width, 2), nn.Dropout2d(0.1), unit(4 * width, 4 * width))
        self.from_eighth, self.from_quarter = unit(8 * width, 2 * width), unit(4 * width, width)
        self.from_half = unit(2 * width, width)
        self.last = nn.Conv2d(width + len(_SEEN), len(_UNSEEN), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the (N, 9, 64, 64) scaled other bands."""
        fine = self.at_full(x)
        half = self.at_half(fine)
        quarter = self.at_quarter(half)
        up = self.from_eighth(torch.cat([quarter, _doubled(self.at_eighth(quarter))], 1))
        up = self.from_quarter(torch.cat([half, _doubled(up)], 1))
        up = self.from_half(torch.cat([fine, _doubled(up)], 1))
        out: torch.Tensor = self.last(torch.cat([up, x], 1))
        return out


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
