"""Generate the landscape: the class and the parcel of each pixel, and the course of water and roads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.demo.fields import Shape, parcels, smooth_noise, voronoi_cells, warped_coordinates

CODE = {name: code for code, name in enumerate(CLASS_NAMES)}

SHARES = {"AnnualCrop": 0.32, "Forest": 0.22, "Pasture": 0.19, "HerbaceousVegetation": 0.14, "PermanentCrop": 0.13}
"""Class name -> share of the open land."""
ZONES = 30
"""Number of patches of open land in a scene of the default size. A patch is much larger than a EuroSAT chip (64 px)."""
DISTRICTS = 22
"""Number of areas whose fields have the same direction, in a scene of the default size."""

CORRIDOR = 27
"""Half width (px) of the class Highway or River in the truth of the demo scene. A EuroSAT chip of these classes is 64
px of land with a road or river through it."""
ROADSIDE = 20
"""Half width (px) of the strip with the materials of the highway: embankments, junctions and small plots."""
JUNCTIONS = 0.14, 0.47, 0.93
"""Positions of the junctions along the highway, as shares of the scene's width."""
LOOP = 7.0
"""Radius (px) of the junctions' loops."""
RIVER_HALF_WIDTH = 10.0
CARRIAGEWAY = 2.0, 1.6
"""Distance of the carriageways from the highway's axis, and half of their width (px)."""


@dataclass(frozen=True)
class Landscape:
    """The landscape without its colours. All arrays are (rows, columns).

    Attributes:
        classes: uint8 class codes: the truth.
        cover: uint8 code of the class whose materials cover the ground. It is like `classes`, but the highway is
            narrower and the river is missing.
        parcel: int32 ids; the pixels of a parcel look similar.
        quarter, block, lot: int32 ids in town and industry: quarters whose streets have one direction, the blocks
            between streets, and the buildings on them; 0 elsewhere.
        district: int32 ids of the areas whose fields have one direction.
        river: float32 distance (px) from the river's axis, infinite where there is no river.
        road: float32 distance (px) from the highway's axis.
        ramp: float32 distance (px) from the nearest minor road or ramp of a junction.
    """

    classes: np.ndarray
    cover: np.ndarray
    parcel: np.ndarray
    district: np.ndarray
    quarter: np.ndarray
    block: np.ndarray
    lot: np.ndarray
    river: np.ndarray
    road: np.ndarray
    ramp: np.ndarray

    @property
    def water(self) -> np.ndarray:
        """(rows, columns) float32 share of each pixel that the river covers."""
        return np.clip((RIVER_HALF_WIDTH - self.river) / 1.5 + 0.5, 0, 1)


def make_landscape(shape: Shape, rng: np.random.Generator, corridor: float = CORRIDOR) -> Landscape:
    """Return a landscape of (rows, columns) pixels of 10 m with fields, woods, lake, river, town, industry and
    highway. `corridor` is the half width (px) of the class Highway or River in the truth."""
    unit = min(shape) / 1380
    row, column = warped_coordinates(shape, rng, (300 * unit, 18 * unit), (40, 2.5))
    district = voronoi_cells(row, column, max(round(DISTRICTS * unit**2), 4), rng)
    parcel = _fields(row, column, district, rng)
    zone_row, zone_column = warped_coordinates(shape, rng, (160 * unit, 24 * unit))
    cover = _by_parcel(_zone_classes(zone_row, zone_column, max(round(ZONES * unit**2), 8), rng), parcel)

    built = np.zeros((3, *shape), np.int32)
    for name, centre, radii, size, lot in (
        ("Residential", (0.53, 0.40), (0.155, 0.15), (20, 30), (2.2, 3.1)),
        ("Industrial", (0.67, 0.585), (0.095, 0.095), (26, 34), (6, 11)),
    ):
        # The edge of a town follows its blocks.
        streets = _streets(row, column, size, lot, unit, rng)
        inside = _by_parcel(_ellipse(zone_row, zone_column, shape, centre, radii), streets[1]).astype(bool)
        inside &= cover != CODE["Residential"]
        cover[inside] = CODE[name]
        built[:, inside] = streets[:, inside]

    lake = _ellipse(zone_row, zone_column, shape, (0.25, 0.72), (0.15, 0.13)) | _ellipse(
        zone_row, zone_column, shape, (0.33, 0.66), (0.10, 0.07)
    )
    cover[lake] = CODE["SeaLake"]
    river = _river(shape, unit, rng)
    road, ramp = _highway(shape)
    ramp[lake] = np.inf
    river[row < 0.30 * shape[0]] = np.inf
    classes = cover.copy()
    open_land = ~np.isin(cover, (CODE["Residential"], CODE["Industrial"]))
    classes[(road < corridor) & open_land] = CODE["Highway"]
    cover[(road < ROADSIDE + 6 * smooth_noise(shape, 40, rng)) & open_land] = CODE["Highway"]
    classes[river < corridor] = CODE["River"]
    classes[lake] = CODE["SeaLake"]
    river[lake] = np.inf
    return Landscape(classes, cover, parcel, district, built[0], built[1], built[2], river, road, ramp)


def _fields(row: np.ndarray, column: np.ndarray, district: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the int32 parcel ids of all land. Size and direction of the parcels depend on their district."""
    parcel = np.zeros(row.shape, np.int32)
    for number in np.unique(district):
        inside = district == number
        width = rng.uniform(18, 34)
        size = (width, width * rng.uniform(1.3, 2.6))
        ids = parcels(row[inside], column[inside], size, rng.uniform(0, np.pi), rng)
        parcel[inside] = ids + (number + 1) * 1_000_000
    return parcel


def _zone_classes(row: np.ndarray, column: np.ndarray, zones: int, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 class codes of the open land, in `zones` patches."""
    zone = voronoi_cells(row, column, zones, rng)
    area = np.bincount(zone.ravel(), minlength=zones) / zone.size
    left = {CODE[name]: share for name, share in SHARES.items()}
    kinds = np.zeros(zones, np.uint8)
    for number in rng.permutation(zones):
        # Each patch gets the class that misses the largest share, so the shares are right for any seed.
        kinds[number] = max(left, key=lambda code: left[code] + rng.uniform(0, 0.04))
        left[int(kinds[number])] -= area[number]
    return kinds[zone]


def _by_parcel(values: np.ndarray, parcel: np.ndarray) -> np.ndarray:
    """Return, for each pixel, the value at the centre of its parcel, so that land use changes at borders of fields."""
    _, place = np.unique(parcel, return_inverse=True)
    place = place.reshape(-1)
    count = np.bincount(place)
    rows, columns = np.divmod(np.arange(parcel.size), parcel.shape[1])
    centre_row = np.bincount(place, rows) / count
    centre_column = np.bincount(place, columns) / count
    return values[np.rint(centre_row).astype(int), np.rint(centre_column).astype(int)][place].reshape(parcel.shape)


def _streets(
    row: np.ndarray,
    column: np.ndarray,
    block: tuple[float, float],
    lot: tuple[float, float],
    unit: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return (3, rows, columns) int32 ids of quarters, blocks and lots. Each quarter has its own street direction."""
    quarter = voronoi_cells(row, column, max(int(50 * unit**2), 4), rng)
    out = np.stack([quarter + 1] * 3)
    for number in np.unique(quarter):
        inside = quarter == number
        angle = rng.uniform(0, np.pi)
        for level, size in ((1, block), (2, lot)):
            out[level, inside] = parcels(row[inside], column[inside], size, angle, rng) + (number + 1) * 1_000_000
    out[2] = out[2] * 31 + out[1] * 7919
    return out


def _ellipse(
    row: np.ndarray, column: np.ndarray, shape: Shape, centre: tuple[float, float], radii: tuple[float, float]
) -> np.ndarray:
    y, x = (row / shape[0] - centre[0]) / radii[0], (column / shape[1] - centre[1]) / radii[1]
    return y * y + x * x < 1


def _river(shape: Shape, unit: float, rng: np.random.Generator) -> np.ndarray:
    """Return the distance (px) from a meandering line that starts at the lake and runs south."""
    row, column = warped_coordinates(shape, rng, (90 * unit, 5 * unit))
    down = row / shape[0]
    axis = shape[1] * (0.79 + 0.055 * np.sin(down * 9.0 + 0.4) + 0.016 * np.sin(down * 27.0))
    slope = shape[1] / shape[0] * (0.055 * 9.0 * np.cos(down * 9.0 + 0.4) + 0.016 * 27.0 * np.cos(down * 27.0))
    return (np.abs(column - axis) / np.hypot(1, slope)).astype(np.float32)


def _highway(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance (px) from the highway, which runs south of the town, and from its ramps and side roads."""
    row, column = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    along = column / shape[1]
    axis = shape[0] * (0.93 - 0.30 * along + 0.035 * np.sin(along * 6.5))
    slope = shape[0] / shape[1] * (-0.30 + 0.035 * 6.5 * np.cos(along * 6.5))
    across = (row - axis) / np.hypot(1, slope)
    ramp = np.full(shape, np.inf, np.float32)
    for place in JUNCTIONS:
        beside = (column - place * shape[1]) + 0.25 * across + 25 * np.sin(across / 150) + 6 * np.sin(across / 47)
        loops = np.abs(np.hypot(np.abs(across) - LOOP - 3, np.abs(beside) - LOOP - 1) - LOOP)
        ramp = np.minimum(ramp, np.minimum(loops, np.abs(beside)))
    return np.abs(across).astype(np.float32), ramp.astype(np.float32)
