"""A stratified random sample of pixels, drawn in a single pass over the raster.

Every pixel gets a random number. The sample of a stratum consists of the pixels with the smallest numbers, so it is a
simple random sample without replacement. The numbers are drawn row by row over the whole raster, so the sample depends
only on the seed, not on the height of the strips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_SAMPLES = 100
"""Smallest number of samples per stratum, unless the stratum has fewer pixels, or fewer are drawn in all. Olofsson et
al. (2014, doi:10.1016/j.rse.2014.02.015) advise 50 to 100 for rare classes, and the rest in proportion to area."""


def allocate_samples(pixels: np.ndarray, total: int) -> np.ndarray:
    """Return the number of pixels to draw from each stratum.

    Args:
        pixels: (strata,) number of pixels in each stratum.
        total: number of pixels to draw from all strata; fewer if the strata have fewer pixels.

    Returns:
        (strata,) int64, at most the pixels of each stratum. A stratum with 2 or more pixels gets at least 2, even if
        the sum then exceeds `total`.
    """
    sizes = np.asarray(pixels, np.int64)
    strata = max(int((sizes > 0).sum()), 1)
    drawn = np.minimum(sizes, max(min(MIN_SAMPLES, total // strata), 2))
    while (left := total - int(drawn.sum())) > 0 and (room := sizes - drawn).any():
        open_ = room > 0
        shares = np.where(open_, sizes, 0) / sizes[open_].sum() * left
        step = np.minimum(np.floor(shares).astype(np.int64), room)
        if not step.any():  # less than one per stratum is left: add one each, to the largest shares first
            step[np.argsort(-np.where(open_, shares, -1.0), kind="stable")[: min(left, int(open_.sum()))]] = 1
        drawn = drawn + step
    return drawn


_SALT = 0x5A3D1E


@dataclass(frozen=True)
class Sample:
    """Pixels of one stratum: random numbers, indices in the raster (row * columns + column), and values.

    The values are those passed to `ReservoirSampler.offer`.
    """

    numbers: np.ndarray
    indices: np.ndarray
    values: np.ndarray

    @classmethod
    def empty(cls) -> Sample:
        """Return a sample without pixels."""
        return cls(np.empty(0), np.empty(0, np.int64), np.empty(0, np.uint8))

    def concat(self, other: Sample) -> Sample:
        """Return the pixels of both samples."""
        return Sample(
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.indices, other.indices]),
            np.concatenate([self.values, other.values]),
        )

    def smallest(self, count: int) -> Sample:
        """Return the `count` pixels with the smallest random numbers, in any order; all if there are fewer."""
        if len(self.numbers) <= count:
            return self
        order = np.argpartition(self.numbers, count)[:count]
        return Sample(self.numbers[order], self.indices[order], self.values[order])


class ReservoirSampler:
    """Draws a stratified sample from strips. It keeps only the pixels that the sample may need.

    Args:
        strata: number of strata.
        limit: largest number of samples per stratum.
        seed: seed of the random numbers.
    """

    def __init__(self, strata: int, limit: int, seed: int) -> None:
        self._limit = limit
        # The salt avoids the random numbers of a synthetic scene that was drawn with the same seed (the demo).
        self._random = np.random.default_rng((_SALT, seed))
        self._thresholds = np.full(strata + 1, np.inf)
        self._thresholds[strata] = -np.inf  # the last entry is also index -1: pixels without a stratum
        self._kept = [Sample.empty() for _ in range(strata)]

    def offer(self, strata: np.ndarray, values: np.ndarray, top: int) -> None:
        """Add the next strip. A strip has the full width of the raster.

        Args:
            strata: (rows, columns) stratum of each pixel; -1 means no stratum.
            values: (rows, columns) values to keep in the sample.
            top: first row of the strip in the raster.
        """
        numbers = self._random.random(strata.shape).ravel()
        flat = strata.ravel()
        chosen = np.flatnonzero(numbers < self._thresholds[flat])
        found, first = flat[chosen], top * strata.shape[1]
        for stratum in np.unique(found):
            inside = chosen[found == stratum]
            new = Sample(numbers[inside], inside + first, values.ravel()[inside])
            kept = self._kept[stratum].concat(new).smallest(self._limit)
            self._kept[stratum] = kept
            if len(kept.numbers) == self._limit:
                self._thresholds[stratum] = kept.numbers.max()

    def draw(self, sizes: np.ndarray) -> list[Sample]:
        """Return the sample of each stratum. `sizes` is the number of pixels per stratum."""
        return [kept.smallest(int(size)) for kept, size in zip(self._kept, sizes, strict=True)]
