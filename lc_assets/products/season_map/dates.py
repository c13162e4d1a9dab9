"""The dates of a season map at the resolution of its overview: what each one sees, and its own classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from lc_assets.core.landcover import NO_DATA
from lc_assets.products.season_map.scenes import MappedScene, scl_raster
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import mode_nxn
from lc_assets.sentinel2.scl import is_hidden
from lc_assets.store.layout import Store
from lc_assets.store.paths import gdal_path


@dataclass(frozen=True)
class MapDate:
    """A date of a season map.

    Attributes:
        time: acquisition, ISO 8601: the earliest of its scenes.
        sees: share of the pixels of the map that it sees.
        agrees: share of these pixels that have the class of the map; None if it sees none.
        codes: (rows, columns) its own classes where the map has a class, uint8; None if it is not shown.
    """

    time: str
    scenes: tuple[MappedScene, ...]
    sees: float
    agrees: float | None
    codes: np.ndarray | None


def read_dates(
    store: Store, dates: Sequence[Sequence[MappedScene]], codes: np.ndarray, grid: Grid, most: int
) -> list[MapDate]:
    """Return the dates of a map, from the earliest to the latest.

    Args:
        dates: the scenes of each date.
        codes: (rows, columns) uint8 classes of the map's overview.
        grid: grid of the overview.
        most: largest number of dates that keep their classes. If there are more, these are evenly spaced in their
            order, the first and the last one included.
    """
    ordered = sorted((min(map(_time, scenes)), number) for number, scenes in enumerate(dates))
    shown = set(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int).tolist())
    found = []
    for place, (time, number) in enumerate(ordered):
        own = _codes(store, dates[number], grid)
        own[codes == NO_DATA.code] = NO_DATA.code
        seen = own != NO_DATA.code
        sees = int(seen.sum())
        agrees = float((own == codes)[seen].sum() / sees) if sees else None
        whole = max(int((codes != NO_DATA.code).sum()), 1)
        found.append(MapDate(time, tuple(dates[number]), sees / whole, agrees, own if place in shown else None))
    return found


def _time(scene: MappedScene) -> str:
    properties = scene.document["properties"]
    return str(properties.get("datetime") or properties["start_datetime"])


def _codes(store: Store, scenes: Sequence[MappedScene], grid: Grid) -> np.ndarray:
    """Return the classes of the scenes of one date on a grid; No Data where SCL hides the ground."""
    codes = np.full(grid.shape, NO_DATA.code, np.uint8)
    for scene in scenes:
        own = _read(gdal_path(scene.classes.path), grid, by_mode=True)
        scl = scl_raster(store, scene)
        if scl:
            own[is_hidden(_read(scl, grid, by_mode=False))] = NO_DATA.code
        codes = np.where(codes == NO_DATA.code, own, codes)
    return codes


def _read(path: str, grid: Grid, *, by_mode: bool) -> np.ndarray:
    """Return the first band of a raster of codes on a grid.

    It is read from the coarsest overview level that has at least the resolution of the grid. Of several pixels of this
    level in a pixel of the grid the most frequent class is returned, or the nearest one.
    """
    with rasterio.open(path) as dataset:
        scale = grid.resolution / dataset.transform.a * (1 + 1e-6)
        levels = [(factor, number) for number, factor in enumerate(dataset.overviews(1)) if factor <= scale]
    factor, level = levels[-1] if levels else (1, "NONE")
    times = max(1, int(scale // factor)) if by_mode else 1
    finer = {
        "crs": grid.crs,
        "transform": grid.transform @ Affine.scale(1 / times),
        "width": grid.width * times,
        "height": grid.height * times,
    }
    with (
        rasterio.open(path, OVERVIEW_LEVEL=level) as dataset,
        WarpedVRT(dataset, resampling=Resampling.nearest, **finer) as warped,
    ):
        codes: np.ndarray = warped.read(1)
    return mode_nxn(codes, times) if times > 1 else codes
