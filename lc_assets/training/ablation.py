"""What each ingredient of the recipe brings: short fits, one ingredient more each time; one with a spatial hold-out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lc_assets.evaluation.chips import Chips
from lc_assets.evaluation.figures import Judgement, on_weak_labels
from lc_assets.evaluation.splits import Splits, spatial
from lc_assets.training.fit import Recipe, Scaling, fit, predict

log = logging.getLogger(__name__)

STEPS = 2000


def ablation(
    splits: Splits, scaling: Scaling, recipe: Recipe, teacher: nn.Module, folder: Path
) -> list[dict[str, Any]]:
    """Fit and judge each variant; the same number of multispectral chips a step in all. Kept in `folder` as it goes."""
    kept = folder / "ablation.part.json"
    done = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    for name, variant, data, taught, judges in _variants(splits, replace(recipe, steps=STEPS), teacher):
        if any(e["ingredients"] == name and e["steps"] == STEPS for e in done):
            continue
        model = fit(data, scaling, variant, folder / "ablation.part.pt", teacher=taught, report_every=STEPS)
        (folder / "ablation.part.pt").unlink(missing_ok=True)
        weak = on_weak_labels(predict(model, splits.weak_validation, scaling), splits.weak_validation)
        for judged_on, chips in judges.items():
            judged = Judgement.of(predict(model, chips, scaling), chips.labels)
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
    splits: Splits, recipe: Recipe, teacher: nn.Module
) -> Iterator[tuple[str, Recipe, Splits, nn.Module | None, dict[str, Chips]]]:
    official = {"official validation": splits.validation}
    bare = replace(recipe, batch_rgb=0, batch_weak=0, jitter=0.0)
    yield "multispectral chips only", bare, splits, None, official
    yield "+ RGB chips", replace(bare, batch_rgb=recipe.batch_rgb), splits, None, official
    jittered = replace(recipe, batch_weak=0)
    yield "+ gain and haze jitter", jittered, splits, None, official
    yield "+ weakly labelled L2A chips", recipe, splits, None, official
    yield "+ teacher", recipe, splits, teacher, official
    western, eastern = spatial(splits)
    near = np.isin(eastern.names, splits.validation.names)
    yield (
        "all but the teacher, without the eastern quarter",
        recipe,
        western,
        None,
        {
            "eastern quarter": eastern,
            "its part of the official validation": eastern.where(near),
        },
    )
