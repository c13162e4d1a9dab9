"""The overview: a really lower-resolution class map, by mode.

Each pixel takes the code that is most frequent among the pixels it covers, No Data included: a sliver of forest in an
empty corner does not become a forest. Among equally frequent codes the lowest wins, so that the result is unique.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from lc_assets.core.errors import StoreError
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import mode_nxn
from lc_assets.store.paths import StorePath, gdal_path

MAX_SIDE = 1536
"""Default longest side of an overview, in pixels: a full tile becomes 1373 x 1373 at 80 m."""


def choose_factor(grid: Grid, max_side: int = MAX_SIDE) -> int:
    """The smallest power of two, at least 2, that brings the longest side to `max_side` pixels or fewer."""
    factor = 2
    while -(-max(grid.shape) // factor) > max_side:
        factor *= 2
    return factor


@dataclass(frozen=True)
class OverviewPlan:
    """A class map and how much to coarsen it; yields the overview's blocks when asked.

    Attributes:
        item: STAC item id.
        source: the full-resolution class map.
        source_grid: its grid.
        pixels: count per class code in the class map.
        tags: how the class map was made, to be written into the overview too.
        factor: source pixels per overview pixel, along an axis.
    """

    item: str
    source: StorePath
    source_grid: Grid
    pixels: np.ndarray
    tags: dict[str, str]
    factor: int

    @property
    def grid(self) -> Grid:
        """The overview's grid."""
        return self.source_grid.coarsened(self.factor)

    def blocks(self) -> Iterator[tuple[Window, np.ndarray]]:
        """(window in the overview, codes), from top to bottom."""
        rows = max(1, 512 // self.factor) * self.factor
        with rasterio.open(gdal_path(self.source), OVERVIEW_LEVEL="NONE") as dataset:
            for window in self.source_grid.strips(rows):
                codes = mode_nxn(dataset.read(1, window=window), self.factor)
                yield Window(0, window.row_off // self.factor, codes.shape[1], codes.shape[0]), codes


@dataclass(frozen=True)
class Overview:
    """A written overview: its raster, its picture with legend, its grid."""

    item: str
    path: StorePath
    thumbnail: StorePath
    grid: Grid

    @classmethod
    def open(cls, path: StorePath, thumbnail: StorePath, item: str) -> Overview:
        """Read a written overview's grid.

        Raises:
            StoreError: it is not there.
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
