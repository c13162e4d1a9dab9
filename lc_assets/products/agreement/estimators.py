"""Overall agreement, user's and producer's accuracy and areas: estimated from a stratified random sample with standard
errors, and counted over all pixels.

Estimators: Olofsson, Foody, Herold, Stehman, Woodcock and Wulder (2014), "Good practices for estimating area and
assessing accuracy of land change", Remote Sensing of Environment 148:42-57, doi:10.1016/j.rse.2014.02.015, equations 1
to 11. Strata are the map's groups (rows, i), columns (j) are the reference's; W_i is a group's share of the mapped
area, n_ij a count in the sample.

The paper leaves two cases open. If all pixels of a stratum are in the sample, its sampling error is 0, also for a
stratum of one pixel. If a figure has no data (the group does not occur on that side, or only one pixel of several was
sampled), it is None, never 0 or 1.

A reference *map* covers all pixels, so the full count is given too. The interval covers only the error
of sampling, not the errors of the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Z95 = 1.96
"""Half width of a 95 % interval in standard errors (Olofsson et al. 2014)."""


@dataclass(frozen=True)
class Estimate:
    """A share, 0..1, and its standard error; None if not defined."""

    value: float | None
    error: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval (low, high), clipped to 0..1; None if not defined."""
        if self.value is None or self.error is None:
            return None
        return max(self.value - Z95 * self.error, 0.0), min(self.value + Z95 * self.error, 1.0)


@dataclass(frozen=True)
class Estimates:
    """Estimates for g groups.

    Attributes:
        proportions: (g, g) estimated share of the area per cell of the error matrix; NaN in rows without a sample.
        overall: share of the area on which both maps agree.
        users: per group, the share of its area in the map that has the same group in the reference (1 - commission).
        producers: per group, the share of its area in the reference that has the same group in the map (1 - omission).
        areas: per group, its share of the area in the reference.
    """

    proportions: np.ndarray
    overall: Estimate
    users: tuple[Estimate, ...]
    producers: tuple[Estimate, ...]
    areas: tuple[Estimate, ...]


def estimate_from_sample(sample: np.ndarray, pixels: np.ndarray) -> Estimates:
    """Estimate the figures from a sample.

    Args:
        sample: (g, g) counts; rows are groups of the map, columns groups of the reference.
        pixels: (g,) pixels of each stratum in the map (or any unit of area, if no stratum is sampled completely).
    """
    counts, sizes = np.asarray(sample, float), np.asarray(pixels, float)
    total, drawn = sizes.sum(), counts.sum(axis=1)
    mapped = sizes > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = sizes / total
        shares = np.where(mapped[:, None], counts / drawn[:, None], 0.0)  # n_ij / n_i.; NaN: mapped, but not sampled
        freedom = np.where(drawn > 1, drawn - 1, np.nan)
        proportions = weights[:, None] * shares  # eq. 4
        # V of a share within its stratum, as in eqs 5, 6, 7 and 10.
        spread = np.where((drawn >= sizes)[:, None], 0.0, shares * (1 - shares) / freedom[:, None])
        right, spread_right = np.diag(shares), np.diag(spread)
        overall = Estimate(_known(np.trace(proportions)), _root((weights**2 * spread_right).sum()))  # eqs 1, 5
        columns = proportions.sum(axis=0)  # eq. 9
        areas = [Estimate(_known(c), _root(v)) for c, v in zip(columns, weights**2 @ spread, strict=True)]  # eq. 10
        producers = np.diag(proportions) / columns  # eq. 3
        others = (weights[:, None] ** 2 * spread).sum(axis=0) - weights**2 * spread_right
        omission = weights**2 * (1 - producers) ** 2 * spread_right + producers**2 * others
        found = [
            Estimate(_known(p), _root(v)) if c > 0 else Estimate(None, None)
            for p, v, c in zip(producers, omission / columns**2, columns, strict=True)  # eq. 7, N_i. / N = W_i
        ]
    users = [
        Estimate(_known(u), _root(v)) if n else Estimate(None, None)  # eqs 2, 6
        for u, v, n in zip(right, spread_right, drawn, strict=True)
    ]
    return Estimates(proportions, overall, tuple(users), tuple(found), tuple(areas))


def count_all(matrix: np.ndarray) -> Estimates:
    """Return the same figures over all pixels. The standard errors are 0, because every pixel is counted.

    Args:
        matrix: (g, g) pixels; rows are groups of the map, columns groups of the reference.
    """
    return estimate_from_sample(matrix, matrix.sum(axis=1))


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _root(variance: float) -> float | None:
    return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else None
