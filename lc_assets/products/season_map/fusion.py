"""Fuse scenes into the pixels of a season map, block by block.

Probabilities are kept at the step of the network's positions, 40 m. So they are pooled in cells of that size, and the
pooled ones are interpolated to 10 m as those of a scene are. Which dates see a pixel is decided at 10 m.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from lc_assets.core.cpu import cpu_count
from lc_assets.core.errors import StoreError
from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.inference.positions.interpolate import interpolate
from lc_assets.products.areas import AreaTable, PolygonPixels, count_in_cells, filled_cells
from lc_assets.products.season_map.grid import MapGrid
from lc_assets.products.season_map.pooling import Pool
from lc_assets.products.season_map.rasters import WarpedRasters
from lc_assets.products.season_map.scenes import MappedScene, scl_raster
from lc_assets.raster.cog import CONFIDENCE_NODATA, PROBABILITY_NODATA, PROBABILITY_SCALE
from lc_assets.raster.polygons import Polygons
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.sentinel2.scl import is_hidden
from lc_assets.store.layout import Store
from lc_assets.store.paths import gdal_path

STABILITY_NODATA = 255
_DATES = np.arange(256)
_SHARES = np.rint(100 * _DATES / np.maximum(_DATES[:, None], 1)).clip(0, 100)
_PERCENT = np.where(_DATES[:, None] > 0, _SHARES, STABILITY_NODATA).astype(np.uint8)
"""Number of dates, number of those that agree -> their share in percent, `STABILITY_NODATA` for no date."""
BLOCK_ROWS, BLOCK_COLUMNS = 128, 1024
"""Size of a block in cells: 512 x 4,096 pixels of 10 m. Long rows cost less for each pixel."""


@dataclass(frozen=True)
class FusedBlock:
    """A block of the map, without the rim.

    Attributes:
        window: its place in the map.
        classes, confidence: as in a scene's map, uint8.
        observations: number of dates that see a pixel, uint8.
        stability: share of these dates whose own class is that of the map, in percent, 255 = no data.
        cells: place of its cells in the raster of probabilities.
        probabilities: (classes, rows, columns) uint8, see `PROBABILITY_SCALE`.
        pixels: (11,) pixels of each code inside the area, No Data last.
        areas: what the polygons have of each class.
    """

    window: Window
    classes: np.ndarray
    confidence: np.ndarray
    observations: np.ndarray
    stability: np.ndarray
    cells: Window
    probabilities: np.ndarray
    pixels: np.ndarray
    areas: AreaTable


class Fusion:
    """The fusion of scenes over an area.

    Args:
        scenes: the scenes, of one model, each acquisition once.
        grid: the grid of the map.
        area: the polygons, in the CRS of the grid. Pixels whose centre is outside all of them are No Data.

    Attributes:
        dates: the scenes of each date. Tiles of one overpass are one date.
    """

    def __init__(self, store: Store, scenes: Sequence[MappedScene], grid: MapGrid, area: Polygons):
        self.scenes, self.grid, self.area = scenes, grid, area
        self.dates = _by_date(scenes)
        self._sources = {scene.item: _Source(store, scene, grid) for scene in scenes}

    def blocks(self, progress: Callable[[float], None] = lambda share: None) -> Iterator[FusedBlock]:
        """Compute the blocks that the area touches, from top to bottom.

        Args:
            progress: called with the share of all blocks that are done.

        Raises:
            StoreError: a raster of a scene cannot be read.
        """
        high, wide, threads = BLOCK_ROWS * self.grid.step, BLOCK_COLUMNS * self.grid.step, cpu_count()
        rows, columns = self.grid.map.shape
        windows = [
            Window(left, top, min(wide, columns - left), min(high, rows - top))
            for top in range(0, rows, high)
            for left in range(0, columns, wide)
        ]
        with (
            warnings.catch_warnings(),
            rasterio.Env(),
            WarpedRasters() as rasters,
            ThreadPoolExecutor(threads, thread_name_prefix="fuse") as pool,
        ):
            # rasterio ignores this warning of its own rasters with catch_warnings, which fails in several threads.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            # Few blocks ahead of the writer, so that memory does not depend on the size of the map.
            coming = deque(pool.submit(self._block, window, rasters) for window in windows[: 2 * threads])
            try:
                for number in range(1, len(windows) + 1):
                    block = coming.popleft().result()
                    if number + 2 * threads <= len(windows):
                        coming.append(pool.submit(self._block, windows[number + 2 * threads - 1], rasters))
                    if block:
                        yield block
                    progress(number / len(windows))
            finally:  # after an error or an interrupt, blocks that wait are not computed
                pool.shutdown(wait=False, cancel_futures=True)

    def _block(self, window: Window, rasters: WarpedRasters) -> FusedBlock | None:
        polygons = PolygonPixels.of(self.area, self.grid.map.part(window))
        if not polygons.inside.any():
            return None
        with rasterio.Env():  # GDAL's environment belongs to one thread
            return self._fused(window, polygons, rasters)

    def _fused(self, window: Window, polygons: PolygonPixels, rasters: WarpedRasters) -> FusedBlock:
        step, inside = self.grid.step, polygons.inside
        # With the rim: one more cell on each side.
        cells = Window(
            window.col_off // step, window.row_off // step, window.width // step + 2, window.height // step + 2
        )
        pool = Pool((len(CLASSES), cells.height, cells.width))
        observations = np.zeros((window.height, window.width), np.uint8)
        seen: list[tuple[np.ndarray, np.ndarray]] = []
        for scenes in self.dates:
            date = self._date(scenes, cells, rasters)
            if date is None:
                continue
            probabilities, known, codes = date
            pool.add(probabilities, known)
            codes = codes[step:-step, step:-step]
            clear = (codes != NO_DATA.code) & inside
            observations += clear & (observations < 254)
            seen.append((codes, clear))
        fused, answers = pool.result()
        classes, confidence = interpolate(fused, answers, step)
        # One cell more than the window was read on each side: the first pixel is at the centre of its first cell.
        start = step - step // 2
        part = (slice(start, start + window.height), slice(start, start + window.width))
        classes, confidence = classes[part].copy(), confidence[part].copy()
        hidden = observations == 0
        classes[hidden], confidence[hidden] = NO_DATA.code, CONFIDENCE_NODATA
        stability = _stability(classes, observations, seen)
        table = AreaTable.of(polygons, classes, filled_cells(fused)[:, 1:-1, 1:-1])
        fused, answers = fused[:, 1:-1, 1:-1], answers[1:-1, 1:-1]
        stored = np.where(answers, np.rint(fused / PROBABILITY_SCALE), PROBABILITY_NODATA).astype(np.uint8)
        cells = Window(cells.col_off, cells.row_off, fused.shape[2], fused.shape[1])
        pixels = np.bincount(classes[inside], minlength=len(ALL_CLASSES))
        return FusedBlock(window, classes, confidence, observations, stability, cells, stored, pixels, table)

    def _date(
        self, scenes: Sequence[MappedScene], cells: Window, rasters: WarpedRasters
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Combine the tiles of one date: return the mean of their probabilities, where there is one, and class codes
        at 10 m; None if no tile shows any ground here."""
        step, bounds = self.grid.step, self.grid.cells.part(cells).bounds
        scenes = [scene for scene in scenes if self._sources[scene.item].touches(bounds)]
        if not scenes:
            return None
        pixels = Window(*(step * value for value in (cells.col_off, cells.row_off, cells.width, cells.height)))
        total = np.zeros((len(CLASSES), cells.height, cells.width), np.float32)
        count = np.zeros((cells.height, cells.width), np.uint8)
        codes = np.full((pixels.height, pixels.width), NO_DATA.code, np.uint8)
        for scene in scenes:
            source = self._sources[scene.item]
            try:
                own = source.codes(rasters, pixels)
                clear = own != NO_DATA.code
                if not clear.any():
                    continue
                raw = source.probabilities(rasters, cells)
            except (RasterioError, CPLE_BaseError) as error:
                raise StoreError(
                    f"its map cannot be read ({str(error)[:100]})",
                    item=scene.item,
                    asset="class_raster",
                    remedy=f"make it again: `lc-assets classify {scene.item}`",
                ) from None
            known = (raw[0] != PROBABILITY_NODATA) & (count_in_cells(clear, step) > 0)
            total += np.where(known, raw * np.float32(PROBABILITY_SCALE), np.float32(0))
            count += known
            codes = np.where(codes == NO_DATA.code, own, codes)
        if (codes == NO_DATA.code).all():
            return None
        return total / np.maximum(count, 1), count > 0, codes


class _Source:
    """Reads the rasters of a scene on the grids of the map."""

    def __init__(self, store: Store, scene: MappedScene, grid: MapGrid):
        own = scene.classes.grid
        self._bounds = transform_bounds(own.crs, grid.map.crs, *own.bounds)
        self._grid = grid
        self._classes, self._probabilities = gdal_path(scene.classes.path), gdal_path(scene.probabilities)
        self._scl = scl_raster(store, scene)

    def touches(self, bounds: tuple[float, float, float, float]) -> bool:
        left, bottom, right, top = self._bounds
        return left < bounds[2] and bounds[0] < right and bottom < bounds[3] and bounds[1] < top

    def codes(self, rasters: WarpedRasters, window: Window) -> np.ndarray:
        """Return the class codes of pixels, uint8; No Data where SCL hides the ground, whether or not the map masks
        clouds."""
        codes = rasters.read_codes(self._classes, self._grid.pixels, window)
        if self._scl:
            codes[is_hidden(rasters.read_codes(self._scl, self._grid.pixels, window))] = NO_DATA.code
        return codes

    def probabilities(self, rasters: WarpedRasters, window: Window) -> np.ndarray:
        """Return the stored probabilities of cells, (classes, rows, columns) float32."""
        return rasters.read_values(self._probabilities, self._grid.cells, window)


def _stability(
    classes: np.ndarray, observations: np.ndarray, seen: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Return the share of dates whose class is that of the map, in percent, uint8.

    Args:
        observations: number of dates that see each pixel.
        seen: for each date its class codes, and where it sees the ground.
    """
    agreeing = np.zeros(classes.shape, np.uint8)
    for codes, clear in seen:
        agreeing += clear & (codes == classes) & (agreeing < 254)
    return _PERCENT[observations, agreeing]


def _by_date(scenes: Sequence[MappedScene]) -> list[list[MappedScene]]:
    """Return the scenes by overpass: tiles that a satellite took on one pass show the same moment."""
    dates: dict[object, list[MappedScene]] = {}
    for scene in scenes:
        acquisition = acquisition_of(scene.document)
        moment = acquisition.datatake or acquisition.sensing
        dates.setdefault((acquisition.satellite, moment) if moment else scene.item, []).append(scene)
    return list(dates.values())
