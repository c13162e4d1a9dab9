"""From a landscape to reflectance: every class in its typical spectra, scattered as the labelled chips scatter."""

from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np

from lc_assets.demo.fields import textured_noise, with_distribution
from lc_assets.demo.landscape import CODE, Landscape
from lc_assets.demo.statistics import QUANTILES, STATISTICS
from lc_assets.sentinel2.bands import BAND_NAMES

PARCEL_JITTER = 0.05
"""Relative spread of brightness between parcels of one typical spectrum."""

BLOCKY: dict[str, float] = {"Industrial": 0.85, "PermanentCrop": 0.6}
"""How much of a class's scatter is between its small parcels (halls and yards, plots) rather than inside them."""

RARE = 0.15
"""Typical spectra with a smaller share of their class's chips are left out: among them are hazy and half-clouded
chips."""


def paint(landscape: Landscape, rng: np.random.Generator) -> np.ndarray:
    """(12, rows, columns) float32 surface reflectance in DN (reflectance * 10000), no offset, at 10 m."""
    statistics = json.loads(STATISTICS.read_text(encoding="utf-8"))
    shape = landscape.classes.shape
    cube = np.zeros((len(BAND_NAMES), *shape), np.float32)
    for name, code in CODE.items():
        inside = landscape.classes == code
        if inside.any():
            rows, columns = (slice(int(n.min()), int(n.max()) + 1) for n in np.nonzero(inside))
            box = inside[rows, columns]
            painted = _one_class(statistics["classes"][name], name, landscape, (rows, columns), rng)
            cube[:, rows, columns][:, box] = painted[:, box]
    to_l2a = statistics["to_l2a"]
    gain, offset = (np.array(to_l2a[key], np.float32)[:, None, None] for key in ("gain", "offset"))
    cube *= gain
    cube += offset
    return np.maximum(cube, 20, out=cube)


def _one_class(
    statistics: dict[str, Any], name: str, landscape: Landscape, box: tuple[slice, slice], rng: np.random.Generator
) -> np.ndarray:
    parcel = landscape.parcel[box]
    base = _typical(statistics, name, parcel, rng)
    components = np.array(statistics["components"], np.float32)
    # Fields are smoother inside than chips are, whose scatter holds the edges between fields too.
    strength = {"AnnualCrop": 0.45, "Pasture": 0.6, "PermanentCrop": 0.75, "SeaLake": 0.25, "Highway": 0.7}.get(
        name, 0.9
    )
    for k, component in enumerate(components):
        field = textured_noise(parcel.shape, statistics["power"][k], rng)
        if name in BLOCKY:
            part = BLOCKY[name]
            field = np.sqrt(1 - part**2) * field + part * _per_parcel(parcel, rng)
        if name == "PermanentCrop" and k == 0:
            field = 0.85 * field + 0.5 * landscape.rows[box]
        if name == "Residential" and k == 0:
            field = field - 1.1 * landscape.streets[box]
        values = with_distribution(field, statistics["quantiles"][k], QUANTILES)
        base += strength * component[:, None, None] * values
    cover = {"River": landscape.river, "Highway": landscape.road}.get(name)
    if cover is not None:
        part = cover[box]
        thing = np.array(statistics["structure"], np.float32)[:, None, None] * (
            1 + 0.03 * rng.standard_normal(part.shape)
        )
        base = base * (1 - part) + thing.astype(np.float32) * part
    return base.astype(np.float32)


def _per_parcel(parcel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(rows, columns) float32: one standard normal value for each parcel."""
    ids, place = np.unique(parcel, return_inverse=True)
    return rng.standard_normal(len(ids)).astype(np.float32)[place.reshape(parcel.shape)]


def _typical(statistics: dict[str, Any], name: str, parcel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(12, rows, columns): each parcel in one of the class's typical spectra, a little brighter or darker."""
    spectra = np.array(statistics["spectra"], np.float32)
    share = np.array(statistics["share"])
    spectra, share = spectra[share >= RARE], share[share >= RARE]
    ids, place = np.unique(parcel, return_inverse=True)
    seed = zlib.crc32(name.encode())
    chosen = np.random.default_rng((seed, int(rng.integers(1 << 31)))).choice(
        len(spectra), len(ids), p=share / share.sum()
    )
    if name in ("SeaLake", "River"):
        chosen[:] = share.argmax()  # one water, one colour
    jitter = 1 + PARCEL_JITTER * rng.standard_normal(len(ids)).astype(np.float32)
    table = spectra[chosen] * jitter[:, None]
    return table[place.reshape(parcel.shape)].transpose(2, 0, 1).copy()
