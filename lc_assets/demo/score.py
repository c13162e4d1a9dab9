"""How much of a map is right, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lc_assets.errors import LandCoverError
from lc_assets.landcover import ALL_CLASSES, NO_DATA
from lc_assets.places import Place
from lc_assets.raster.cog import read_blocks


@dataclass(frozen=True)
class DemoScore:
    """Counts of a comparison; rows are truth, columns the map, codes 0-10 both ways.

    Attributes:
        confusion: (11, 11) pixel counts.
    """

    confusion: np.ndarray

    @property
    def right(self) -> float:
        """Share of pixels on which both agree, among those that both call something."""
        known = self.confusion[: NO_DATA.code, : NO_DATA.code]
        return float(np.trace(known) / max(known.sum(), 1))

    @property
    def truth_pixels(self) -> np.ndarray:
        """(10,) pixels of each class in the truth that the map calls something."""
        return self.confusion[: NO_DATA.code, : NO_DATA.code].sum(axis=1)

    @property
    def recall(self) -> np.ndarray:
        """(10,) share of each class's pixels that the map finds; 0 where there are none."""
        found = np.diagonal(self.confusion)[: NO_DATA.code]
        return found / np.maximum(self.truth_pixels, 1)


def score_against_truth(classified: Place, truth: Path) -> DemoScore:
    """Compare two class rasters of the same size, strip by strip.

    Raises:
        LandCoverError: they are of different size.
    """
    size = len(ALL_CLASSES)
    confusion = np.zeros((size, size), np.int64)
    for (_, found), (_, true) in zip(read_blocks(classified), read_blocks(truth), strict=True):
        if found.shape != true.shape:
            raise LandCoverError(f"{classified} and {truth} differ in size", remedy="compare maps of the same scene")
        pairs = true.astype(np.int64).ravel() * size + found.ravel()
        confusion += np.bincount(pairs, minlength=size * size).reshape(size, size)
    return DemoScore(confusion)
