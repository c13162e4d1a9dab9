"""How good a model is, in figures, on chips that it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.training.data.chips import Chips
from lc_assets.training.data.splits import CREDIBLE_VOTES

NOT_CREDIBLE = ("SeaLake", "HerbaceousVegetation", "PermanentCrop")
"""Consensus classes that agreement on L2A chips is not counted over: their weak labels are poor, or (SeaLake) counted
by themselves."""
BINS = 15
"""Equal bins of confidence in a calibration curve."""


@dataclass(frozen=True)
class ClassificationMetrics:
    """Predictions held against labels.

    Attributes:
        confusion: (classes, classes) chips by label (row) and prediction (column).
        bins: (BINS, 3) per bin of confidence: chips, their mean confidence, their accuracy.
    """

    confusion: np.ndarray
    bins: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, labels: np.ndarray) -> ClassificationMetrics:
        """Judge (N, classes) probabilities by (N,) labels."""
        guess, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        size = len(CLASS_NAMES)
        confusion = np.bincount(labels * size + guess, minlength=size * size).reshape(size, size)
        place = np.minimum((confidence * BINS).astype(int), BINS - 1)
        bins = np.zeros((BINS, 3))
        for b in range(BINS):
            chosen = place == b
            if chosen.any():
                bins[b] = chosen.sum(), confidence[chosen].mean(), (guess == labels)[chosen].mean()
        return cls(confusion, bins)

    @property
    def chips(self) -> int:
        """Chips judged."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share predicted as labelled, 0..1."""
        return float(np.trace(self.confusion) / max(self.chips, 1))

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy (Wilson 1927), for these are few chips."""
        n, p, z = max(self.chips, 1), self.accuracy, 1.96
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return float(middle - half), float(middle + half)

    @property
    def recall(self) -> np.ndarray:
        """Per class, the share of its chips that was found; NaN where there are none."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        """Per class, the share of its predictions that was right; NaN where there are none."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        """Per class, the harmonic mean of precision and recall."""
        return _share(2 * np.diag(self.confusion), self.confusion.sum(axis=0) + self.confusion.sum(axis=1))

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean gap between confidence and accuracy over the bins, weighted by their size
        (Guo et al. 2017, arXiv:1706.04599)."""
        count, confidence, right = self.bins.T
        return float((count * np.abs(right - confidence)).sum() / max(count.sum(), 1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def on_true_labels(probabilities: np.ndarray, chips: Chips) -> dict[str, Any]:
    """Accuracy, calibration and recall per class on chips with true labels, for a contract."""
    judged = ClassificationMetrics.of(probabilities, chips.labels)
    return {
        "chips": judged.chips,
        "accuracy": round(judged.accuracy, 4),
        "expected_calibration_error": round(judged.calibration_error, 4),
        "recall": {
            name: round(float(share), 4)
            for name, share in zip(CLASS_NAMES, judged.recall, strict=True)
            if np.isfinite(share)
        },
    }


def on_weak_labels(probabilities: np.ndarray, chips: Chips, votes: int = CREDIBLE_VOTES) -> dict[str, Any]:
    """Agreement with weakly labelled L2A chips on which at least `votes` of ten predictions agreed."""
    return agreement(judge_weak_labels(probabilities, chips, votes))


def judge_weak_labels(probabilities: np.ndarray, chips: Chips, votes: int) -> ClassificationMetrics:
    """Predictions held against the weak labels that at least `votes` of ten predictions agreed on."""
    sure = chips.votes >= votes
    return ClassificationMetrics.of(probabilities[sure], chips.labels[sure])


def agreement(judged: ClassificationMetrics) -> dict[str, Any]:
    """What weak labels can say: agreement over the credible classes, recall of SeaLake; both 0..1."""
    counted = ~np.isin(CLASS_NAMES, NOT_CREDIBLE)
    sea = CLASS_NAMES.index("SeaLake")
    chips, right = judged.confusion.sum(axis=1), np.diag(judged.confusion)
    return {
        "chips": int(chips[counted].sum()),
        **_rounded("agreement", right[counted].sum(), chips[counted].sum()),
        "sea_lake_chips": int(chips[sea]),
        **_rounded("sea_lake_recall", right[sea], chips[sea]),
    }


def _rounded(name: str, part: int, whole: int) -> dict[str, float]:
    return {name: round(float(part / whole), 4)} if whole else {}
