"""Random fields with a given look: the raw material of land and of its borders."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def smooth_noise(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> np.ndarray:
    """(rows, columns) float32 of zero mean and unit variance, smooth over about `scale` pixels.

    Args:
        shape: rows, columns.
        scale: correlation length in pixels; made on a grid of a quarter of it and interpolated.
        rng: source of chance.
    """
    step = max(scale / 4, 1.0)
    coarse = rng.standard_normal([int(n / step) + 8 for n in shape])
    coarse = ndimage.gaussian_filter(coarse, 2.0)
    rows, columns = (np.arange(n, dtype=np.float32) / step + 2 for n in shape)
    field = ndimage.map_coordinates(coarse, np.meshgrid(rows, columns, indexing="ij"), order=1)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def textured_noise(shape: tuple[int, int], power: list[float], rng: np.random.Generator) -> np.ndarray:
    """(rows, columns) float32 Gaussian field of zero mean and unit variance with a given radial power spectrum.

    Args:
        shape: rows, columns.
        power: mean power in equal bins of spatial frequency from 0 to 0.5 cycles a pixel.
        rng: source of chance.
    """
    noise = np.fft.rfft2(rng.standard_normal(shape).astype(np.float32))
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])).astype(np.float32)
    centres = (np.arange(len(power)) + 0.5) * 0.5 / len(power)
    field = np.fft.irfft2(noise * np.sqrt(np.interp(frequency, centres, power)), shape)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def with_distribution(field: np.ndarray, quantiles: list[float], levels: np.ndarray) -> np.ndarray:
    """A unit Gaussian field reshaped to a measured distribution: roofs are bright and few, shadows dark and fewer.

    Args:
        field: standard normal values.
        quantiles: measured values at `levels`.
        levels: probabilities, ascending.
    """
    from scipy.special import ndtri

    return np.interp(field, ndtri(levels), quantiles).astype(np.float32)


def parcels(shape: tuple[int, int], width: float, height: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """(rows, columns) int32 ids of field-like parcels: strips of uneven width, cut across at uneven places, turned by
    `angle`."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    u = np.cos(angle) * columns + np.sin(angle) * rows
    v = -np.sin(angle) * columns + np.cos(angle) * rows
    strip = np.searchsorted(_cuts(float(u.min()), float(u.max()), width, rng), u).astype(np.int32)
    cuts = _cuts(float(v.min()), float(v.max()), height, rng)
    shift = rng.uniform(0, height, int(strip.max()) + 1).astype(np.float32)
    return strip * 10_000 + np.searchsorted(cuts, v + shift[strip]).astype(np.int32)


def _cuts(low: float, high: float, mean: float, rng: np.random.Generator) -> np.ndarray:
    steps = rng.uniform(0.5, 1.5, int((high - low) / mean * 2) + 4) * mean
    return low + np.cumsum(steps)
