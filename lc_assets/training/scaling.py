"""The scaling of the network's input, which is written to the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lc_assets.training.data.chips import Chips


@dataclass(frozen=True)
class Scaling:
    """Mean, standard deviation and highest value per band of the multispectral training chips.

    Each is (12,) float32, in DN.
    """

    mean: np.ndarray
    std: np.ndarray
    highest: np.ndarray

    @classmethod
    def of(cls, chips: Chips) -> Scaling:
        """Return the scaling computed over all pixels of all chips."""
        values = chips.dn.astype(np.float64)
        return cls(
            values.mean(axis=(0, 2, 3)).round(2).astype(np.float32),
            values.std(axis=(0, 2, 3)).round(2).astype(np.float32),
            values.max(axis=(0, 2, 3)).astype(np.float32),
        )

    def apply(self, dn: np.ndarray, bands: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """Return float32 network input of shape (N, bands, height, width).

        Args:
            dn: (N, 12, height, width) DN.
            bands: positions of the bands to return, all by default.
        """
        mean, std = self.mean[bands][:, None, None], self.std[bands][:, None, None]
        out: np.ndarray = (dn[:, bands].astype(np.float32) - mean) / std
        return out
