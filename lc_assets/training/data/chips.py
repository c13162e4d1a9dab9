"""Labelled chips as one value: DN without radiometric offset, labels, names, which bands there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lc_assets.sentinel2.band_table import BAND_NAMES

CHIP = 64


@dataclass(frozen=True)
class Chips:
    """Chips with labels.

    Attributes:
        dn: (N, 12, 64, 64) uint16.
        labels: (N,) int64 class codes.
        names: EuroSAT names (`Forest_12`), which the RGB and the multispectral twin share; empty strings where unknown.
        bands: (12,) bool, the bands that this source has.
        votes: (N,) how many of ten predictions agreed, for weak labels; 10 for true ones.
        longitudes: (N,) degrees east of the chips' centres; NaN where unknown.
    """

    dn: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    bands: np.ndarray
    votes: np.ndarray
    longitudes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, keep: np.ndarray) -> Chips:
        """The chips at which `keep` (N,) is true."""
        return Chips(
            self.dn[keep], self.labels[keep], self.names[keep], self.bands, self.votes[keep], self.longitudes[keep]
        )


def joined(*parts: Chips) -> Chips:
    """Chips of sources with the same bands, one after the other."""
    first = parts[0]
    return Chips(
        np.concatenate([part.dn for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.names for part in parts]),
        first.bands,
        np.concatenate([part.votes for part in parts]),
        np.concatenate([part.longitudes for part in parts]),
    )


def no_chips() -> Chips:
    """None at all: what a source that is not there gives."""
    nothing, side = np.zeros(0, int), (len(BAND_NAMES), CHIP, CHIP)
    return Chips(
        np.zeros((0, *side), np.uint16),
        nothing,
        np.zeros(0, str),
        np.ones(len(BAND_NAMES), bool),
        nothing,
        np.zeros(0),
    )
