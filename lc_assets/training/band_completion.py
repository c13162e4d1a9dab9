"""Give RGB chips the nine bands that they lack, as colour and context foretell them.

EuroSAT's RGB chips are many, its multispectral ones (here) few. A small U-net (Ronneberger et al. 2015,
arXiv:1505.04597) learns from the training chips that come as both what the other nine bands look like, and completes
the rest, so that the network that is fitted sees twelve bands everywhere. It is not told the class: what it adds is
what the picture itself says, and no chip of an evaluation is among those it learns from.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES, TRUE_COLOUR
from lc_assets.training.data.chips import Chips
from lc_assets.training.scaling import Scaling

log = logging.getLogger(__name__)

STEPS = 1500
BATCH = 32
LEARNING_RATE = 4e-3
MIN_TWINS = 50
"""Fewer chips than these that come as both say too little about the other bands."""

_SEEN = [BAND_INDEX[name] for name in TRUE_COLOUR]
_UNSEEN = [n for n in range(len(BAND_NAMES)) if n not in _SEEN]


def complete(rgb: Chips, multispectral: Chips, scaling: Scaling, kept: Path, *, seed: int, steps: int = STEPS) -> Chips:
    """RGB chips with all twelve bands.

    Args:
        rgb: chips of three bands; those that share a name with a multispectral chip are what is learnt from.
        multispectral: chips of training.
        scaling: of the network's input.
        kept: file in which the fitted network is kept, and found again.
        seed: of the fit.
        steps: of the fit.

    Returns:
        The same chips, the other bands filled in; untouched where there are too few twins to learn from.
    """
    place = {name: n for n, name in enumerate(rgb.names)}
    twins = [(place[name], n) for n, name in enumerate(multispectral.names) if name in place]
    if len(twins) < MIN_TWINS:
        log.warning("only %d chips come as both RGB and multispectral: RGB chips are not completed", len(twins))
        return rgb
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = _Completion().to(device, memory_format=torch.channels_last)
    fingerprint = {"seed": seed, "steps": steps, "twins": len(twins)}
    saved = torch.load(kept, weights_only=True) if kept.exists() else {}
    if saved.get("of") == fingerprint:
        network.load_state_dict(saved["network"])
    else:
        ours, theirs = (list(column) for column in zip(*twins, strict=True))
        pairs = np.concatenate(
            [scaling.apply(rgb.dn[ours], _SEEN), scaling.apply(multispectral.dn[theirs], _UNSEEN)], 1
        )
        _fit(network, torch.from_numpy(pairs), device, seed, steps)
        torch.save({"of": fingerprint, "network": network.state_dict()}, kept)
    network.eval()
    mean, std = scaling.mean[_UNSEEN][:, None, None], scaling.std[_UNSEEN][:, None, None]
    dn = rgb.dn.copy()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for start in range(0, len(dn), 128):
            x = torch.from_numpy(scaling.apply(dn[start : start + 128], _SEEN))
            told = network(x.to(device, memory_format=torch.channels_last)).float().cpu().numpy() * std + mean
            dn[start : start + 128, _UNSEEN] = np.clip(np.rint(told), 1, 65535)
    return replace(rgb, dn=dn, bands=np.ones(len(BAND_NAMES), bool))


def _fit(network: nn.Module, pairs: torch.Tensor, device: torch.device, seed: int, steps: int) -> None:
    """Fit to (N, 12, 64, 64) pairs: the visible bands first, then the others."""
    torch.manual_seed(seed)
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
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
        with torch.autocast(device.type, torch.bfloat16):
            told = network(seen.to(device, memory_format=torch.channels_last))
        loss = functional.smooth_l1_loss(told.float(), unseen.to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 250 == 0:
            log.info("completion step %d loss %.3f", step + 1, loss.item())


class _Completion(nn.Module):
    """(N, 3, 64, 64) scaled visible bands -> (N, 9, 64, 64) scaled others, at four scales."""

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
        """See the class."""
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
