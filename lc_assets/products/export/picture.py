"""The true-colour picture of the ground of a map: three bands of 8 bits, a COG with JPEG compression and a mask.

Several scenes fill one picture. Each pixel is of the first scene that sees the ground there, by its own class map, so
clouds of one date are filled from another. Dates differ in their light, so each scene has its own contrast stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from lc_assets.core.landcover import NO_DATA
from lc_assets.inference.class_map import ClassMap
from lc_assets.raster.cog import blockwise_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.render import Stretch, read_decimated
from lc_assets.sentinel2.band_table import TRUE_COLOUR
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.radiometry import NODATA_DN
from lc_assets.store.paths import gdal_path

_ROWS = 512
_SAMPLE_SIDE = 1024
"""Side of the coarse picture that gives the stretch, in pixels."""
_QUALITY = 90
"""JPEG quality, in GDAL's numbers."""


@dataclass(frozen=True)
class Source:
    """A scene of the picture: its bands, and its class map, which has a class where the ground is visible."""

    raw: RawBands
    classes: ClassMap


def write_picture(path: Path, grid: Grid, sources: Sequence[Source]) -> None:
    """Write the picture of a grid.

    Args:
        path: target. It is not written atomically, so use a path in a staging folder.
        sources: the scenes, the preferred one first. A single scene shows its clouds.

    Raises:
        RasterioError: a band cannot be read.
    """
    form: dict[str, Any] = {
        "overviews": "AVERAGE",
        "quality": _QUALITY,
        "count": 3,
        "photometric": "rgb",
        "interleave": "pixel",
    }
    with ExitStack() as files:
        opened = [_Opened(files, source, grid) for source in sources]
        dataset = files.enter_context(blockwise_cog(path, grid, "uint8", None, {}, **form))
        dataset.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
        for window in grid.strips(_ROWS):
            image, known = _strip(opened, window)
            dataset.write(image, window=window)
            dataset.write_mask(known, window=window)


def _strip(sources: Sequence[_Opened], window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return (3, rows, columns) uint8 colours, and where there is one."""
    image = np.zeros((3, window.height, window.width), np.uint8)
    known = np.zeros(image.shape[1:], bool)
    for source in sources:
        if known.all():
            break
        bands = source.read(window)
        there = (bands != NODATA_DN).all(axis=0) & ~known
        if len(sources) > 1:
            there &= source.sees(window)
        image[:, there] = source.stretch.apply(bands[:, there])
        known |= there
    return image, known


class _Opened:
    """The bands of a scene on a grid."""

    def __init__(self, files: ExitStack, source: Source, grid: Grid):
        paths = [gdal_path(source.raw.paths[name]) for name in TRUE_COLOUR]
        self.stretch = Stretch.of(np.stack([read_decimated(path, _SAMPLE_SIDE) for path in paths]))
        self._bands = [self._warped(files, path, grid, Resampling.bilinear) for path in paths]
        self._classes = self._warped(files, gdal_path(source.classes.path), grid, Resampling.nearest)

    @staticmethod
    def _warped(files: ExitStack, path: str, grid: Grid, resampling: Resampling) -> WarpedVRT:
        dataset = files.enter_context(rasterio.open(path))
        nodata = NODATA_DN if dataset.nodata is None else dataset.nodata
        warped = WarpedVRT(dataset, resampling=resampling, src_nodata=nodata, nodata=nodata, **grid.profile)
        return files.enter_context(warped)

    def read(self, window: Window) -> np.ndarray:
        """Return the (3, rows, columns) DN."""
        return np.stack([band.read(1, window=window) for band in self._bands])

    def sees(self, window: Window) -> np.ndarray:
        """Return where the class map has a class."""
        found: np.ndarray = self._classes.read(1, window=window) != NO_DATA.code
        return found
