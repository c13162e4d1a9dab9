"""Random fields with given statistics, and parcels with random borders."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

Shape = tuple[int, int]


def smooth_noise(shape: Shape, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return (rows, columns) float32 noise with zero mean and unit variance, smooth over about `scale` pixels."""
    step = max(scale / 4, 1.0)
    coarse = ndimage.gaussian_filter(rng.standard_normal([int(n / step) + 8 for n in shape]), 2.0)
    rows, columns = (np.arange(n, dtype=np.float32) / step + 2 for n in shape)
    field = ndimage.map_coordinates(coarse, np.meshgrid(rows, columns, indexing="ij"), order=1)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def fractal_noise(shape: Shape, scale: float, rng: np.random.Generator, octaves: int = 4) -> np.ndarray:
    """Return a sum of smooth noises, (rows, columns) float32, with unit variance.

    Each octave has half the scale and 0.6 times the strength of the previous one.
    """
    field = np.zeros(shape, np.float32)
    for k in range(octaves):
        field += 0.6**k * smooth_noise(shape, scale / 2**k, rng)
    return field / field.std()


def textured_noise(shape: Shape, power: list[float], rng: np.random.Generator) -> np.ndarray:
    """Return a (rows, columns) float32 Gaussian field with unit variance and a given radial power spectrum.

    Args:
        shape: rows, columns.
        power: mean power in equal bins of spatial frequency from 0 to 0.5 cycles per pixel.
        rng: random number generator.
    """
    noise = np.fft.rfft2(rng.standard_normal(shape).astype(np.float32))
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])).astype(np.float32)
    centres = (np.arange(len(power)) + 0.5) * 0.5 / len(power)
    field = np.fft.irfft2(noise * np.sqrt(np.interp(frequency, centres, power)), shape)
    return (field / field.std()).astype(np.float32)


def warped_coordinates(
    shape: Shape, rng: np.random.Generator, *bends: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of each pixel, displaced by smooth noise.

    Args:
        shape: rows, columns.
        rng: random number generator.
        bends: pairs of scale and strength (px) of the noise.
    """
    row, column = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    for scale, strength in bends:
        row += strength * smooth_noise(shape, scale, rng)
        column += strength * smooth_noise(shape, scale, rng)
    return row, column


def voronoi_cells(row: np.ndarray, column: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the int32 number of the nearest of `count` random points for each pixel (Voronoi cells).

    The points repel each other, so no cell is very narrow.
    """
    size = np.array([row.max(), column.max()])
    seeds = rng.uniform(0, 1, (count, 2)) * size
    pitch = np.sqrt(size.prod() / count)
    for _ in range(20):
        apart = seeds[:, None] - seeds
        distance = np.hypot(apart[..., 0], apart[..., 1]) + 1
        push = np.maximum(pitch - distance, 0) / distance
        seeds = np.clip(seeds + 0.2 * (apart * push[..., None]).sum(axis=1), 0, size)
    best, cell = np.full(row.shape, np.inf, np.float32), np.zeros(row.shape, np.int32)
    for number, (y, x) in enumerate(seeds.astype(np.float32)):
        distance = (row - y) ** 2 + (column - x) ** 2
        nearer = distance < best
        best[nearer], cell[nearer] = distance[nearer], number
    return cell


def parcels(
    row: np.ndarray, column: np.ndarray, size: tuple[float, float], angle: float, rng: np.random.Generator
) -> np.ndarray:
    """Return int32 ids of parcels: parallel strips of random width, which are cut at random places.

    Args:
        row, column: coordinates; both have the same shape.
        size: mean width of the strips and mean length between the cuts (px).
        angle: direction of the strips, in radians.
        rng: random number generator.
    """
    u = np.cos(angle) * column + np.sin(angle) * row
    v = -np.sin(angle) * column + np.cos(angle) * row
    strip = np.searchsorted(_cuts(u, size[0], rng), u).astype(np.int32)
    cuts = _cuts(v, size[1], rng)
    shift = rng.uniform(0, (cuts[-1] - cuts[0]) / 2, int(strip.max()) + 1).astype(np.float32)
    period = cuts[-1] - cuts[0]
    return strip * 1000 + np.searchsorted(cuts, cuts[0] + (v - cuts[0] + shift[strip]) % period).astype(np.int32)


def _cuts(along: np.ndarray, mean: float, rng: np.random.Generator) -> np.ndarray:
    low, high = float(along.min()), float(along.max())
    return low + np.cumsum(rng.uniform(0.4, 1.6, int((high - low) / mean * 1.6) + 4)) * mean


def borders(ids: np.ndarray) -> np.ndarray:
    """Return (rows, columns) bool: True where the right or the lower neighbour has another id."""
    edge = np.zeros(ids.shape, bool)
    edge[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    edge[:-1] |= ids[:-1] != ids[1:]
    return edge


def pick_by_id(ids: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return an entry of the table `values` for each id, selected by a hash of the id."""
    return values[(ids.astype(np.uint32) * np.uint32(2654435761) >> np.uint32(9)) % np.uint32(len(values))]
