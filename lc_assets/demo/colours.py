"""Compute the surface reflectance of a landscape, in four steps:

1. Each pixel gets a material of its class (a crop at some stage of growth, a roof, a garden).
2. The texture of each class is added.
3. Narrow objects (tracks, hedges, banks, roads, the river) are mixed in, by the share of the pixel that they cover.
4. The image is blurred, as by the optics.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from lc_assets.demo.fields import (
    borders,
    fractal_noise,
    parcels,
    pick_by_id,
    smooth_noise,
    textured_noise,
    warped_coordinates,
)
from lc_assets.demo.landscape import CARRIAGEWAY, CODE, RIVER_HALF_WIDTH, Landscape
from lc_assets.demo.materials import Materials, read_materials
from lc_assets.sentinel2.band_table import BAND_NAMES

DARKEST = 20.0
"""Lowest DN of a surface."""
BLUR = 0.55
"""Standard deviation (px) of the blur by optics and detector. Sentinel-2's modulation transfer at the Nyquist frequency
is about 0.2."""
TEXTURE = {
    "AnnualCrop": 1.0,
    "Pasture": 1.1,
    "PermanentCrop": 1.2,
    "Residential": 0.5,
    "Industrial": 0.3,
    "SeaLake": 2.5,
}
"""Strength of the texture inside a material, in measured standard deviations; `ROUGH` for the other classes. With these
values chips of the scene vary as much as real chips."""
ROUGH = 1.3
SOFT = {"Forest": (0.55, 0.35, 0.3), "HerbaceousVegetation": (0.65, 0.35, 0.3)}
"""Classes whose materials change gradually: weights of the variation over large distances, from parcel to parcel, and
within a parcel."""
GROWING = {"AnnualCrop", "Pasture", "PermanentCrop"}
"""Classes whose parcels are green for a part of the year."""
WINTER_CROPS = 0.6
"""Share of the fields with cereals and rape, which are green in May. The others have maize and beets."""
PEAK_DAYS = 140, 215
"""Days of the year on which winter crops and summer crops are greenest."""
VERGE_NDVI = 0.5
"""Materials of highway chips with a higher NDVI are roadside vegetation."""
TABLE = 512
"""Length of the tables from which the materials of parcels are drawn."""
FARM_CLASSES = np.isin(np.arange(256), (CODE["AnnualCrop"], CODE["Pasture"]))
"""(256,) bool: class codes on which farms are placed."""


def paint(
    landscape: Landscape,
    rng: np.random.Generator,
    day: int | None = None,
    daily: np.random.Generator | None = None,
) -> np.ndarray:
    """Return (12, rows, columns) float32 surface reflectance in DN (reflectance * 10000, no offset) at 10 m.

    Args:
        landscape: classes and parcels.
        rng: random number generator. The same state gives the same ground on each day.
        day: day of the year, which decides how green the plants are; None draws a stage of growth for each parcel.
        daily: random number generator of the texture, in another state on each day; by default `rng`.
    """
    materials = read_materials()
    spectra, material, gain = _materials(landscape, materials, rng, day)
    cube = np.empty((len(BAND_NAMES), *material.shape), np.float32)
    for band, layer in enumerate(cube):
        np.multiply(spectra[:, band][material], gain, out=layer)
    _texture(cube, landscape, materials, daily or rng)
    for spectrum, share in _overlays(landscape, materials, rng):
        for value, layer in zip(spectrum, cube, strict=True):
            layer += (value - layer) * share
    for layer in cube:
        ndimage.gaussian_filter(layer, BLUR, output=layer, mode="nearest")
    return np.maximum(cube, DARKEST, out=cube)


def _materials(
    landscape: Landscape, materials: dict[str, Materials], rng: np.random.Generator, day: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all spectra (K, 12), each pixel's index in them, and each pixel's brightness relative to its material."""
    shape = landscape.cover.shape
    number, gain = np.zeros(shape, np.int16), np.ones(shape, np.float32)
    pieces = {
        "AnnualCrop": landscape.parcel,
        "Pasture": landscape.parcel // 2,
        "PermanentCrop": _plots(landscape, (11, 17), rng),
        "Highway": _plots(landscape, (9, 20), rng),
        "Industrial": landscape.lot,
    }
    spectra: list[np.ndarray] = []
    for name, code in CODE.items():
        inside = landscape.cover == code
        palette, start = materials[name], sum(map(len, spectra))
        if name == "Highway":
            palette = palette.where(palette.ndvi > VERGE_NDVI)
        spectra.append(palette.spectra)
        if name in pieces:
            ids = pieces[name][inside]
            if day is None or name not in GROWING:
                stages = palette.sample(TABLE, rng)
            else:
                stages = _grown_on(day, name, palette, rng)
            number[inside] = start + pick_by_id(ids, stages)
            gain[inside] = pick_by_id(ids, rng.normal(1, 0.06, TABLE + 1).astype(np.float32))
        elif name == "Residential":
            # Quarters have the same materials, but differ in the share of green ones.
            leafy = pick_by_id(landscape.quarter[inside], rng.uniform(0.6, 1.6, TABLE).astype(np.float32))
            place = pick_by_id(landscape.lot[inside], rng.random(TABLE * 8).astype(np.float32)) ** leafy
            number[inside] = start + palette.ordered_by_ndvi(TABLE)[(place * TABLE).astype(int)]
        elif name in SOFT:
            # Woods and heaths have no borders inside: their materials change along a gradient.
            spectra[-1] = palette.gradient(TABLE)
            stand = pick_by_id(landscape.parcel // 3, rng.standard_normal(TABLE).astype(np.float32))
            wide, fine = (fractal_noise(shape, scale, rng) for scale in (220, 30))
            greener = 0 if day is None else 1.2 * (_growth(day) - 0.7)
            rank = ndtr((SOFT[name][0] * wide + SOFT[name][1] * stand + SOFT[name][2] * fine)[inside] + greener)
            number[inside] = start + (rank * (TABLE - 1)).astype(int)
        else:
            number[inside] = start + int(palette.share.argmax())
    return np.concatenate(spectra), number, gain


def _growth(day: int) -> float:
    """Return how far the plants of a temperate summer have grown, 0..1, on a day of the year."""
    return float(np.exp(-(((day - 175) / 75) ** 2)))


def _grown_on(day: int, name: str, palette: Materials, rng: np.random.Generator) -> np.ndarray:
    """Return (TABLE,) indices of the materials that parcels of a class have on a day of the year.

    Crops are green for two or three months, and bare before and after. Grass and orchards change less.
    """
    if name == "AnnualCrop":
        peak = np.where(rng.random(TABLE) < WINTER_CROPS, *PEAK_DAYS) + rng.normal(0, 12, TABLE)
        green = np.exp(-(((day - peak) / 45) ** 2))
    else:
        green = rng.random(TABLE) + 0.5 * (_growth(day) - 0.7)
    return palette.ordered_by_ndvi(TABLE)[(green.clip(0, 1) * (TABLE - 1)).astype(int)]


def _plots(landscape: Landscape, size: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Return int32 ids of plots of a given size, oriented like their district and cut at the borders of parcels."""
    row, column = warped_coordinates(landscape.cover.shape, rng, (60, 3))
    out = np.zeros(landscape.cover.shape, np.int32)
    for number in np.unique(landscape.district):
        inside = landscape.district == number
        out[inside] = parcels(row[inside], column[inside], size, rng.uniform(0, np.pi), rng)
    return out * 31 + landscape.parcel * 7919


def _texture(cube: np.ndarray, landscape: Landscape, materials: dict[str, Materials], rng: np.random.Generator) -> None:
    """Add variation to the pixels of each class, in place, with the spectral and spatial statistics of the chips."""
    for name, code in CODE.items():
        inside = landscape.cover == code
        if not inside.any():
            continue
        rows, columns = (slice(int(n.min()), int(n.max()) + 1) for n in np.nonzero(inside))
        box = inside[rows, columns]
        palette = materials[name]
        for component, power in zip(palette.components, palette.power, strict=True):
            field = TEXTURE.get(name, ROUGH) * textured_noise(box.shape, power, rng)[box]
            for weight, layer in zip(component, cube, strict=True):
                layer[rows, columns][box] += weight * field
    # Slow variation: soils and moisture vary over hundreds of metres.
    cube *= 1 + 0.04 * fractal_noise(landscape.cover.shape, 150, rng)


def _overlays(
    landscape: Landscape, materials: dict[str, Materials], rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of a spectrum (12,) and the share (rows, columns) of each pixel that it covers.

    Later pairs cover earlier ones.
    """
    shape = landscape.cover.shape
    cover = landscape.cover
    tree = materials["Forest"].most_frequent
    crops, road = materials["AnnualCrop"], materials["Highway"]
    soil = crops.spectra[crops.brightness.argmax()]
    asphalt = road.spectra[road.ndvi.argmin()] * 0.6 + materials["Industrial"].most_frequent * 0.4
    meadow = materials["Pasture"].most_frequent
    rough = smooth_noise(shape, 7, rng)
    fine = smooth_noise(shape, 4, rng)

    edge = borders(landscape.parcel)
    pasture, crop, orchard = (cover == CODE[name] for name in ("Pasture", "AnnualCrop", "PermanentCrop"))
    hedge = ndimage.binary_dilation(edge & pasture & (rough > 0.2)) & (fine > -0.4)
    scrub = (cover == CODE["HerbaceousVegetation"]) & (rough + 0.5 * fine > 2.1)
    clearing = (cover == CODE["Forest"]) & (fractal_noise(shape, 60, rng) > 2.3)
    streets = borders(landscape.block) & (landscape.quarter > 0)
    bank = np.clip(1.5 - np.abs(landscape.river - RIVER_HALF_WIDTH - 4) / 3 + 0.6 * rough, 0, 1)
    shore = ndimage.gaussian_filter((cover == CODE["SeaLake"]).astype(np.float32), 2.0)
    axis, half = CARRIAGEWAY
    lanes = np.clip(half + 0.5 - np.abs(landscape.road - axis), 0, 1)
    verge = np.clip(5.5 - landscape.road, 0, 1)
    farms = _farms(landscape, rng)
    roofs = materials["Residential"]
    near_river = landscape.river < RIVER_HALF_WIDTH + 16 + 4 * rough
    water = landscape.water
    return [
        (soil, 0.45 * (edge & crop & (pick_by_id(landscape.parcel, rng.random(TABLE)) < 0.35))),
        (soil, 0.55 * (borders(landscape.parcel // 2) & orchard)),
        (tree, 0.7 * hedge),
        (tree, 0.7 * scrub),
        (materials["HerbaceousVegetation"].most_frequent, 0.8 * clearing),
        (asphalt, 0.7 * streets),
        (roofs.spectra[roofs.brightness.argmax()], 0.8 * farms),
        (tree, 0.9 * np.clip(4 * shore * (1 - shore), 0, 1) * (cover != CODE["SeaLake"]) * (rough > -0.7)),
        (meadow, 0.85 * (near_river & (cover != CODE["SeaLake"]))),
        (tree, 0.9 * bank * (landscape.river > RIVER_HALF_WIDTH)),
        (_river_water(materials["River"]), water),
        (meadow, 0.6 * verge),
        (tree, 0.7 * ((np.abs(landscape.road - 7.5) < 1.6) & (rough > 0.5) & (water == 0))),
        (asphalt, 0.95 * np.maximum(lanes, 0.8 * np.clip(1.6 - landscape.ramp, 0, 1))),
    ]


def _river_water(palette: Materials) -> np.ndarray:
    """Return the spectrum of the brightest material of the river chips whose NDVI is below 0.1, which is water."""
    wet = palette.where(palette.ndvi < 0.1)
    return wet.spectra[wet.brightness.argmax()]


def _farms(landscape: Landscape, rng: np.random.Generator) -> np.ndarray:
    """Return the share of each pixel covered by roofs of single farms on open land, (rows, columns) float32."""
    shape = landscape.cover.shape
    out = np.zeros(shape, np.float32)
    for _ in range(shape[0] * shape[1] // 60_000):
        y, x = (int(rng.integers(8, n - 8)) for n in shape)
        if FARM_CLASSES[landscape.cover[y, x]] and landscape.river[y, x] > 30 and landscape.road[y, x] > 12:
            for dy, dx in rng.integers(-5, 6, (7, 2)):
                out[y + dy : y + dy + 2, x + dx : x + dx + 1] = rng.uniform(0.4, 1)
    return out
