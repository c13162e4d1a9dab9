"""The lie of the land: which class is where, and which parcel a pixel belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lc_assets.demo.fields import parcels, smooth_noise
from lc_assets.landcover import CLASS_NAMES

CODE = {name: code for code, name in enumerate(CLASS_NAMES)}

ZONES = 46
"""Patches of open land: large against the network's 64 px window, as land use is in much of Europe."""

SHARES = {"AnnualCrop": 0.34, "Pasture": 0.17, "Forest": 0.25, "HerbaceousVegetation": 0.13, "PermanentCrop": 0.11}
"""Share of the zones by class, before water and towns are laid over them."""


@dataclass(frozen=True)
class Landscape:
    """Everything about the land but its colours; all arrays (rows, columns).

    Attributes:
        classes: uint8 class codes.
        parcel: int32 ids; pixels of a parcel look alike.
        river, road, streets: float32 coverage by water, asphalt, streets, 0..1.
        rows: float32 phase of planted rows, -1..1.
    """

    classes: np.ndarray
    parcel: np.ndarray
    river: np.ndarray
    road: np.ndarray
    streets: np.ndarray
    rows: np.ndarray


def make_landscape(shape: tuple[int, int], rng: np.random.Generator) -> Landscape:
    """Lay out zones, lake, river, town, industry and road on (rows, columns) pixels of 10 m."""
    row, column = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    unit = min(shape) / 1380
    row += 28 * unit * smooth_noise(shape, 150 * unit, rng) + 4 * smooth_noise(shape, 24, rng)
    column += 28 * unit * smooth_noise(shape, 150 * unit, rng) + 4 * smooth_noise(shape, 24, rng)
    zone, zone_class = _zones(row, column, shape, rng)
    classes = zone_class[zone].astype(np.uint8)
    parcel = _fields(shape, zone, classes, rng)
    height, width = shape

    forest = _blob(row, column, 0.20 * height, 0.22 * width, 0.17 * height, 0.20 * width)
    classes[forest], parcel[forest] = CODE["Forest"], 80_000_000
    town = _blob(row, column, 0.55 * height, 0.43 * width, 0.125 * height, 0.12 * width)
    industry = _blob(row, column, 0.66 * height, 0.575 * width, 0.085 * height, 0.08 * width) & ~town
    lake = _blob(row, column, 0.26 * height, 0.72 * width, 0.14 * height, 0.13 * width)
    for mask, name, size in ((town, "Residential", 34), (industry, "Industrial", 10)):
        classes[mask] = CODE[name]
        parcel[mask] = parcels(shape, size, size * 1.4, rng.uniform(0, np.pi), rng)[mask] + 90_000_000

    path = width * (0.80 + 0.05 * np.sin(row / height * 7.0) + 0.025 * np.sin(row / height * 19.0 + 1.0))
    from_river = np.abs(column - path)
    below_lake = row > 0.3 * height
    river = np.clip((13 * unit**0.5 - from_river) / 2 + 0.5, 0, 1) * below_lake
    valley = (from_river < 34) & below_lake
    classes[valley], parcel[valley] = CODE["River"], 81_000_000

    line = 0.90 * height - 0.34 * height * (column / width) + 0.02 * height * np.sin(column / width * 6)
    across = np.abs(row - line) / np.hypot(1, 0.34 * height / width)
    open_land = ~np.isin(classes, (CODE["River"], CODE["Residential"], CODE["Industrial"]))
    corridor = (across < 27) & open_land
    # Verges differ along the road, as the land beside it does.
    classes[corridor], parcel[corridor] = CODE["Highway"], 82_000_000 + (column[corridor] // 220).astype(np.int32)
    # Two carriageways with a strip between them, and a bridge over the river.
    road = np.clip(2.0 - np.abs(across - 2.2), 0, 1)
    classes[lake], parcel[lake] = CODE["SeaLake"], 83_000_000
    river[lake] = 0
    road[lake] = 0
    return Landscape(
        classes,
        parcel,
        river.astype(np.float32),
        road.astype(np.float32),
        _streets(shape, rng),
        _planted_rows(shape, zone, rng),
    )


def _zones(
    row: np.ndarray, column: np.ndarray, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Zone ids by nearest seed in the warped plane, and the class of each zone."""
    seeds = rng.uniform(0, 1, (ZONES, 2)) * shape
    for _ in range(3):  # a few rounds of mutual repulsion: no slivers
        apart = seeds[:, None] - seeds[None]
        distance = np.maximum(np.hypot(apart[..., 0], apart[..., 1]), 1)
        seeds += (apart / distance[..., None] ** 2).sum(axis=1) * shape[0] ** 2 / ZONES**1.5 / 9
        seeds = np.clip(seeds, 0, np.array(shape))
    best = np.full(shape, np.inf, np.float32)
    zone = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(seeds):
        distance = np.hypot(row - y, column - x)
        nearer = distance < best
        best[nearer], zone[nearer] = distance[nearer], number
    counts = np.rint(np.array(list(SHARES.values())) * ZONES).astype(int)
    kinds = np.repeat([CODE[name] for name in SHARES], counts)
    kinds = np.resize(rng.permutation(kinds), ZONES)
    return zone, kinds


def _fields(shape: tuple[int, int], zone: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Parcels inside zones; woods and heaths are one parcel each."""
    parcel = zone.astype(np.int32) * 1_000_000
    sizes = {"AnnualCrop": (38, 80), "Pasture": (34, 60), "PermanentCrop": (13, 20)}
    for number in np.unique(zone):
        inside = zone == number
        name = CLASS_NAMES[int(classes[inside][0])]
        if name in sizes:
            rows, columns = np.nonzero(inside)
            top, left = rows.min(), columns.min()
            box = (int(rows.max() - top + 1), int(columns.max() - left + 1))
            ids = parcels(box, *sizes[name], rng.uniform(0, np.pi), rng)
            parcel[inside] += 1 + ids[rows - top, columns - left] % 900_000
    return parcel


def _blob(row: np.ndarray, column: np.ndarray, y: float, x: float, ry: float, rx: float) -> np.ndarray:
    return ((row - y) / ry) ** 2 + ((column - x) / rx) ** 2 < 1


def _streets(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Coverage by the streets of a town: two uneven families of lines, bent a little."""
    row, column = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    row += 10 * smooth_noise(shape, 90, rng)
    column += 10 * smooth_noise(shape, 90, rng)
    out = np.zeros(shape, np.float32)
    for angle, spacing in ((0.35, 11.0), (0.35 + np.pi / 2, 17.0)):
        u = np.cos(angle) * column + np.sin(angle) * row
        out = np.maximum(out, np.clip(1.1 - np.abs((u % spacing) - spacing / 2), 0, 1))
    return out


def _planted_rows(shape: tuple[int, int], zone: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of vines and trees, a few pixels apart, turned another way in each zone."""
    row, column = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    angle = rng.uniform(0, np.pi, int(zone.max()) + 1).astype(np.float32)[zone]
    return np.sin((np.cos(angle) * column + np.sin(angle) * row) * 2 * np.pi / 3.4)
