"""Augment chips: rotate and flip them, vary haze and gain, drop bands, hide parts.

The radiometric jitter is wide enough to cover both top of atmosphere (L1C, as in EuroSAT) and bottom of atmosphere
(L2A, as on the Planetary Computer). The atmosphere adds light mostly in the blue, and absorbs light mostly in the water
vapour band.
"""

from __future__ import annotations

import numpy as np

from lc_assets.sentinel2.band_table import BAND_NAMES, TRUE_COLOUR

HAZE_DN = np.array([950, 800, 500, 330, 280, 200, 180, 170, 150, 120, 60, 40], np.float32)
"""Path radiance of a clear to hazy atmosphere per band (DN), decreasing with wavelength. The mean spectra of the L1C
and L2A chips differ by about this much in the blue bands."""
GAIN_SIGMA = np.array([0.12, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.35, 0.12, 0.12], np.float32)
"""Standard deviation of the log gain per band. It is large in B09, where water vapour absorbs half of the light in L1C,
which L2A corrects."""

_WIDEST = 1.1
"""Largest factor of the variation that is drawn."""
_COMMON_GAIN_SIGMA = 0.12
"""Standard deviation of the log gain that all bands of a chip share."""
_HAZE = (-0.95, 0.45)
"""Range of the haze that all bands of a chip share, as a fraction of `HAZE_DN`."""

_RGB = np.isin(BAND_NAMES, TRUE_COLOUR)


def augment(
    dn: np.ndarray,
    present: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray,
    rng: np.random.Generator,
    *,
    jitter: float = 1.0,
    bands_dropped: float = 0.1,
    hidden: float = 0.05,
) -> np.ndarray:
    """Return random variants of chips as network input.

    Args:
        dn: (N, 12, 64, 64) uint16 DN.
        present: (N, 12) bool, the bands that each chip has.
        mean, std: (12,) scaling of the contract.
        rng: random number generator.
        jitter: amount by which gain and haze vary, as a fraction of this module's ranges. Half of the chips vary by
            less than half of it, because most scenes are not extreme.
        bands_dropped: share of chips that lose bands.
        hidden: share of chips that lose a part of their area.

    Returns:
        (N, 12, 64, 64) float32, 0 where a band is absent or a pixel is hidden.
    """
    n, bands = present.shape
    amount = jitter * rng.uniform(0, np.where(rng.random((n, 1)) < 0.5, 0.4, _WIDEST))
    gain = np.exp(amount * (rng.normal(0, _COMMON_GAIN_SIGMA, (n, 1)) + rng.normal(0, 1, (n, bands)) * GAIN_SIGMA))
    haze = amount * (rng.uniform(*_HAZE, (n, 1)) + rng.normal(0, 0.12, (n, bands)))
    x = dn.astype(np.float32)
    x *= gain[..., None, None].astype(np.float32)
    x += (haze * HAZE_DN)[..., None, None].astype(np.float32)
    np.maximum(x, 1, out=x)
    x -= mean[:, None, None]
    x /= std[:, None, None]
    x += rng.normal(0, 0.03, (n, bands, 1, 1)).astype(np.float32)
    x *= (present & _kept_bands(n, rng, bands_dropped))[..., None, None]
    return _turned(_hidden(x, rng, hidden), rng)


def highest_seen(dn: np.ndarray) -> np.ndarray:
    """Return the highest DN that a network is trained on: that of the chips, with the largest gain (three standard
    deviations) and the thickest haze.

    Args:
        dn: (12,) highest DN of the chips.

    Returns:
        (12,) whole DN, float64.
    """
    gain = np.exp(_WIDEST * 3 * np.hypot(_COMMON_GAIN_SIGMA, GAIN_SIGMA))
    seen: np.ndarray = np.ceil(dn * gain + _WIDEST * _HAZE[1] * HAZE_DN)
    return seen


def _kept_bands(n: int, rng: np.random.Generator, share: float) -> np.ndarray:
    """Return (n, 12) bool, the bands to keep. Of the selected share of chips, most lose some bands, and a quarter lose
    all but the visible ones."""
    kept = rng.random((n, len(BAND_NAMES))) > rng.uniform(0.05, 0.5, (n, 1))
    kept[rng.random(n) < 0.25] = _RGB
    kept[~kept.any(axis=1)] = True
    kept[rng.random(n) >= share] = True
    return kept


def _hidden(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Hide a half plane or a box of some chips, in place, as at swath edges and under clouds; at most about half of a
    chip."""
    size = x.shape[-1]
    for i in np.flatnonzero(rng.random(len(x)) < share):
        if rng.random() < 0.5:
            angle = rng.uniform(0, 2 * np.pi)
            v, u = np.mgrid[:size, :size] - (size - 1) / 2
            x[i, :, np.cos(angle) * u + np.sin(angle) * v > rng.uniform(0.02, 0.45) * size] = 0
        else:
            height, width = rng.integers(8, 44, 2)
            top, left = rng.integers(0, size - height), rng.integers(0, size - width)
            x[i, :, top : top + height, left : left + width] = 0
    return x


def _turned(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a random one of the eight symmetries of the square to each chip."""
    kind = rng.integers(0, 8, len(x))
    out = np.empty_like(x)
    for k in range(8):
        chosen = kind == k
        part = np.rot90(x[chosen], k % 4, axes=(2, 3))
        out[chosen] = part[..., ::-1] if k >= 4 else part
    return out
