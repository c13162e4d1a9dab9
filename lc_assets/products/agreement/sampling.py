"""A stratified random sample of pixels, drawn while they pass by once.

Every pixel gets a random number; the sample of a stratum are the pixels with its smallest numbers, which is a simple
random sample without replacement. The numbers run row by row over the whole raster, so the sample depends on the seed
only, not on the strips in which the pixels come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 100
"""Samples of a stratum, however small: Olofsson et al. (2014, doi:10.1016/j.rse.2014.02.015) advise 50 to 100 for rare
classes, and the rest in proportion to area."""


def allocated(pixels: np.ndarray, total: int, least: int = LEAST) -> np.ndarray:
    """How many pixels to draw of each stratum.

    Args:
        pixels: (strata,) pixels there.
        total: pixels to draw in all; fewer are drawn where there are no more.
        least: of each stratum, as far as `total` goes round and it has as many.

    Returns:
        (strata,) no more than there are; at least 2 of a stratum with so many, even if that exceeds `total`.
    """
    sizes = np.asarray(pixels, np.int64)
    strata = max(int((sizes > 0).sum()), 1)
    drawn = np.minimum(sizes, max(min(least, total // strata), 2))
    while (left := total - int(drawn.sum())) > 0 and (room := sizes - drawn).any():
        open_ = room > 0
        shares = np.where(open_, sizes, 0) / sizes[open_].sum() * left
        step = np.minimum(np.floor(shares).astype(np.int64), room)
        if not step.any():  # fewer left than strata: one each, the largest remainders first
            step[np.argsort(-np.where(open_, shares, -1.0), kind="stable")[: min(left, int(open_.sum()))]] = 1
        drawn = drawn + step
    return drawn


_SALT = 0x5A3D1E


@dataclass(frozen=True)
class Sample:
    """Pixels of one stratum: their random numbers, their places (row * columns + column), what was offered with
    them."""

    numbers: np.ndarray
    places: np.ndarray
    values: np.ndarray

    @classmethod
    def empty(cls) -> Sample:
        """No pixel."""
        return cls(np.empty(0), np.empty(0, np.int64), np.empty(0, np.uint8))

    def concat(self, other: Sample) -> Sample:
        """Both."""
        return Sample(
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.places, other.places]),
            np.concatenate([self.values, other.values]),
        )

    def smallest(self, count: int) -> Sample:
        """Those with the smallest numbers."""
        if len(self.numbers) <= count:
            return self
        order = np.argpartition(self.numbers, count)[:count]
        return Sample(self.numbers[order], self.places[order], self.values[order])


class ReservoirSampler:
    """Collects what a sample may need.

    Args:
        strata: how many there are.
        most: the largest sample of a stratum.
        seed: of the random numbers.
    """

    def __init__(self, strata: int, most: int, seed: int) -> None:
        self._most = most
        # Salted: a scene that was itself drawn by a seed (the demo's) must not meet its own numbers again.
        self._random = np.random.default_rng((_SALT, seed))
        self._limits = np.full(strata + 1, np.inf)
        self._limits[strata] = -np.inf  # the last is also -1: what is in no stratum
        self._kept = [Sample.empty() for _ in range(strata)]

    def offer(self, strata: np.ndarray, values: np.ndarray, top: int) -> None:
        """Take note of the next full-width strip.

        Args:
            strata: (rows, columns) stratum of each pixel; -1 is none.
            values: (rows, columns) what to remember of it.
            top: the strip's first row.
        """
        numbers = self._random.random(strata.shape).ravel()
        flat = strata.ravel()
        chosen = np.flatnonzero(numbers < self._limits[flat])
        found, first = flat[chosen], top * strata.shape[1]
        for stratum in np.unique(found):
            mine = chosen[found == stratum]
            fresh = Sample(numbers[mine], mine + first, values.ravel()[mine])
            kept = self._kept[stratum].concat(fresh).smallest(self._most)
            self._kept[stratum] = kept
            if len(kept.numbers) == self._most:
                self._limits[stratum] = kept.numbers.max()

    def draw(self, sizes: np.ndarray) -> list[Sample]:
        """The sample of each stratum, of so many pixels."""
        return [kept.smallest(int(size)) for kept, size in zip(self._kept, sizes, strict=True)]
