"""Metrics of a model on chips that were not used to fit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.training.data.chips import Chips
from lc_assets.training.data.splits import CREDIBLE_VOTES

NOT_CREDIBLE = ("SeaLake", "HerbaceousVegetation", "PermanentCrop")
"""Classes that the agreement on L2A chips leaves out: their weak labels are poor, or (SeaLake) counted separately."""
BINS = 15
"""Number of equal bins of confidence in a calibration curve."""


@dataclass(frozen=True)
class ClassificationMetrics:
    """The comparison of predictions with labels.

    Attributes:
        confusion: (classes, classes) number of chips by label (row) and prediction (column).
        bins: (BINS, 3) number of chips, mean confidence and accuracy per bin of confidence.
    """

    confusion: np.ndarray
    bins: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, labels: np.ndarray) -> ClassificationMetrics:
        """Compare (N, classes) probabilities with (N,) labels."""
        guess, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        size = len(CLASS_NAMES)
        confusion = np.bincount(labels * size + guess, minlength=size * size).reshape(size, size)
        return cls(confusion, calibration_bins(confidence, guess == labels))

    @property
    def chips(self) -> int:
        """Number of chips."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of chips whose prediction is the label, 0..1."""
        return float(np.trace(self.confusion) / max(self.chips, 1))

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy by Wilson (1927), which is valid for few chips too."""
        n, p, z = max(self.chips, 1), self.accuracy, 1.96
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return float(middle - half), float(middle + half)

    @property
    def recall(self) -> np.ndarray:
        """Per class, the share of its chips that were predicted as this class; NaN where it has no chips."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        """Per class, the share of its predictions that are right; NaN where it was never predicted."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        """Per class, the harmonic mean of precision and recall; NaN where it has no chips and was never predicted."""
        return _share(2 * np.diag(self.confusion), self.confusion.sum(axis=0) + self.confusion.sum(axis=1))

    @property
    def calibration_error(self) -> float:
        """Expected calibration error of the bins."""
        return calibration_error(self.bins)


def calibration_bins(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return (BINS, 3) number, mean confidence and accuracy per bin of confidence.

    Args:
        confidence: (N,) 0..1.
        right: (N,) bool.
    """
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = np.zeros((BINS, 3))
    for b in range(BINS):
        chosen = place == b
        if chosen.any():
            bins[b] = chosen.sum(), confidence[chosen].mean(), right[chosen].mean()
    return bins


def calibration_error(bins: np.ndarray) -> float:
    """Return the expected calibration error: mean difference of confidence and accuracy over the bins, weighted by
    their numbers (Guo et al. 2017, arXiv:1706.04599)."""
    count, confidence, right = bins.T
    return float((count * np.abs(right - confidence)).sum() / max(count.sum(), 1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def on_true_labels(probabilities: np.ndarray, chips: Chips) -> dict[str, Any]:
    """Return accuracy, calibration error and recall per class on chips with true labels, for a model's contract."""
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


def on_allowed(probabilities: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Return the share of positions whose predicted class is allowed, and the calibration error.

    Args:
        probabilities: (N, classes).
        right: (N, classes) bool, True for the allowed classes.
    """
    found = right[np.arange(len(right)), probabilities.argmax(axis=1)]
    error = calibration_error(calibration_bins(probabilities.max(axis=1), found))
    return {
        "positions": len(found),
        "right": round(float(found.mean()), 4),
        "expected_calibration_error": round(error, 4),
    }


def on_weak_labels(probabilities: np.ndarray, chips: Chips) -> dict[str, Any]:
    """Return the agreement with the weak labels of L2A chips on which `CREDIBLE_VOTES` of ten predictions agree."""
    return agreement(judge_weak_labels(probabilities, chips, CREDIBLE_VOTES))


def judge_weak_labels(probabilities: np.ndarray, chips: Chips, votes: int) -> ClassificationMetrics:
    """Compare predictions with the weak labels on which at least `votes` of ten predictions agree."""
    sure = chips.votes >= votes
    return ClassificationMetrics.of(probabilities[sure], chips.labels[sure])


def agreement(judged: ClassificationMetrics) -> dict[str, Any]:
    """Return the agreement over the credible classes and the recall of SeaLake, 0..1, with their numbers of chips."""
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
