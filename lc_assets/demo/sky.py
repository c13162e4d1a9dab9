"""The parts of the scene where the ground is hidden (clouds, their shadows, the edge of the swath), its haze
and its SCL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lc_assets.demo.fields import Shape, fractal_noise, smooth_noise
from lc_assets.demo.landscape import CODE, Landscape
from lc_assets.sentinel2.band_table import BAND_INDEX, BANDS, SCL_GSD

CLOUD_DN = np.array([6200, 6300, 6400, 6600, 6700, 6800, 6900, 6900, 7000, 5200, 4300, 3300], np.float32)
"""Spectrum of a bright cumulus in L2A, DN without offset: white in the visible bands, darker where water and ice absorb
(B09, B11, B12)."""
SHADOW_GAIN = np.array([0.55, 0.5, 0.45, 0.4, 0.38, 0.36, 0.35, 0.35, 0.34, 0.34, 0.3, 0.28], np.float32)
"""Share of the brightness in full shadow, where only skylight reaches the ground: highest in the blue."""
SHADOW_OFFSET = (-70, -42)
"""Rows and columns (px) from a cloud to its shadow, for a cloud at 1400 m and the sun 31 degrees from the zenith in the
south-south-east."""
SWATH_EDGE = (0.24, 0.13)
"""Points where the edge of the swath meets the scene's left and upper side, as shares of height and width."""
VEGETATED_NDVI = 0.4
HAZE_DN = np.array([520, 430, 320, 250, 210, 180, 160, 150, 130, 90, 30, 15], np.float32)
"""Reflectance that haze adds where the atmospheric correction has missed it, DN: most in the blue."""


@dataclass(frozen=True)
class Sky:
    """Clouds, shadows and the swath's edge. All arrays are (rows, columns) at 10 m.

    Attributes:
        cloud: float32 opacity, 0..1.
        shadow: float32 share of the direct sunlight that is blocked, 0..1.
        outside: bool, True outside the swath. It consists of whole 60 m pixels, so that all bands agree.
    """

    cloud: np.ndarray
    shadow: np.ndarray
    outside: np.ndarray


def make_sky(shape: Shape, rng: np.random.Generator) -> Sky:
    """Return a sky with one broken cloud in the south-west, and the north-western corner outside the swath."""
    height, width = shape
    row, column = np.mgrid[:height, :width].astype(np.float32)
    y, x = (row / height - 0.80) / 0.085, (column / width - 0.17) / 0.085
    cloud = np.clip((0.7 - y * y - x * x + 0.75 * fractal_noise(shape, 70, rng, 5)) * 1.1, 0, 1) * (y * y + x * x < 4)
    step = max(band.factor for band in BANDS)
    v, u = np.mgrid[: height // step, : width // step] * step
    outside = v / (SWATH_EDGE[0] * height) + u / (SWATH_EDGE[1] * width) < 1
    return _with_shadow(cloud, outside.repeat(step, 0).repeat(step, 1))


def make_cloudy_sky(shape: Shape, cover: float, rng: np.random.Generator) -> Sky:
    """Return a sky with clouds over a share of the scene, at random places, and without an edge of the swath."""
    density = fractal_noise(shape, 160, rng, 5)
    cloud = np.clip((density - np.quantile(density, 1 - cover)) * 2, 0, 1)
    return _with_shadow(cloud, np.zeros(shape, bool))


def _with_shadow(cloud: np.ndarray, outside: np.ndarray) -> Sky:
    cloud = ndimage.gaussian_filter(cloud.astype(np.float32), 1.2)
    return Sky(cloud, ndimage.gaussian_filter(ndimage.shift(cloud, SHADOW_OFFSET, order=0), 1.0), outside)


def add_haze(cube: np.ndarray, strength: float, rng: np.random.Generator) -> None:
    """Add haze to a cube (12, rows, columns) of DN without offset, in place: `HAZE_DN` times its strength, in waves."""
    field = strength * (1 + 0.4 * smooth_noise(cube.shape[1:], 300, rng)).clip(0)
    for layer, bright in zip(cube, HAZE_DN, strict=True):
        layer += bright * field


def add_clouds(cube: np.ndarray, sky: Sky) -> None:
    """Add the shadow and the cloud to a cube (12, rows, columns) of DN without offset, in place."""
    for layer, bright, gain in zip(cube, CLOUD_DN, SHADOW_GAIN, strict=True):
        layer *= 1 - sky.shadow * (1 - gain)
        layer += (bright * (0.75 + 0.25 * sky.cloud) - layer) * sky.cloud


def scene_classification(landscape: Landscape, cube: np.ndarray, sky: Sky) -> np.ndarray:
    """Return the SCL (uint8) at 20 m: vegetation, not vegetated, water, shadow, clouds, no data.

    Args:
        landscape: the landscape, for its water.
        cube: (12, rows, columns) ground under a clear sky, DN without offset.
        sky: clouds, shadow and the edge of the swath.
    """
    step = SCL_GSD // 10
    red, near = (cube[BAND_INDEX[name], ::step, ::step] for name in ("B04", "B08"))
    scl = np.where((near - red) > VEGETATED_NDVI * (near + red), 4, 5)
    water = (landscape.cover == CODE["SeaLake"]) | (landscape.water > 0.5)
    scl[water[::step, ::step]] = 6
    scl[sky.shadow[::step, ::step] > 0.25] = 3
    for opacity, code in ((0.08, 10), (0.2, 8), (0.5, 9)):
        scl[sky.cloud[::step, ::step] > opacity] = code
    scl[sky.outside[::step, ::step]] = 0
    return scl.astype(np.uint8)
