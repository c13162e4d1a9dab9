"""Compare the map of a synthetic season with its truth, and with the map of each date alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT

from lc_assets.core.landcover import NO_DATA
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons

BORDER = 200.0
"""Distance in metres from the border of a tile up to which a pixel is near it."""
BINS = 10


@dataclass(frozen=True)
class DateFigures:
    """Figures of one date, as shares of pixels.

    Attributes:
        seen: of the area, where the map of the date has a class.
        right: of those, where this class is the true one.
        fused_right: of those, where the class of the fused map is the true one.
    """

    seen: float
    right: float
    fused_right: float


@dataclass(frozen=True)
class SeasonFigures:
    """Figures of a fused map.

    Attributes:
        dates: those of each date.
        seen: share of the area where the map has a class.
        right: share of those pixels where it is the true one.
        wrong_at_borders: share of wrong pixels near the borders of tiles.
        wrong_elsewhere: share of wrong pixels elsewhere, where each class counts as much as it does near the borders.
        calibration_error: mean distance between confidence and share of right pixels, in `BINS` bins of confidence,
            weighted by pixels (expected calibration error, doi:10.1609/aaai.v29i1.9602).
        miscounted: number of pixels whose observations are not the number of dates that have a class.
    """

    dates: dict[str, DateFigures]
    seen: float
    right: float
    wrong_at_borders: float
    wrong_elsewhere: float
    calibration_error: float
    miscounted: int


def measure_season(
    rasters: Sequence[str], truth: str, dates: Mapping[str, Sequence[str]], area: Polygons
) -> SeasonFigures:
    """Measure a fused map.

    Args:
        rasters: paths of its classes, its confidence and its observations.
        truth: path of the true classes.
        dates: name of a date -> paths of the class maps of its scenes, in any CRS.
        area: what was mapped.
    """
    with rasterio.open(rasters[0]) as dataset:
        grid, codes = Grid.of(dataset), dataset.read(1)
    percent, counted, true = (_on(path, grid) for path in (*rasters[1:], truth))
    inside = rasterize(area.to(grid.crs).shapes, out_shape=grid.shape, transform=grid.transform, dtype="uint8") == 1
    seen, right = inside & (codes != NO_DATA.code), codes == true
    number, singles = np.zeros(grid.shape, int), {}
    for date, paths in dates.items():
        single = date_map(paths, grid)
        sees = inside & (single != NO_DATA.code)
        number += sees
        singles[date] = DateFigures(_share(sees, inside), _share(single == true, sees), _share(right, sees))
    near = _near_borders([path for paths in dates.values() for path in paths], grid)
    return SeasonFigures(
        dates=singles,
        seen=_share(seen, inside),
        right=_share(right, seen),
        wrong_at_borders=_share(~right, seen & near),
        wrong_elsewhere=_wrong_by_class(~right, seen & ~near, np.bincount(true[seen & near], minlength=256), true),
        calibration_error=calibration_error(percent[seen] / 100, right[seen]),
        miscounted=int((number != counted)[inside].sum()),
    )


def date_map(paths: Sequence[str], grid: Grid) -> np.ndarray:
    """Return the class map of one date on a grid, (rows, columns) uint8; of overlapping scenes the first one counts.

    Args:
        paths: paths of the class maps of its scenes.
        grid: the grid.
    """
    codes = np.full(grid.shape, NO_DATA.code, np.uint8)
    for path in paths:
        codes = np.where(codes == NO_DATA.code, _on(path, grid), codes)
    return codes


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error of confidences (N,) in 0..1 and whether each is right (N,) bool."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, right, BINS) - np.bincount(place, confidence, BINS)
    return float(np.abs(gaps).sum() / max(len(right), 1))


def _on(path: str, grid: Grid) -> np.ndarray:
    """Read a raster on a grid, by the nearest pixel."""
    with rasterio.open(path) as dataset, WarpedVRT(dataset, tolerance=0.001, **grid.profile) as warped:
        values: np.ndarray = warped.read(1)
    return values


def _near_borders(paths: Sequence[str], grid: Grid) -> np.ndarray:
    """Return where the border of a raster is near, (rows, columns) bool."""
    lines = []
    for path in paths:
        with rasterio.open(path) as dataset:
            own = Grid.of(dataset)
        frame = Polygons(("tile",), np.array([shapely.box(*own.bounds)]), own.crs)
        lines.append(shapely.boundary(frame.to(grid.crs).shapes[0]))
    band = shapely.buffer(shapely.union_all(lines), BORDER)
    found: np.ndarray = rasterize([band], out_shape=grid.shape, transform=grid.transform, dtype="uint8") == 1
    return found


def _wrong_by_class(wrong: np.ndarray, of: np.ndarray, weights: np.ndarray, true: np.ndarray) -> float:
    """Return the share of wrong pixels, with each true class (code) weighted by the number of pixels `weights`."""
    pixels = np.bincount(true[of], minlength=256)
    shares = np.bincount(true[of & wrong], minlength=256) / np.maximum(pixels, 1)
    return float(np.average(shares, weights=weights * (pixels > 0)))


def _share(part: np.ndarray, of: np.ndarray) -> float:
    return float((part & of).sum() / max(int(of.sum()), 1))
