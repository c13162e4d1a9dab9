"""Temperature scaling: one number that calibrates the confidence (Guo et al. 2017, arXiv:1706.04599)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the (N, classes) probabilities of (N, classes) logits."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def fit_temperature(samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the divisor of the logits that gives the lowest negative log likelihood, searched from 0.2 to 5.

    Args:
        samples: samples of equal weight, each with (N, classes) logits and (N, classes) bool, True for correct classes.
    """
    candidates = np.geomspace(0.2, 5, 200)

    def loss(temperature: float) -> float:
        return sum(
            -np.log((softmax(logits / temperature) * right).sum(axis=1) + 1e-12).mean() for logits, right in samples
        )

    return float(min(candidates, key=loss))
