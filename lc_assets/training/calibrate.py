"""Temperature scaling: one number that calibrates the confidence (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the (N, classes) probabilities of (N, classes) logits."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the divisor of the logits that gives the lowest negative log likelihood, searched from 0.2 to 5."""
    rows = np.arange(len(labels))
    candidates = np.geomspace(0.2, 5, 200)
    return float(min(candidates, key=lambda t: -np.log(softmax(logits / t)[rows, labels] + 1e-12).mean()))
