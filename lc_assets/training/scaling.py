"""How the network's input is scaled; written into the contract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lc_assets.evaluation.chips import Chips


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of the multispectral training chips per band, in DN."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, chips: Chips) -> Scaling:
        """Over all pixels of all chips."""
        values = chips.dn.astype(np.float64)
        return cls(
            values.mean(axis=(0, 2, 3)).round(2).astype(np.float32),
            values.std(axis=(0, 2, 3)).round(2).astype(np.float32),
        )
