"""How the network's input is scaled; written into the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lc_assets.training.data.chips import Chips


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of the multispectral training chips per band, and their highest value, in DN."""

    mean: np.ndarray
    std: np.ndarray
    highest: np.ndarray

    @classmethod
    def of(cls, chips: Chips) -> Scaling:
        """Over all pixels of all chips."""
        values = chips.dn.astype(np.float64)
        return cls(
            values.mean(axis=(0, 2, 3)).round(2).astype(np.float32),
            values.std(axis=(0, 2, 3)).round(2).astype(np.float32),
            values.max(axis=(0, 2, 3)).astype(np.float32),
        )

    def apply(self, dn: np.ndarray, bands: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """(N, bands, height, width) DN -> float32 network input; `bands` picks some of all that are given."""
        mean, std = self.mean[bands][:, None, None], self.std[bands][:, None, None]
        out: np.ndarray = (dn[:, bands].astype(np.float32) - mean) / std
        return out
