"""Fit a network: joint batches of multispectral, weakly labelled and RGB chips, one cosine cycle, averaged weights. A
fit can be resumed.

The shipped network learns from labels and from larger teachers that were fitted in the same way. It learns the
teacher's probabilities for the same augmented chips that it gets itself (Hinton et al. 2015, arXiv:1503.02531; the same
view for both: Beyer et al. 2022, arXiv:2106.05237). Each step uses one teacher in turn: the gradient is linear in the
teacher's probabilities, so over the steps it is that of their mean. Chips without a credible label contribute through
the teachers only.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lc_assets.training.augment import augment
from lc_assets.training.data.chips import Chips
from lc_assets.training.data.splits import UNLABELLED, Splits
from lc_assets.training.device import mixed_precision, placed
from lc_assets.training.network import torch_module
from lc_assets.training.scaling import Scaling

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a fit. They are written to the model's contract.

    Attributes:
        batch_multispectral, batch_weak, batch_rgb: number of chips of each source per step.
        jitter, bands_dropped, hidden: strength of the augmentation; see `lc_assets.training.augment.augment`.
        distilled: share of the distillation loss (agreement with the teachers) in the loss, where there are teachers.
        softening: temperature of both distributions in the distillation loss.
        average: share of the averaged weights that is kept at each step.
    """

    steps: int = 9000
    batch_multispectral: int = 48
    batch_weak: int = 24
    batch_rgb: int = 80
    jitter: float = 1.0
    bands_dropped: float = 0.05
    hidden: float = 0.05
    distilled: float = 0.8
    softening: float = 2.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    average: float = 0.998
    seed: int = 20261123


TEACHER_RECIPE = Recipe(steps=4000, bands_dropped=0.1, weight_decay=0.05, label_smoothing=0.02)
"""Hyperparameters of the teachers."""


def fit(
    splits: Splits,
    scaling: Scaling,
    recipe: Recipe,
    checkpoint: Path,
    *,
    network: Callable[[], nn.Module] = torch_module,
    teachers: Sequence[nn.Module] = (),
    report_every: int = 250,
    stop_at: int | None = None,
) -> nn.Module:
    """Fit a network. If `checkpoint` has the same recipe, network and number of teachers, the fit continues from it.

    Args:
        splits: the training chips.
        scaling: scaling of the network's input.
        recipe: the hyperparameters.
        checkpoint: file to save the state to and to resume from.
        network: function that makes the network to fit.
        teachers: fitted networks to learn from, in addition to the labels.
        report_every: steps between checkpoints.
        stop_at: step at which to stop early.

    Returns:
        The network with averaged weights, in evaluation mode.
    """
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = placed(network(), device)
    teachers = [placed(teacher, device).eval() for teacher in teachers]
    average = copy.deepcopy(model).eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, recipe.steps, pct_start=0.15)
    of = {**asdict(recipe), "network": str(model), "teachers": len(teachers)}
    start = _resume(checkpoint, of, model, average, optimiser, schedule)
    cast = mixed_precision(device)
    began, losses = time.perf_counter(), []
    for step in range(start, min(recipe.steps, stop_at or recipe.steps)):
        # One generator per step: a resumed fit draws the same numbers as an uninterrupted one.
        x, y = _batch(splits, scaling, recipe, np.random.default_rng((recipe.seed, step)))
        torch.manual_seed(recipe.seed + step)  # the same for dropout
        model.train()
        x = x.to(device, memory_format=torch.channels_last)
        with cast:
            logits = model(x)
            with torch.no_grad():
                taught = teachers[step % len(teachers)](x) if teachers else None
            loss = _loss(logits.float(), y.to(device), taught, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        _follow(average, model, min(recipe.average, (step + 1) / (step + 10)))
        losses.append(loss.item())
        if (step + 1) % report_every == 0 or step + 1 == recipe.steps:
            seconds = (time.perf_counter() - began) / (step + 1 - start)
            # Only the loss is logged: validation figures seen during the fit would influence the choice of a model.
            log.info("step %d loss %.3f %.2f s/step", step + 1, np.mean(losses[-report_every:]), seconds)
            _save(checkpoint, of, step + 1, model, average, optimiser, schedule)
    return average.cpu()


def _loss(logits: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None, recipe: Recipe) -> torch.Tensor:
    """Return the cross entropy with the labels and, if there is a teacher, the distillation loss with its logits
    `taught`."""
    loss = functional.cross_entropy(
        logits, labels, ignore_index=UNLABELLED, label_smoothing=0 if taught is not None else recipe.label_smoothing
    )
    if taught is None:
        return loss
    t = recipe.softening
    target = functional.softmax(taught.float() / t, dim=1)
    # Multiplied by t squared, because the gradients of softened probabilities are smaller by that factor (Hinton et
    # al., section 2).
    agreement = functional.kl_div(functional.log_softmax(logits / t, dim=1), target, reduction="batchmean") * t * t
    return (1 - recipe.distilled) * loss + recipe.distilled * agreement


def predict(model: nn.Module, chips: Chips, scaling: Scaling, batch: int = 256) -> np.ndarray:
    """Return the (N, 10) logits of chips, without augmentation."""
    model.eval()
    device = next(model.parameters()).device
    out = []
    with torch.inference_mode():
        for start in range(0, len(chips), batch):
            x = scaling.apply(chips.dn[start : start + batch])
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
    x = augment(
        np.concatenate(parts),
        np.concatenate(present),
        scaling.mean,
        scaling.std,
        rng,
        jitter=recipe.jitter,
        bands_dropped=recipe.bands_dropped,
        hidden=recipe.hidden,
    )
    return torch.from_numpy(x), torch.from_numpy(np.concatenate(labels))


def _follow(average: nn.Module, model: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for mine, other in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(other, 1 - keep)
            else:
                mine.copy_(other)


def _save(path: Path, of: dict[str, Any], step: int, *parts: Any) -> None:
    part = path.with_suffix(".part")
    torch.save({"of": of, "step": step, "parts": [p.state_dict() for p in parts]}, part)
    part.replace(path)


def _resume(path: Path, of: dict[str, Any], *parts: Any) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state.get("of") != of:
        log.warning("%s is of another recipe or network: starting anew", path)
        return 0
    for part, saved in zip(parts, state["parts"], strict=True):
        part.load_state_dict(saved)
    log.info("going on at step %d", state["step"])
    return int(state["step"])
