"""Chips for the tests of training."""

from __future__ import annotations

import numpy as np

from lc_assets.training.data.chips import Chips, no_cover

NO_PYTORCH = "needs PyTorch, which the train extra brings"


def coloured_chips(count: int) -> Chips:
    """Return chips of noise. Their brightness and their cover depend on the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, count)
    dn = (rng.integers(100, 900, (count, 12, 64, 64)) + 200 * labels[:, None, None, None]).astype(np.uint16)
    names = np.array([f"Chip_{n}" for n in range(count)])
    cover = no_cover(count)
    cover[np.arange(count), ..., labels % 9] = 255
    return Chips(dn, labels, names, np.ones(12, bool), np.full(count, 10), np.linspace(0, 20, count), cover)
