"""Write a synthetic season: one landscape on six dates, with other plants, haze and clouds on each, in two overlapping
tiles on both sides of the border of the UTM zones 32 and 33."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds, transform_geom

from lc_assets.demo.colours import paint
from lc_assets.demo.item_json import TRUTH, SceneName, write_catalog, write_item
from lc_assets.demo.landscape import RIVER_HALF_WIDTH, make_landscape
from lc_assets.demo.scene import write_bands, write_truth
from lc_assets.demo.sky import add_clouds, add_haze, make_cloudy_sky, scene_classification
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BANDS, PIXEL_SIZE, SCL_GSD

SHAPE = (720, 1200)
"""Rows and columns of the landscape at 10 m, multiples of 60."""
DATES = (
    (datetime(2024, 4, 12, 10, 36, 29), "B", 0.15, 0.3),
    (datetime(2024, 5, 12, 10, 36, 29), "B", 0.35, 0.0),
    (datetime(2024, 6, 6, 10, 36, 31), "A", 0.10, 0.6),
    (datetime(2024, 7, 16, 10, 36, 31), "A", 0.30, 0.1),
    (datetime(2024, 8, 15, 10, 36, 31), "A", 0.20, 0.4),
    (datetime(2024, 9, 19, 10, 36, 29), "B", 0.45, 0.2),
)
"""Start of the datatake, satellite, share of clouds, strength of the haze."""
_SEED = 5
_CORNER = (699_960.0, 5_766_000.0)
"""Upper left corner of the landscape in metres (UTM 32N). 12 degrees east, the border of the zones, is 6 km east of
it."""
_ZONES = (("32UQC", "EPSG:32632", (0.0, 0.585)), ("33UTT", "EPSG:32633", (0.4, 1.0)))
"""Tile, CRS, and the part of the landscape's width that it covers."""
_COARSEST = max(band.factor for band in BANDS)
_MARGIN = 0.06
"""Distance of the area to map from the edges of the landscape, as a share of its height."""


@dataclass(frozen=True)
class DemoSeason:
    """What was written.

    Attributes:
        items: paths of the items' JSON, by date.
        truth: path of the true classes, on a grid of UTM zone 32. River and Highway are as wide as the river's water.
        area: path of the polygon to map, GeoJSON.
    """

    items: tuple[Path, ...]
    truth: Path
    area: Path


def write_demo_season(folder: Path, *, shape: tuple[int, int] = SHAPE, dates: int = len(DATES)) -> DemoSeason:
    """Write scenes, truth, area and `catalog.json` to a folder. The same arguments give the same bytes.

    Args:
        folder: folder for `catalog.json`; each scene gets its own folder below it.
        shape: rows and columns of the landscape at 10 m, multiples of 60.
        dates: number of dates, from the first one.
    """
    ground = Grid("EPSG:32632", Affine(PIXEL_SIZE, 0, _CORNER[0], 0, -PIXEL_SIZE, _CORNER[1]), shape[1], shape[0])
    landscape = make_landscape(shape, np.random.default_rng(_SEED), RIVER_HALF_WIDTH)
    folder.mkdir(parents=True, exist_ok=True)
    truth, area = folder / f"{TRUTH}.tif", folder / "area.geojson"
    write_truth(truth, ground, landscape.classes, "season")
    _write_area(area, ground)
    items = []
    for number, (sensing, satellite, cover, haze) in enumerate(DATES[:dates]):
        rng = np.random.default_rng((_SEED, number))
        cube = paint(landscape, np.random.default_rng(_SEED), sensing.timetuple().tm_yday, rng)
        sky = make_cloudy_sky(shape, cover, rng)
        scl = scene_classification(landscape, cube, sky)
        add_haze(cube, haze, rng)
        add_clouds(cube, sky)
        for tile, crs, part in _ZONES:
            name, grid = SceneName(sensing, satellite, tile), _tile_grid(ground, crs, part)
            items.append(_write_tile(folder, name, grid, ground, cube, scl, rng))
    write_catalog(folder / "catalog.json", [path.stem for path in items], "A synthetic season with a known truth")
    return DemoSeason(tuple(items), truth, area)


def _tile_grid(ground: Grid, crs: str, part: tuple[float, float]) -> Grid:
    """Return the grid of a tile that covers a part of the landscape's width, in whole pixels of 60 m."""
    left, bottom, right, top = ground.bounds
    box = (left + part[0] * (right - left), bottom, left + part[1] * (right - left), top)
    west, south, east, north = transform_bounds(ground.crs, crs, *box)
    step = PIXEL_SIZE * _COARSEST
    column, row = round(west / step), round(north / step)
    size = _COARSEST * (round(east / step) - column), _COARSEST * (row - round(south / step))
    return Grid(crs, Affine(PIXEL_SIZE, 0, column * step, 0, -PIXEL_SIZE, row * step), *size)


def _moved(values: np.ndarray, ground: Grid, grid: Grid, resampling: Resampling, nothing: float) -> np.ndarray:
    """Return layers of the landscape on the grid of a tile, with `nothing` beyond the landscape."""
    out = np.full((len(values), *grid.shape), nothing, values.dtype)
    reproject(
        values,
        out,
        src_transform=ground.transform,
        src_crs=ground.crs,
        dst_transform=grid.transform,
        dst_crs=grid.crs,
        dst_nodata=nothing,
        resampling=resampling,
    )
    return out


def _write_tile(
    folder: Path, name: SceneName, grid: Grid, ground: Grid, cube: np.ndarray, scl: np.ndarray, rng: np.random.Generator
) -> Path:
    """Write the scene of a tile; return the path of its item."""
    bands = _moved(cube, ground, grid, Resampling.cubic, np.nan)
    blocks = np.isnan(bands[0]).reshape(grid.height // _COARSEST, _COARSEST, grid.width // _COARSEST, _COARSEST)
    outside = blocks.any((1, 3)).repeat(_COARSEST, 0).repeat(_COARSEST, 1)
    step = SCL_GSD // PIXEL_SIZE
    seen = _moved(scl[None], ground.coarsened(step), grid.coarsened(step), Resampling.nearest, 0)[0]
    seen[outside[::step, ::step]] = 0
    target = folder / name.id
    target.mkdir(parents=True, exist_ok=True)
    write_bands(target, grid, np.nan_to_num(bands), outside, seen, rng)
    path = target / f"{name.id}.json"
    write_item(path, grid, seen, name, (0, 0))
    return path


def _write_area(path: Path, ground: Grid) -> None:
    """Write the polygon to map: the landscape without a margin."""
    left, bottom, right, top = ground.bounds
    margin = _MARGIN * (top - bottom)
    west, south, east, north = left + margin, bottom + margin, right - margin, top - margin
    ring = [[west, north], [west, south], [east, south], [east, north], [west, north]]
    shape = transform_geom(ground.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7)
    feature = {"type": "Feature", "properties": {"name": "district"}, "geometry": shape}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}) + "\n", encoding="utf-8")
