"""Opens the rasters of a reference map: GeoTIFFs of class codes, local or remote, read window by window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from lc_assets.core.errors import BadBand
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.products.agreement.references import Tile
from lc_assets.remote.range_reader import RemoteFile
from lc_assets.store.paths import gdal_path

UNUSED_CODE = (1 << 16) - 1
"""No data code for rasters that declare none. No class has this code."""
_MAX_BLOCK = 1 << 26
"""Largest number of pixels per block. It allows a strip of a large mosaic, but not a decompression bomb."""
_DTYPES = ("uint8", "uint16", "int16")
_REMEDY = "name a GeoTIFF of class codes: one band of 8 or 16 bit integers, with a CRS"


@dataclass(frozen=True)
class OpenTile:
    """An open raster.

    Attributes:
        shown: path or unsigned URL, for messages.
        nodata: code that means "no data".
        file: the remote file; None for a local raster.
    """

    shown: str
    dataset: DatasetReader
    nodata: int
    file: RemoteFile | None = None

    def read(self, window: Window) -> np.ndarray:
        """Return the (rows, columns) uint16 codes of a window.

        Raises:
            BadBand: the window cannot be read.
        """
        with _raise_as_bad_band(self.shown, self.file):
            return self.dataset.read(1, window=window).astype(np.uint16)


@contextmanager
def open_tiles(tiles: Sequence[Tile], retry_policy: RetryPolicy) -> Iterator[list[OpenTile]]:
    """Open all tiles of a reference map.

    Raises:
        BadBand: a tile cannot be read (transient if the network failed), or is not a GeoTIFF of class codes.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_open_tile(tile, retry_policy)) for tile in tiles]


@contextmanager
def _open_tile(tile: Tile, retry_policy: RetryPolicy) -> Iterator[OpenTile]:
    file = RemoteFile(tile.source, retry_policy) if isinstance(tile.source, str) else None
    # Only the GTiff driver, at full resolution: the resampling method of the overviews is unknown.
    options = {"driver": "GTiff", "OVERVIEW_LEVEL": "NONE"}
    with _raise_as_bad_band(tile.shown, file):
        if file:  # a new name each time, because GDAL caches files by name
            dataset = rasterio.open(f"{uuid4().hex}/reference.tif", opener=file.opened, **options)
        else:
            dataset = rasterio.open(gdal_path(tile.source), **options)  # type: ignore[arg-type]
    with dataset:
        _check(tile.shown, dataset)
        nodata = dataset.nodata
        yield OpenTile(tile.shown, dataset, UNUSED_CODE if nodata is None else int(nodata) % (UNUSED_CODE + 1), file)


def _check(shown: str, dataset: DatasetReader) -> None:
    """Raise `BadBand` if a raster has no class codes or is not georeferenced."""
    transform, nodata = dataset.transform, dataset.nodata
    block = math.prod(dataset.block_shapes[0])
    wrong = (
        f"its data type is {dataset.dtypes[0]}"
        if dataset.dtypes[0] not in _DTYPES
        else f"it has {dataset.count} bands"
        if dataset.count != 1
        else "it has no CRS"
        if dataset.crs is None
        else f"its nodata is {nodata:g}"
        if nodata is not None and not (math.isfinite(nodata) and nodata % 1 == 0)
        else "its geotransform has no inverse"
        if not math.isfinite(sum(transform)) or not math.isfinite(1 / (transform.determinant or math.nan))
        else f"one of its blocks has {block / 1e6:,.0f} million pixels"
        if block > _MAX_BLOCK
        else None
    )
    if wrong:
        raise BadBand(f"{shown} is not a raster of class codes: {wrong}", remedy=_REMEDY)


@contextmanager
def _raise_as_bad_band(shown: str, file: RemoteFile | None) -> Iterator[None]:
    """Raise errors of GDAL as `BadBand`. A network error has priority, also if GDAL reports no error."""
    try:
        yield
    except RasterioError:
        if file:
            file.check()
        raise BadBand(f"{shown} cannot be read: it is damaged, or not a GeoTIFF", remedy=_REMEDY) from None
    if file:
        file.check()
