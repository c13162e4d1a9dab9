"""Convert L1C pixels to L2A and back, by the mean difference of the two levels per band."""

from __future__ import annotations

import numpy as np

GAIN = np.array([0.58, 0.64, 0.69, 0.79, 0.77, 0.81, 0.85, 0.81, 0.90, 0.25, 0.91, 0.84], np.float32)
OFFSET = np.array([1150, 800, 500, 300, 265, 260, 235, 195, 185, 130, 5, 3], np.float32)
"""`L1C = GAIN * L2A + haze * OFFSET`, DN, per band, measured on six pairs of real scenes: haze is 1.0 at a sun zenith
of 20 to 56 degrees, 1.4 at 71 and 2.6 at 78."""


def conversion(l2a: np.ndarray, as_l2a: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and summand, (N, 12) float32, that convert pixels to another level.

    Args:
        l2a: (N,) bool, True if the pixels are L2A.
        as_l2a: (N,) bool, True to convert them to L2A.
        rng: random number generator, for the haze.
    """
    haze = np.exp(rng.normal(0.0, 0.15, (len(l2a), 1)))
    # Some pixels are converted as under a low sun, only from L2A to L1C: the opposite removes a third of the light.
    low_sun = (rng.random(haze.shape) < 0.08) & l2a[:, None]
    haze = np.where(low_sun, haze * rng.uniform(1, 2, haze.shape), haze).astype(np.float32)
    to_l2a, to_l1c = (~l2a & as_l2a)[:, None], (l2a & ~as_l2a)[:, None]
    factor = np.where(to_l2a, 1 / GAIN, np.where(to_l1c, GAIN, np.float32(1)))
    summand = np.where(to_l2a, -haze * OFFSET / GAIN, np.where(to_l1c, haze * OFFSET, np.float32(0)))
    return factor.astype(np.float32), summand.astype(np.float32)


def highest_seen(dn: np.ndarray) -> np.ndarray:
    """Return the highest DN that a network is trained on, including L1C chips that are converted to L2A.

    Args:
        dn: (12,) highest DN of the L1C chips.

    Returns:
        (12,) whole DN, float64.
    """
    seen: np.ndarray = np.ceil(dn / GAIN.astype(np.float64))
    return seen
