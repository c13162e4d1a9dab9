"""Temperature scaling: one number that calibrates the confidence (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the (N, classes) probabilities of (N, classes) logits."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def fit_temperature(judged: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the divisor of the logits that gives the lowest negative log likelihood, searched from 0.2 to 5.

    Args:
        judged: samples of equal importance, each of (N, classes) logits and (N, classes) bool, the classes that are
            right.
    """
    candidates = np.geomspace(0.2, 5, 200)

    def loss(temperature: float) -> float:
        return sum(
            -np.log((softmax(logits / temperature) * right).sum(axis=1) + 1e-12).mean() for logits, right in judged
        )

    return float(min(candidates, key=loss))
