"""Make one chip look like many: turned, hazier or clearer, with bands missing, with parts hidden.

The radiometric jitter is wide enough to span top of atmosphere (L1C, what EuroSAT is) and bottom of atmosphere (L2A,
what the Planetary Computer serves): the atmosphere adds light mostly in the blue, and takes it mostly in the water
vapour band.
"""

from __future__ import annotations

import numpy as np

from lc_assets.sentinel2.band_table import BAND_NAMES, TRUE_COLOUR

HAZE_DN = np.array([950, 800, 500, 330, 280, 200, 180, 170, 150, 120, 60, 40], np.float32)
"""Path radiance of a clear to hazy atmosphere per band (DN), falling with wavelength; differences of the mean spectra
of the L1C and L2A chips in the blue bands are of this size."""
GAIN_SIGMA = np.array([0.12, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10, 0.35, 0.12, 0.12], np.float32)
"""Spread of the log gain per band; wide in B09, where water vapour takes half of the light in L1C and L2A gives it
back."""

_WIDEST = 1.1
"""Largest amount of variation that is drawn."""
_COMMON_GAIN_SIGMA = 0.12
"""Spread of the log gain that all bands of a chip share."""
_HAZE = (-0.95, 0.45)
"""Range of the haze that all bands of a chip share, as shares of `HAZE_DN`."""

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
    """Random variants of chips as network input.

    Args:
        dn: (N, 12, 64, 64) uint16.
        present: (N, 12) bool, bands that each chip has.
        mean, std: (12,) scaling of the contract.
        rng: source of chance.
        jitter: how far gains and haze vary, as a share of this module's ranges. Half of the chips vary by less than
            half of that: most scenes are no extremes.
        bands_dropped: share of chips that lose bands.
        hidden: share of chips that lose a part of their area.

    Returns:
        (N, 12, 64, 64) float32, 0 where a band is absent or a pixel hidden.
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
    """The highest DN that a network is trained on where chips hold no higher ones than these: with the widest gain, to
    three standard deviations, and the thickest haze.

    Args:
        dn: (12,) highest DN of the chips.

    Returns:
        (12,) whole DN, float64.
    """
    gain = np.exp(_WIDEST * 3 * np.hypot(_COMMON_GAIN_SIGMA, GAIN_SIGMA))
    seen: np.ndarray = np.ceil(dn * gain + _WIDEST * _HAZE[1] * HAZE_DN)
    return seen


def _kept_bands(n: int, rng: np.random.Generator, share: float) -> np.ndarray:
    """Channel dropout: of the chips concerned, most lose a few bands, a quarter all but the visible ones."""
    kept = rng.random((n, len(BAND_NAMES))) > rng.uniform(0.05, 0.5, (n, 1))
    kept[rng.random(n) < 0.25] = _RGB
    kept[~kept.any(axis=1)] = True
    kept[rng.random(n) >= share] = True
    return kept


def _hidden(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Some chips lose a half plane or a box, as at swath edges and under clouds; never more than about half."""
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
    """One of the eight symmetries of the square, per chip."""
    kind = rng.integers(0, 8, len(x))
    out = np.empty_like(x)
    for k in range(8):
        chosen = kind == k
        part = np.rot90(x[chosen], k % 4, axes=(2, 3))
        out[chosen] = part[..., ::-1] if k >= 4 else part
    return out
