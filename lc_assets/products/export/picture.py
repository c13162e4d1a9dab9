"""The true-colour picture of the ground of a map: three bands of 8 bits, a COG with JPEG compression and a mask.

Several scenes fill one picture. Each pixel is of the first scene that sees the ground there, by its own class map, so
clouds of one date are filled from another. Dates differ in their light, so each scene has its own contrast stretch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
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
_MOST_OPEN = 60
"""Scenes of which the files are open, four each: a process may open about a thousand files, and a season of a large
area has hundreds of scenes."""


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
        opened = files.enter_context(_Sources(sources, grid))
        dataset = files.enter_context(blockwise_cog(path, grid, "uint8", None, {}, **form))
        dataset.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
        for window in grid.strips(_ROWS):
            image, known = _strip(opened, window)
            dataset.write(image, window=window)
            dataset.write_mask(known, window=window)


def _strip(sources: _Sources, window: Window) -> tuple[np.ndarray, np.ndarray]:
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


class _Sources:
    """The scenes on a grid, in their order. Each is opened when it is first reached, and the latest ones stay open.

    Use it as a context: at its end all files are closed.
    """

    def __init__(self, sources: Sequence[Source], grid: Grid):
        self._sources, self._grid = sources, grid
        self._open: OrderedDict[int, _Opened] = OrderedDict()
        self._stretches: dict[int, Stretch] = {}

    def __enter__(self) -> _Sources:
        return self

    def __exit__(self, *exception: object) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[_Opened]:
        for number, source in enumerate(self._sources):
            if number not in self._open:
                if len(self._open) == _MOST_OPEN:
                    self._open.popitem(last=False)[1].close()
                self._open[number] = _Opened(source, self._grid, self._stretches.get(number))
                self._stretches[number] = self._open[number].stretch
            self._open.move_to_end(number)
            yield self._open[number]


class _Opened:
    """The bands of a scene on a grid."""

    def __init__(self, source: Source, grid: Grid, stretch: Stretch | None):
        paths = [gdal_path(source.raw.paths[name]) for name in TRUE_COLOUR]
        self.stretch = stretch or Stretch.of(np.stack([read_decimated(path, _SAMPLE_SIDE) for path in paths]))
        with ExitStack() as files:
            self._bands = [_warped(files, path, grid, Resampling.bilinear) for path in paths]
            self._classes = _warped(files, gdal_path(source.classes.path), grid, Resampling.nearest)
            self.close = files.pop_all().close

    def read(self, window: Window) -> np.ndarray:
        """Return the (3, rows, columns) DN."""
        return np.stack([band.read(1, window=window) for band in self._bands])

    def sees(self, window: Window) -> np.ndarray:
        """Return where the class map has a class."""
        found: np.ndarray = self._classes.read(1, window=window) != NO_DATA.code
        return found


def _warped(files: ExitStack, path: str, grid: Grid, resampling: Resampling) -> WarpedVRT:
    dataset = files.enter_context(rasterio.open(path))
    nodata = NODATA_DN if dataset.nodata is None else dataset.nodata
    warped = WarpedVRT(dataset, resampling=resampling, src_nodata=nodata, nodata=nodata, **grid.profile)
    return files.enter_context(warped)
