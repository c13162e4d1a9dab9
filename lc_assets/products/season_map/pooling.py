"""Pool the probabilities of several dates: the normalised product of their powers (logarithmic opinion pool).

p(c) ~ product over dates of p_d(c) ** (n ** EXPONENT / n), for n dates (Genest and Zidek 1986,
doi:10.1214/ss/1177013825). With the exponent 1 the dates would count as independent. The result would be too certain,
because all dates see the same ground with the same network. With the exponent 0 it would be the geometric mean, which
is never more certain than its dates.
"""

from __future__ import annotations

import numpy as np

EXPONENT = 0.1
"""Chosen so that the confidence of fused maps is calibrated; see docs/maps.md."""
LOWEST = 0.002
"""Half a step of the stored probabilities. Of several dates, one alone cannot exclude a class."""


class Pool:
    """Adds up dates, cell by cell.

    Args:
        shape: classes, rows, columns.
    """

    def __init__(self, shape: tuple[int, int, int]):
        self._sum, self._last = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._dates = np.zeros(shape[1:], np.uint16)

    def add(self, probabilities: np.ndarray, known: np.ndarray) -> None:
        """Add a date.

        Args:
            probabilities: (classes, rows, columns) float32.
            known: (rows, columns) bool, False where the date has no probabilities.
        """
        self._sum += np.where(known, np.log(np.maximum(probabilities, LOWEST)), 0)
        self._last = np.where(known, probabilities, self._last)
        self._dates += known

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the pooled probabilities (classes, rows, columns) float32, 0 where no date is known, and where one is,
        (rows, columns) bool. Those of a single date are as they are."""
        answers = self._dates > 0
        dates = np.maximum(self._dates, 1).astype(np.float32)
        logits = self._sum * dates ** (EXPONENT - 1)
        found = np.where(self._dates == 1, self._last, np.exp(logits - logits.max(axis=0)))
        found /= np.maximum(found.sum(axis=0), LOWEST)
        return np.where(answers, found, np.float32(0)), answers
