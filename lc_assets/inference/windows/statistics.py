"""The results of a classification: finished rows of the map, and counts of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from rasterio.windows import Window

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.inference.windows.pipeline import StageTimer
from lc_assets.sentinel2.bands.validity import HIDDEN, IMPOSSIBLE, NO_SOURCE


@dataclass
class MapStatistics:
    """Counts of a classification, updated while its blocks are computed.

    Attributes:
        pixels: number of pixels per class code, No Data last.
        no_source_data, hidden, impossible, no_vote: number of No Data pixels per reason; they add up to `pixels[10]`.
        windows, voting: number of windows (or positions), and of those with a vote (or a prediction).
        confidence: histogram of the confidence in percent (101 bins).
        stages: seconds of work per stage.
    """

    pixels: np.ndarray = field(default_factory=lambda: np.zeros(len(ALL_CLASSES), np.int64))
    no_source_data: int = 0
    hidden: int = 0
    impossible: int = 0
    no_vote: int = 0
    windows: int = 0
    voting: int = 0
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(101, np.int64))
    stages: StageTimer = field(default_factory=StageTimer)

    def count_unusable(self, state: np.ndarray) -> None:
        """Count pixels without data by the reason in their `state`, see `lc_assets.sentinel2.bands.validity`."""
        self.no_source_data += int(np.count_nonzero(state == NO_SOURCE))
        self.hidden += int(np.count_nonzero(state == HIDDEN))
        self.impossible += int(np.count_nonzero(state == IMPOSSIBLE))

    @property
    def mean_confidence(self) -> float | None:
        """Mean confidence of the pixels that have a class, in percent; None if no pixel has a class."""
        known = int(self.confidence.sum())
        return float((self.confidence * np.arange(101)).sum() / known) if known else None


@dataclass(frozen=True)
class ProbabilityBlock:
    """Finished rows of cells: their window, in cells, and (classes, rows, columns) uint8 probabilities, as in
    `lc_assets.raster.cog.probability_cog`."""

    window: Window
    values: np.ndarray


@dataclass(frozen=True)
class MapBlock:
    """Finished rows of the map.

    Attributes:
        window: the rows, in pixels.
        classes, confidence: (rows, columns) uint8 class codes and percent.
        probabilities: rows of cells that are finished at the same time; None if there are none, as in a map of windows.
    """

    window: Window
    classes: np.ndarray
    confidence: np.ndarray
    probabilities: ProbabilityBlock | None = None
