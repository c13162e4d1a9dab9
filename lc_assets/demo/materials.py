"""The materials of each class: spectra and textures, read from `class_statistics.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lc_assets.sentinel2.band_table import BAND_INDEX

STATISTICS = Path(__file__).with_name("class_statistics.json")
"""Written by `lc_assets.training.data.demo_statistics`."""
RARE = 0.03
"""Materials with a smaller share of their class are left out, because some of them are ponds or remains of clouds."""


@dataclass(frozen=True)
class Materials:
    """The materials of one class, or some of them.

    Attributes:
        spectra: (K, 12) L2A DN without offset.
        share: (K,) share of each material; adds up to 1.
        components: (C, 12) principal components of the variation within a material, each of one standard deviation.
        power: C radial power spectra, one per component.
    """

    spectra: np.ndarray
    share: np.ndarray
    components: np.ndarray
    power: list[list[float]]

    @property
    def ndvi(self) -> np.ndarray:
        """(K,) normalised difference vegetation index (NDVI)."""
        red, near = self.spectra[:, BAND_INDEX["B04"]], self.spectra[:, BAND_INDEX["B08"]]
        return (near - red) / (near + red)

    @property
    def brightness(self) -> np.ndarray:
        """(K,) mean DN of the visible bands."""
        return self.spectra[:, BAND_INDEX["B02"] : BAND_INDEX["B04"] + 1].mean(axis=1)

    @property
    def most_frequent(self) -> np.ndarray:
        """(12,) spectrum of the most frequent material."""
        return self.spectra[self.share.argmax()]

    def where(self, keep: np.ndarray) -> Materials:
        """Return the materials where `keep` (K,) is True."""
        share = self.share[keep]
        return Materials(self.spectra[keep], share / share.sum(), self.components, self.power)

    def gradient(self, count: int) -> np.ndarray:
        """Return (count, 12) spectra, ordered from the darkest to the brightest in the near infrared.

        Each material takes its share of the spectra.
        """
        order = np.argsort(self.spectra[:, BAND_INDEX["B08"]])
        middle = np.cumsum(self.share[order]) - self.share[order] / 2
        along = (np.arange(count) + 0.5) / count
        return np.stack([np.interp(along, middle, band) for band in self.spectra[order].T], axis=1).astype(np.float32)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return (count,) random indices of materials, drawn by their shares."""
        return rng.choice(len(self.share), count, p=self.share)

    def ordered_by_ndvi(self, count: int) -> np.ndarray:
        """Return (count,) indices of materials by their shares, ordered from the lowest NDVI to the highest."""
        order = np.argsort(self.ndvi)
        place = np.searchsorted(np.cumsum(self.share[order]), (np.arange(count) + 0.5) / count)
        return order[np.minimum(place, len(order) - 1)]


def read_materials() -> dict[str, Materials]:
    """Return class name -> materials, without those rarer than `RARE`."""
    read = {}
    for name, figures in json.loads(STATISTICS.read_text(encoding="utf-8")).items():
        share = np.array(figures["share"])
        materials = Materials(
            np.array(figures["spectra"], np.float32),
            share,
            np.array(figures["components"], np.float32),
            figures["power"],
        )
        read[name] = materials.where(share >= RARE)
    return read
