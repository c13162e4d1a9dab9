"""Fit a network: joint batches of multispectral, weakly labelled and RGB chips; one cosine cycle; averaged weights;
resumable.

The shipped network learns from labels and from a larger teacher that was fitted the same way: it is shown the teacher's
probabilities for the very chips, as augmented, that it sees itself (Hinton et al. 2015, arXiv:1503.02531; the same view
for both: Beyer et al. 2022, arXiv:2106.05237). Chips without a credible label count through the teacher only.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lc_assets.evaluation.chips import Chips
from lc_assets.evaluation.splits import UNLABELLED, Splits
from lc_assets.training.augment import augment
from lc_assets.training.network import torch_module

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """The figures of a fit; they go into the model's contract as hyperparameters.

    Attributes:
        jitter: how far gains and haze are varied, as a share of `lc_assets.training.augment`'s ranges; 0 is not at all.
        distilled: share of the loss that is agreement with the teacher, where there is one.
        softening: temperature of both sides of that agreement.
        average: share of the averaged weights that a step keeps.
    """

    steps: int = 8000
    batch_multispectral: int = 64
    batch_weak: int = 24
    batch_rgb: int = 64
    jitter: float = 1.0
    distilled: float = 0.8
    softening: float = 2.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    average: float = 0.998
    seed: int = 20261123


TEACHER_RECIPE = Recipe(steps=8000, learning_rate=2e-3, weight_decay=0.05, label_smoothing=0.02)
"""The teacher's figures."""


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of the multispectral training chips per band, in DN."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, chips: Chips) -> Scaling:
        """Over all pixels of all chips."""
        values = chips.dn.astype(np.float64)
        return cls(
            values.mean(axis=(0, 2, 3)).round(2).astype(np.float32),
            values.std(axis=(0, 2, 3)).round(2).astype(np.float32),
        )


def fit(
    splits: Splits,
    scaling: Scaling,
    recipe: Recipe,
    checkpoint: Path,
    *,
    network: Callable[[], nn.Module] = torch_module,
    teacher: nn.Module | None = None,
    report_every: int = 250,
    stop_at: int | None = None,
) -> nn.Module:
    """Fit a network; goes on where `checkpoint` left off, if it is of the same recipe.

    Args:
        splits: what is learnt from, and the validation chips whose accuracy is logged.
        scaling: of the network's input.
        recipe: the figures.
        checkpoint: file to save to and to go on from.
        network: makes the network to be fitted.
        teacher: a fitted network to learn from, besides the labels.
        report_every: steps between checkpoints.
        stop_at: step to stop at early.

    Returns:
        The network with averaged weights, in evaluation mode.
    """
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = network().to(device, memory_format=torch.channels_last)
    if teacher is not None:
        teacher = teacher.to(device, memory_format=torch.channels_last).eval()
    average = copy.deepcopy(model).eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, recipe.steps, pct_start=0.15)
    start = _resume(checkpoint, recipe, model, average, optimiser, schedule)
    # bfloat16 halves the time where the CPU or the GPU has it; weights and averages stay in float32.
    cast = torch.autocast(device.type, torch.bfloat16)
    began, losses = time.perf_counter(), []
    for step in range(start, min(recipe.steps, stop_at or recipe.steps)):
        # A generator per step: a resumed fit draws what an unbroken one would have drawn.
        x, y = _batch(splits, scaling, recipe, np.random.default_rng((recipe.seed, step)))
        torch.manual_seed(recipe.seed + step)  # and drops out what it would have dropped
        model.train()
        x = x.to(device, memory_format=torch.channels_last)
        with cast:
            logits = model(x)
            with torch.no_grad():
                taught = teacher(x) if teacher is not None else None
            loss = _loss(logits.float(), y.to(device), taught, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        _follow(average, model, min(recipe.average, (step + 1) / (step + 10)))
        losses.append(loss.item())
        if (step + 1) % report_every == 0 or step + 1 == recipe.steps:
            seconds = (time.perf_counter() - began) / (step + 1 - start)
            right = float((predict(average, splits.validation, scaling).argmax(1) == splits.validation.labels).mean())
            recent = np.mean(losses[-report_every:])
            log.info("step %d loss %.3f val %.4f %.2f s/step", step + 1, recent, right, seconds)
            _save(checkpoint, recipe, step + 1, model, average, optimiser, schedule)
    return average.cpu()


def _loss(logits: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None, recipe: Recipe) -> torch.Tensor:
    """Cross entropy with the labels and, if there is a teacher, with what it says."""
    loss = functional.cross_entropy(
        logits, labels, ignore_index=UNLABELLED, label_smoothing=0 if taught is not None else recipe.label_smoothing
    )
    if taught is None:
        return loss
    t = recipe.softening
    told = functional.softmax(taught.float() / t, dim=1)
    # Times t squared: gradients of softened probabilities shrink by that much (Hinton et al., section 2).
    agreement = functional.kl_div(functional.log_softmax(logits / t, dim=1), told, reduction="batchmean") * t * t
    return (1 - recipe.distilled) * loss + recipe.distilled * agreement


def predict(model: nn.Module, chips: Chips, scaling: Scaling, batch: int = 256) -> np.ndarray:
    """(N, 10) logits of chips as they are."""
    model.eval()
    device = next(model.parameters()).device
    out = []
    with torch.inference_mode():
        for start in range(0, len(chips), batch):
            x = (chips.dn[start : start + batch].astype(np.float32) - scaling.mean[:, None, None]) / scaling.std[
                :, None, None
            ]
            x[:, ~chips.bands] = 0
            out.append(model(torch.from_numpy(x).to(device)).float().cpu().numpy())
    return np.concatenate(out)


def _batch(
    splits: Splits, scaling: Scaling, recipe: Recipe, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    parts, labels, present = [], [], []
    for chips, size in (
        (splits.multispectral, recipe.batch_multispectral),
        (splits.weak, recipe.batch_weak),
        (splits.rgb, recipe.batch_rgb),
    ):
        if not size or not len(chips):
            continue
        chosen = rng.integers(0, len(chips), size)
        parts.append(chips.dn[chosen])
        labels.append(chips.labels[chosen])
        present.append(np.broadcast_to(chips.bands, (size, len(chips.bands))))
    x = augment(np.concatenate(parts), np.concatenate(present), scaling.mean, scaling.std, rng, recipe.jitter)
    return torch.from_numpy(x), torch.from_numpy(np.concatenate(labels))


def _follow(average: nn.Module, model: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for mine, other in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(other, 1 - keep)
            else:
                mine.copy_(other)


def _save(path: Path, recipe: Recipe, step: int, *parts: Any) -> None:
    part = path.with_suffix(".part")
    torch.save({"recipe": asdict(recipe), "step": step, "parts": [p.state_dict() for p in parts]}, part)
    part.replace(path)


def _resume(path: Path, recipe: Recipe, *parts: Any) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state["recipe"] != asdict(recipe):
        log.warning("%s is of another recipe: starting anew", path)
        return 0
    for part, saved in zip(parts, state["parts"], strict=True):
        part.load_state_dict(saved)
    log.info("going on at step %d", state["step"])
    return int(state["step"])
