"""Measure the effect of each ingredient of the recipe: short fits, each with one more ingredient, and one with a
spatial hold-out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lc_assets.training.data.chips import Chips
from lc_assets.training.data.splits import Splits, spatial
from lc_assets.training.evaluation.metrics import ClassificationMetrics, on_weak_labels
from lc_assets.training.fit import Recipe, fit, predict
from lc_assets.training.scaling import Scaling

log = logging.getLogger(__name__)

STEPS = 1000


def ablation(
    plain: Splits, splits: Splits, scaling: Scaling, recipe: Recipe, teachers: Sequence[nn.Module], folder: Path
) -> list[dict[str, Any]]:
    """Fit and evaluate each variant, each with one more ingredient. Finished variants are saved in `folder`.

    Args:
        plain, splits: the chips, with the RGB chips as they are and with their other bands completed.
        scaling: scaling of the network's input.
        recipe: recipe of the shipped network.
        teachers: teachers of the shipped network.
        folder: folder for the files that are kept between calls.

    Returns:
        One dict per variant and set of chips: ingredients, steps, judged_on, chips, accuracy, l2a_agreement.
    """
    kept = folder / "ablation.part.json"
    done = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    checkpoint = folder / "ablation.part.pt"
    for name, variant, data, taught, judges in _variants(plain, splits, replace(recipe, steps=STEPS), teachers):
        if any(e["ingredients"] == name and e["steps"] == STEPS for e in done):
            continue
        model = fit(data, scaling, variant, checkpoint, teachers=taught, report_every=STEPS)
        checkpoint.unlink(missing_ok=True)
        weak = on_weak_labels(predict(model, splits.weak_validation, scaling), splits.weak_validation)
        for judged_on, chips in judges.items():
            judged = ClassificationMetrics.of(predict(model, chips, scaling), chips.labels)
            done.append(
                {
                    "ingredients": name,
                    "steps": STEPS,
                    "judged_on": judged_on,
                    "chips": judged.chips,
                    "accuracy": round(judged.accuracy, 4),
                    "l2a_agreement": weak.get("agreement"),
                }
            )
            log.info("%s", done[-1])
        kept.write_text(json.dumps(done, indent=1), encoding="utf-8")
    return done


def _variants(
    plain: Splits, splits: Splits, recipe: Recipe, teachers: Sequence[nn.Module]
) -> Iterator[tuple[str, Recipe, Splits, Sequence[nn.Module], dict[str, Chips]]]:
    official = {"official validation": splits.validation}
    bare = replace(recipe, batch_rgb=0, batch_weak=0, jitter=0.0)
    yield "multispectral chips only", bare, plain, (), official
    with_rgb = replace(bare, batch_rgb=recipe.batch_rgb)
    yield "+ RGB chips, other bands absent", with_rgb, plain, (), official
    yield "+ their other bands completed", with_rgb, splits, (), official
    jittered = replace(recipe, batch_weak=0)
    yield "+ gain and haze jitter", jittered, splits, (), official
    yield "+ weakly labelled L2A chips", recipe, splits, (), official
    yield "+ teachers", recipe, splits, teachers, official
    western, eastern = spatial(plain)
    near = np.isin(eastern.names, splits.validation.names)
    judges = {"eastern quarter": eastern, "its part of the official validation": eastern.where(near)}
    strict = replace(recipe, batch_rgb=0)
    yield "no RGB chips, nothing from the eastern quarter", strict, western, (), judges
