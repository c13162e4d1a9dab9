"""The type for labelled chips: DN without radiometric offset, labels, names, available bands, cover."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from lc_assets.sentinel2.band_table import BAND_NAMES

CHIP = 64
UNLABELLED = -100
"""Label of a training chip without a class. Only its cover is used."""
COVER_NAMES: tuple[str, ...] = (
    "water",
    "trees",
    "grass",
    "flooded vegetation",
    "crops",
    "shrub and scrub",
    "built",
    "bare",
    "snow and ice",
)
"""Classes of Dynamic World (Brown et al. 2022, https://doi.org/10.1038/s41597-022-01307-4), in its order."""


@dataclass(frozen=True)
class Chips:
    """Chips with labels.

    Attributes:
        dn: (N, 12, 64, 64) uint16.
        labels: (N,) int64 class codes.
        names: (N,) EuroSAT names (`Forest_12`), equal for RGB and multispectral twins; empty if unknown.
        bands: (12,) bool, the bands that the chips have.
        votes: (N,) number of predictions, of ten, that agree with a weak label; 10 for true labels.
        longitudes: (N,) longitude of the chips' centres in degrees east; NaN where unknown.
        cover: (N, 64, 64, 9) uint8, probability of each class of `COVER_NAMES` times 255; 0 if unknown.
    """

    dn: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    bands: np.ndarray
    votes: np.ndarray
    longitudes: np.ndarray
    cover: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: np.ndarray) -> Chips:
        """Return the chips where `keep` (N,) bool is true."""
        return replace(self, **{name: getattr(self, name)[keep] for name in _PER_CHIP})


_PER_CHIP = [field.name for field in fields(Chips) if field.name != "bands"]


def concat(*parts: Chips) -> Chips:
    """Concatenate chips that have the same bands."""
    return replace(parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _PER_CHIP})


def no_chips() -> Chips:
    """Return an empty set of chips, for a source that does not exist."""
    nothing, side = np.zeros(0, int), (len(BAND_NAMES), CHIP, CHIP)
    return Chips(
        np.zeros((0, *side), np.uint16),
        nothing,
        np.zeros(0, str),
        np.ones(len(BAND_NAMES), bool),
        nothing,
        np.zeros(0),
        no_cover(0),
    )


def no_cover(count: int) -> np.ndarray:
    """Return an unknown cover for a number of chips: (count, 64, 64, 9) uint8 zeros."""
    return np.zeros((count, CHIP, CHIP, len(COVER_NAMES)), np.uint8)
