"""Fit the head of the network, which classifies both single positions and whole chips.

A chip's class is not that of most of its positions: a chip of Highway is mostly fields. One dense layer cannot tell the
features of a position from the mean features of a chip, so it classifies one of them badly. Two dense layers can. They
are fitted after the rest of the network, which stays as it is: to the labels of chips, and to the probabilities that
the positions had with one dense layer, so that maps stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lc_assets.training.data.chips import Chips
from lc_assets.training.data.tiles import Tiles
from lc_assets.training.network import body_and_head
from lc_assets.training.scaling import Scaling

HIDDEN = 32
"""Features between the two layers."""
STEPS = 6000
KEEP = 100.0
"""Weight of the loss by which positions keep their probabilities; that of each source of chips is 1. With 10, 3 %
of the cells of real scenes changed their class instead of 1 %."""
LEARNING_RATE = 1e-3
LABEL_SMOOTHING = 0.05
_POSITIONS, _CHIPS = 1024, 128
"""Positions, and chips of each source, in a step."""
_AT_ONCE = 128
"""Chips whose features are computed at once."""
_PER_CHIP = 4
"""Positions of a chip, in each orientation, that are kept for the fit."""


def fit_head(
    network: nn.Module, sources: Sequence[Chips], scenes: Tiles, scaling: Scaling, seed: int, steps: int = STEPS
) -> nn.Module:
    """Return the network with a head of two dense layers.

    Args:
        network: a fitted network with one dense layer, see `lc_assets.training.network.torch_module`.
        sources: labelled chips of twelve bands, of each source. They are seen in all eight orientations.
        scenes: tiles of scenes, of which only the positions are used.
        scaling: scaling of the network's input.
        seed: seed of the fit.
        steps: steps of the fit.
    """
    torch.manual_seed(seed)
    body, linear = body_and_head(network.eval())
    means, positions = [], []
    for chips in sources:
        found = [_features(body, turned, scaling) for turned in _turned(chips.dn)]
        means.append((torch.cat([mean for mean, _ in found]), torch.from_numpy(chips.labels).repeat(len(found))))
        positions += [some for _, some in found]
    if len(scenes):
        positions += [_features(body, turned, scaling)[1] for turned in _turned(scenes.dn.transpose(0, 3, 1, 2))]
    known = torch.cat(positions)
    with torch.inference_mode():
        right = functional.softmax(_logits(linear, known), dim=1)
    head = _start(linear)
    optimiser = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        chosen = torch.randint(len(known), (_POSITIONS,))
        likely = functional.log_softmax(_logits(head, known[chosen]), dim=1)
        loss = KEEP * functional.kl_div(likely, right[chosen], reduction="batchmean")
        for features, labels in means:
            chosen = torch.randint(len(features), (_CHIPS,))
            logits = _logits(head, features[chosen])
            loss = loss + functional.cross_entropy(logits, labels[chosen], label_smoothing=LABEL_SMOOTHING)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return nn.Sequential(*body, head.eval())


def _logits(head: nn.Module, features: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = head(features[:, :, None, None])[..., 0, 0]
    return logits


def _turned(dn: np.ndarray) -> list[np.ndarray]:
    """Return (N, 12, 64, 64) DN in all eight orientations."""
    both = (dn, dn[..., ::-1])
    return [np.ascontiguousarray(np.rot90(each, quarter, (2, 3))) for each in both for quarter in range(4)]


def _features(body: nn.Module, dn: np.ndarray, scaling: Scaling) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean features (N, features) of chips, and the features of some of their positions."""
    means, positions = [], []
    with torch.inference_mode():
        for start in range(0, len(dn), _AT_ONCE):
            found = body(torch.from_numpy(scaling.apply(dn[start : start + _AT_ONCE])))
            means.append(found.mean(dim=(2, 3)))
            flat = found.movedim(1, -1).flatten(0, 2)
            positions.append(flat[torch.randperm(len(flat))[: _PER_CHIP * len(found)]])
    return torch.cat(means).clone(), torch.cat(positions).clone()


def _start(linear: nn.Conv2d) -> nn.Sequential:
    """Return two layers that compute nearly the same as one: a positive and a negative feature for each output."""
    count, inputs = linear.weight.shape[:2]
    first, second = nn.Conv2d(inputs, max(HIDDEN, 2 * count), 1), nn.Conv2d(max(HIDDEN, 2 * count), count, 1)
    assert linear.bias is not None and first.bias is not None and second.bias is not None
    with torch.no_grad():
        first.weight[: 2 * count] = torch.cat([linear.weight, -linear.weight])
        first.bias[: 2 * count] = torch.cat([linear.bias, -linear.bias])
        second.weight *= 0.1
        second.weight[:, : 2 * count, 0, 0] = torch.cat([torch.eye(count), -torch.eye(count)], dim=1)
        second.bias.zero_()
    return nn.Sequential(first, nn.ReLU(), second)
