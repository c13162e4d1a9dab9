"""How good a model is, on chips it was not fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np

from lc_assets.landcover import CLASS_NAMES
from lc_assets.training.calibrate import calibration_error
from lc_assets.training.data import Chips

NOT_CREDIBLE = ("SeaLake", "HerbaceousVegetation", "PermanentCrop")
"""Consensus classes that agreement on L2A chips is not counted over: their weak labels are poor, or (SeaLake) counted
by themselves."""


def on_true_labels(probabilities: np.ndarray, chips: Chips) -> dict[str, Any]:
    """Accuracy, calibration and recall per class on chips with true labels."""
    guess = probabilities.argmax(axis=1)
    recall = {
        name: round(float((guess[chips.labels == code] == code).mean()), 4)
        for code, name in enumerate(CLASS_NAMES)
        if (chips.labels == code).any()
    }
    return {
        "chips": len(chips),
        "accuracy": round(float((guess == chips.labels).mean()), 4),
        "expected_calibration_error": round(calibration_error(probabilities, chips.labels), 4),
        "recall": recall,
    }


def on_weak_labels(probabilities: np.ndarray, chips: Chips, votes: int = 8) -> dict[str, Any]:
    """Agreement with weakly labelled L2A chips on which at least `votes` of ten predictions agreed."""
    guess = probabilities.argmax(axis=1)
    sure = chips.votes >= votes
    counted = sure & ~np.isin(chips.labels, [CLASS_NAMES.index(name) for name in NOT_CREDIBLE])
    sea = sure & (chips.labels == CLASS_NAMES.index("SeaLake"))
    return {
        "chips": int(counted.sum()),
        "agreement": round(float((guess[counted] == chips.labels[counted]).mean()), 4),
        "sea_lake_chips": int(sea.sum()),
        "sea_lake_recall": round(float((guess[sea] == chips.labels[sea]).mean()), 4),
    }
