"""Temperature scaling: one number that makes confidence mean what it says (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, classes) logits -> probabilities."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """What logits must be divided by for the lowest negative log likelihood, by search from 0.2 to 5."""
    rows = np.arange(len(labels))
    candidates = np.geomspace(0.2, 5, 200)
    return float(min(candidates, key=lambda t: -np.log(softmax(logits / t)[rows, labels] + 1e-12).mean()))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over equal bins of confidence, weighted by
    their size."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for b in range(bins):
        chosen = place == b
        if chosen.any():
            gap += chosen.mean() * abs(right[chosen].mean() - confidence[chosen].mean())
    return float(gap)
