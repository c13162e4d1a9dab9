"""The overview: a class map of lower resolution, resampled by mode.

Each pixel takes the most frequent code of the pixels below it. No Data counts as a code, so a few forest pixels in an
empty corner do not become a forest. If several codes are equally frequent, the lowest code wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from lc_assets.core.errors import StoreError
from lc_assets.raster.cog import class_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.legend import class_entries, write_legend
from lc_assets.raster.mode import mode_nxn
from lc_assets.raster.render import map_with_legend, read_codes_for_display
from lc_assets.store.paths import StorePath, gdal_path
from lc_assets.store.product_layout import pam_file, style_file

MAX_SIDE = 1536
"""Default of the longest side, in pixels. The overview of a full tile has 1373 x 1373 pixels of 80 m."""
THUMBNAIL_SIDE = 512
"""Longest side of the thumbnail's map, in pixels."""
OVERVIEW_BLOCK = 128
"""Tile width of the COG, in pixels. It is small, so that even a small overview has its own overviews."""


def choose_factor(grid: Grid, max_side: int = MAX_SIDE) -> int:
    """Return the smallest power of two, at least 2, that reduces the longest side to at most `max_side` pixels."""
    factor = 2
    while -(-max(grid.shape) // factor) > max_side:
        factor *= 2
    return factor


@dataclass(frozen=True)
class OverviewPlan:
    """A class map and the factor of its overview. `blocks` computes the pixels of the overview.

    Attributes:
        item: STAC item id of the scene, or name of the season map.
        source: the full-resolution class map.
        source_grid: grid of the class map.
        pixels: number of pixels per class code in the class map.
        tags: how the class map was made; the overview gets the same tags.
        factor: source pixels per overview pixel, along each axis.
    """

    item: str
    source: StorePath
    source_grid: Grid
    pixels: np.ndarray
    tags: dict[str, str]
    factor: int

    @property
    def grid(self) -> Grid:
        """Grid of the overview."""
        return self.source_grid.coarsened(self.factor)

    def blocks(self) -> Iterator[tuple[Window, np.ndarray]]:
        """Yield (window in the overview, uint8 codes) from top to bottom."""
        rows = max(1, 512 // self.factor) * self.factor
        with rasterio.open(gdal_path(self.source), OVERVIEW_LEVEL="NONE") as dataset:
            for window in self.source_grid.strips(rows):
                codes = mode_nxn(dataset.read(1, window=window), self.factor)
                yield Window(0, window.row_off // self.factor, codes.shape[1], codes.shape[0]), codes

    def write(self, path: Path, thumbnail: Path) -> None:
        """Write the overview block by block as a COG, its legend for other programs, and a picture of it with a
        legend as a PNG."""
        with class_cog(path, self.grid, self.tags, blocksize=OVERVIEW_BLOCK) as dataset:
            for window, codes in self.blocks():
                dataset.write(codes, 1, window=window)
        # The hectares are those of the class map, not those of the overview's coarser pixels.
        write_legend(class_entries(self.pixels, self.source_grid.pixel_area), pam_file(path), style_file(path))
        codes, pixel_size = read_codes_for_display(path, THUMBNAIL_SIDE)
        thumbnail.write_bytes(map_with_legend(codes, self.pixels, self.source_grid.pixel_area, pixel_size))


@dataclass(frozen=True)
class Overview:
    """A stored overview: item id, raster, picture with legend, grid."""

    item: str
    path: StorePath
    thumbnail: StorePath
    grid: Grid

    @classmethod
    def open(cls, path: StorePath, thumbnail: StorePath, item: str) -> Overview:
        """Return a stored overview, with the grid of its raster.

        Raises:
            StoreError: the overview is not in the store.
        """
        try:
            with rasterio.open(gdal_path(path)) as dataset:
                return cls(item, path, thumbnail, Grid.of(dataset))
        except RasterioIOError:
            raise StoreError(
                "its overview is not in the store",
                item=item,
                asset="overview",
                remedy="materialise overview of this item",
            ) from None
