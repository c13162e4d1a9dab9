"""Fit a network to mosaics and whole tiles: one cosine cycle, averaged weights. A fit can be resumed."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.training.data.chips import UNLABELLED, Chips
from lc_assets.training.device import best_device, mixed_precision, placed
from lc_assets.training.mosaics import Batch, Mosaics
from lc_assets.training.network import body_and_head
from lc_assets.training.position_labels import ALLOWED, POOLED
from lc_assets.training.scaling import Scaling

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a fit. They are written to the model's contract.

    Attributes:
        batch_mosaics, batch_tiles: number of mosaics and of whole tiles per step.
        tile_loss, pooled_loss: weight of the loss of whole tiles, and of the most likely positions of Highway and
            River; that of all positions is 1.
        average: share of the averaged weights that is kept at each step.
    """

    steps: int = 14_000
    batch_mosaics: int = 12
    batch_tiles: int = 48
    tile_loss: float = 1.0
    pooled_loss: float = 0.1
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.03
    average: float = 0.998
    seed: int = 20261123


Loss = Callable[[torch.Tensor, Batch, torch.Tensor | None], torch.Tensor]
"""Loss of the logits (N, outputs, rows, columns) of a batch; with the labels of the tiles (N,) for whole tiles."""


def fit(
    source: Mosaics,
    recipe: Recipe,
    checkpoint: Path,
    loss: Loss,
    network: Callable[[], nn.Module],
    *,
    report_every: int = 250,
    stop_at: int | None = None,
) -> nn.Module:
    """Fit a network. If `checkpoint` has the same recipe and network, the fit continues from it.

    Args:
        source: the mosaics and tiles to learn from.
        recipe: the hyperparameters.
        checkpoint: file to save the state to and to resume from.
        loss: what is to become small.
        network: function that makes the network to fit.
        report_every: steps between checkpoints.
        stop_at: step at which to stop early.

    Returns:
        The network with averaged weights, in evaluation mode.
    """
    torch.manual_seed(recipe.seed)
    device = best_device()
    model = placed(network(), device)
    average = copy.deepcopy(model).eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, recipe.steps, pct_start=0.1)
    of = {**asdict(recipe), "network": str(model)}
    start = _resume(checkpoint, of, model, average, optimiser, schedule)
    cast = mixed_precision(device)
    began, losses = time.perf_counter(), []
    steps = range(start, min(recipe.steps, stop_at or recipe.steps))
    for step, (mosaics, tiles, labels) in zip(steps, _batches(source, recipe, steps), strict=True):
        torch.manual_seed(recipe.seed + step)  # a resumed fit drops the same features as an uninterrupted one
        model.train()
        parts = []
        for batch, known in ((mosaics, None), (tiles, labels)):
            x = batch.x.to(device, memory_format=torch.channels_last)
            with cast:
                logits = model(x)
            parts.append(loss(logits.float(), _moved(batch, device), None if known is None else known.to(device)))
        total = sum(parts[1:], parts[0])
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        schedule.step()
        _follow(average, model, min(recipe.average, (step + 1) / (step + 10)))
        losses.append([part.item() for part in parts])
        if (step + 1) % report_every == 0 or step + 1 == recipe.steps:
            seconds = (time.perf_counter() - began) / (step + 1 - start)
            # Only the loss is logged: validation figures seen during the fit would influence the choice of a model.
            shown = np.mean(losses[-report_every:], axis=0).round(3)
            log.info("step %d loss of mosaics and tiles %s %.2f s/step", step + 1, shown, seconds)
            _save(checkpoint, of, step + 1, model, average, optimiser, schedule)
    return average.cpu()


def mean_network(one: nn.Module, other: nn.Module) -> nn.Module:
    """Return a network with the mean of the weights of two, of which one was fitted from the other."""
    mean = copy.deepcopy(one)
    _follow(mean, other, 0.5)
    return mean


def class_loss(recipe: Recipe) -> Loss:
    """Return the loss of the ten classes: of positions by the classes that are allowed, of the most likely tenth of
    the positions of Highway and River parts, and of the mean logits of whole tiles by their label."""
    allowed = torch.from_numpy(ALLOWED)
    pooled = torch.tensor([CLASS_NAMES.index(name) for name in POOLED])

    def loss(logits: torch.Tensor, batch: Batch, labels: torch.Tensor | None) -> torch.Tensor:
        likely = functional.log_softmax(logits, dim=1).movedim(1, -1)
        rows = torch.where(batch.labels == UNLABELLED, len(CLASS_NAMES), batch.labels)
        counted = batch.weights.sum(-1) > 0
        chosen, weights = likely[counted], batch.weights[counted]
        sets = torch.bmm(allowed.to(logits.device)[rows[counted]], chosen.exp()[:, :, None])[..., 0]
        total = -(weights * sets.clamp_min(1e-7).log()).sum() / max(1, len(chosen))
        total = total + recipe.pooled_loss * _pooled(likely, batch, pooled.to(logits.device))
        if labels is not None:
            whole = functional.cross_entropy(
                logits.mean(dim=(2, 3)), labels, ignore_index=UNLABELLED, label_smoothing=recipe.label_smoothing
            )
            total = total + recipe.tile_loss * whole
        return total

    return loss


def cover_loss(logits: torch.Tensor, batch: Batch, labels: torch.Tensor | None) -> torch.Tensor:
    """Return the cross entropy of (N, 9, rows, columns) logits with the classes of the reference model."""
    del labels
    counted = batch.weights.sum(-1) > 0
    likely = functional.log_softmax(logits, dim=1).movedim(1, -1)[counted]
    return -(batch.weights[counted] * likely).sum() / max(1, len(likely))


_AT_ONCE = 256
"""Chips that are predicted at once."""


def predict(model: nn.Module, chips: Chips, scaling: Scaling) -> np.ndarray:
    """Return the (N, 10) logits of whole chips of twelve bands."""
    out = []
    body, head = body_and_head(model)
    with torch.inference_mode():
        for start in range(0, len(chips), _AT_ONCE):
            x = torch.from_numpy(scaling.apply(chips.dn[start : start + _AT_ONCE]))
            out.append(head(body(x).mean(dim=(2, 3), keepdim=True))[..., 0, 0].numpy())
    return np.concatenate(out)


def predict_positions(model: nn.Module, source: Mosaics, mosaics: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and allowed classes, (N, 10) each, at the positions of mosaics where one class of the reference
    model is certain."""
    logits, right = [], []
    with torch.inference_mode():
        for number in range(-(-mosaics // 8)):
            batch = source.mosaics(8, np.random.default_rng((seed, number)))
            certain = batch.weights.amax(-1) >= 0.8
            labels = torch.where(batch.labels == UNLABELLED, len(CLASS_NAMES), batch.labels)[certain]
            logits.append(model(batch.x).movedim(1, -1)[certain].numpy())
            right.append(ALLOWED[labels.numpy(), batch.weights[certain].argmax(-1).numpy()] > 0)
    return np.concatenate(logits), np.concatenate(right)


def _pooled(likely: torch.Tensor, batch: Batch, classes: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of the most likely tenth of the positions, over the parts of the classes."""
    losses = []
    for code in classes:
        of_class = batch.labels == code
        for part in batch.parts[of_class].unique():
            own = likely[..., code][(batch.parts == part) & of_class]
            if len(own) >= 20:
                losses.append(-own.topk(max(2, len(own) // 10)).values.mean())
    return torch.stack(losses).mean() if losses else likely.new_zeros(())


def _batches(source: Mosaics, recipe: Recipe, steps: range) -> Iterator[tuple[Batch, Batch, torch.Tensor]]:
    """Yield the batches of the steps; the next one is drawn while the network learns from one."""

    def drawn(step: int) -> tuple[Batch, Batch, torch.Tensor]:
        # One generator per step: a resumed fit draws the same numbers as an uninterrupted one.
        rng = np.random.default_rng((recipe.seed, step))
        tiles, labels = source.tiles(recipe.batch_tiles, rng)
        return source.mosaics(recipe.batch_mosaics, rng), tiles, labels

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(drawn, steps.start) if len(steps) else None
        for step in steps:
            assert coming is not None
            now = coming.result()
            coming = thread.submit(drawn, step + 1)
            yield now


def _moved(batch: Batch, device: torch.device) -> Batch:
    return Batch(batch.x, batch.labels.to(device), batch.weights.to(device), batch.parts.to(device))


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
