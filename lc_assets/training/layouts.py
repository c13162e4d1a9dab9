"""Random shapes for the parts of a mosaic, similar to those of real landscapes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def smooth_noise(size: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return (size, size) float32 noise of mean 0 and standard deviation 1 whose features are about `scale` px wide."""
    coarse = max(3, int(np.ceil(size / scale)) + 2)
    grid = rng.standard_normal((coarse, coarse)).astype(np.float32)
    zoomed = ndimage.zoom(grid, (size + 1) / (coarse - 1), order=1)[:size, :size]
    spread = float(zoomed.std())
    out: np.ndarray = (zoomed - zoomed.mean()) / max(spread, 1e-6)
    return out


def regions(size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (size, size) uint8 part numbers, 0 to `count` - 1. The parts have straight or bent borders."""
    centres = rng.uniform(0, size, (count, 2)).astype(np.float32)
    v, u = np.mgrid[:size, :size].astype(np.float32)
    if rng.random() < 0.6:
        bend = rng.uniform(1, 8)
        v, u = v + bend * smooth_noise(size, 16, rng), u + bend * smooth_noise(size, 16, rng)
    distance = (v - centres[:, 0, None, None]) ** 2 + (u - centres[:, 1, None, None]) ** 2
    return distance.argmin(axis=0).astype(np.uint8)


def blob(size: int, rng: np.random.Generator, largest: float = 45) -> np.ndarray:
    """Return (size, size) bool: a compact area with a radius of 2 px to `largest`, round, long or a rectangle."""
    radius = np.exp(rng.uniform(np.log(2), np.log(largest)))
    v, u = _rotated(size, rng)
    shape = np.exp(rng.uniform(0, 0.8))
    if rng.random() < 0.25:
        return (np.abs(v) < radius / shape) & (np.abs(u) < radius * shape)
    distance = np.hypot(v * shape, u / shape)
    distance += rng.uniform(0, 0.35) * radius * smooth_noise(size, max(4, radius), rng)
    return distance < radius


def curve(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return (size, size) bool: a bent band 1.5 to 28 px wide that crosses the mosaic, as a river does."""
    width = np.exp(rng.uniform(np.log(1.5), np.log(28)))
    v, u = _rotated(size, rng)
    wave = rng.uniform(40, 160) / (2 * np.pi)
    height, phase = rng.uniform(0, 0.9) * wave, rng.uniform(0, 2 * np.pi)
    # Distance across the band: the vertical one, divided by the length of the gradient.
    across = np.abs(v - height * np.sin(u / wave + phase)) / np.hypot(1, height / wave * np.cos(u / wave + phase))
    return across < width / 2 * (1 + 0.2 * smooth_noise(size, 20, rng))


def _rotated(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates of the pixels about a random point, in randomly turned axes."""
    v, u = np.mgrid[:size, :size].astype(np.float32)
    v, u = v - rng.uniform(0, size), u - rng.uniform(0, size)
    angle = rng.uniform(0, 2 * np.pi)
    return v * np.cos(angle) - u * np.sin(angle), v * np.sin(angle) + u * np.cos(angle)
