"""Check that a band file is what the item declares, from its header and block table. Downloads are also decoded."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import Compression, MaskFlags
from rasterio.errors import CRSError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from lc_assets.core.errors import BadBand, naming
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BANDS, PIXEL_SIZE, REFERENCE_BAND, SCL, SCL_GSD
from lc_assets.sentinel2.item.declared import MAX_SIDE, DeclaredAsset
from lc_assets.store.paths import StorePath, gdal_path

_DRIVERS = ("GTiff", "JP2OpenJPEG")
"""Accepted formats. A VRT refers to other files, so its copy in the store would be incomplete."""
_LARGEST_BLOCK = 512 << 20
"""Largest size of a decoded block, in bytes. A whole 10 m band of a tile in one strip has 241 MB."""
_ORIGINAL = "use the item's original file"
_WHOLE = "get the whole file from its source, then run it again"


@dataclass(frozen=True)
class BandFile:
    """One checked band file.

    Attributes:
        name: band name, or `SCL`.
        path: the file.
        grid: the grid of the file.
        gsd: native pixel size in metres.
        nodata: the nodata value that the file declares; 0 where it declares none.
        masked: whether the file has its own mask.
    """

    name: str
    path: StorePath
    grid: Grid
    gsd: int
    nodata: int = 0
    masked: bool = False


def check_band_files(paths: Mapping[str, StorePath], item: str) -> dict[str, BandFile]:
    """Open every band (and SCL, if present) and compare its grid with that of B02.

    Args:
        paths: band name -> file.
        item: STAC item id, for messages.

    Returns:
        Band name -> checked file.

    Raises:
        BadBand: a file is not a raster, is truncated, has the wrong dtype or band count, or a grid that does not fit
            B02's.
    """
    with naming(item):
        reference = _check_file(REFERENCE_BAND, paths[REFERENCE_BAND])
        checked: dict[str, BandFile] = {}
        for name, path in paths.items():
            checked[name] = reference if name == REFERENCE_BAND else _check_file(name, path)
            check_congruent(checked[name], reference.grid)
    return checked


def verify_download(name: str, path: Path, declared: DeclaredAsset | None, *, decode: bool) -> None:
    """Check that a downloaded file is the raster that the item declares.

    Args:
        name: band name, or `SCL`.
        path: the file.
        declared: CRS, shape and transform of the file as the item declares them, or None.
        decode: whether to decode all pixels too, which finds changed bytes in compressed blocks. Not needed where the
            checksum of the file has been verified.

    Raises:
        BadBand: it is not.
    """
    check_declared(_check_file(name, path), declared)
    if decode:
        _decode(path)


def check_declared(band: BandFile, declared: DeclaredAsset | None) -> None:
    """Compare CRS, shape and transform of a band with what the item declares.

    Raises:
        BadBand: they differ.
    """
    grid = band.grid
    for what, expected, found in (
        ("CRS", declared and declared.epsg and f"EPSG:{declared.epsg}", grid.crs),
        ("shape", declared and declared.shape, grid.shape),
        ("transform", declared and declared.transform, tuple(round(v, 6) for v in tuple(grid.transform)[:6])),
    ):
        if expected is not None and expected != found:
            raise BadBand(f"its {what} is {found}, the item promises {expected}", asset=band.name, remedy=_ORIGINAL)


def _decode(path: Path) -> None:
    """Decode every block once."""
    try:
        # One thread: with more, GDAL's JPEG 2000 reader only prints that a tile cannot be decoded, and continues.
        with rasterio.Env(GDAL_NUM_THREADS="1"), rasterio.open(path, driver=driver_of(path)) as dataset:
            if dataset.driver == "GTiff" and dataset.compression == Compression.deflate:
                with path.open("rb") as file:

                    def read(offset: int, size: int) -> bytes:
                        file.seek(offset)
                        return file.read(size)

                    inflate(dataset, blocks_of(dataset), read)
                return
            rows = max(dataset.block_shapes[0][0], 512)
            for row in range(0, dataset.height, rows):
                dataset.read(1, window=Window(0, row, dataset.width, min(rows, dataset.height - row)))
    except (RasterioIOError, CPLE_BaseError, zlib.error):
        raise BadBand("its pixels cannot be decoded: the file is damaged", remedy=_WHOLE) from None


def inflate(dataset: DatasetReader, blocks: Iterable[tuple[int, int]], read: Callable[[int, int], bytes]) -> None:
    """Decompress blocks of a TIFF with DEFLATE, and forget them.

    GDAL accepts damaged DEFLATE streams: of 300 flipped bits in a band's blocks it noticed 3, because libtiff stops
    when the block is full, before the Adler-32 checksum at the end (RFC 1950). So zlib decompresses these streams,
    which verifies the checksum. Other compressions have no checksum and are decoded by GDAL.

    Args:
        dataset: the TIFF.
        blocks: (byte position, size in bytes) of each block.
        read: reads the bytes of a block.

    Raises:
        zlib.error: a block is damaged.
    """
    most = math.prod(dataset.block_shapes[0]) * np.dtype(dataset.dtypes[0]).itemsize
    for offset, size in blocks:
        if size > 2 * most + 1024:  # longer than any deflated block: the table is wrong
            raise zlib.error("a block's length is absurd")
        stream = zlib.decompressobj()
        stream.decompress(read(offset, size), most + 1)
        if not stream.eof:
            raise zlib.error("it ends early, or never")


def driver_of(path: StorePath) -> str:
    """Return the GDAL driver for a file, chosen by its first bytes.

    Without a named driver GDAL tries all of its drivers, and some of them contact servers that the file names.

    Raises:
        RasterioIOError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _DRIVERS[1] if file.read(12).startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")) else _DRIVERS[0]
    except OSError as error:
        raise RasterioIOError(str(error)) from None


def _check_file(name: str, path: StorePath) -> BandFile:
    try:
        with rasterio.open(gdal_path(path), driver=driver_of(path)) as dataset:
            return check_dataset(name, path, dataset, path.stat().st_size)
    except (RasterioIOError, CRSError):
        raise BadBand(
            "the file cannot be opened as a raster",
            asset=name,
            remedy="fetch the file again: delete the item's raw_bands folder and materialise raw_bands",
        ) from None


def check_dataset(name: str, path: StorePath, dataset: DatasetReader, size: int) -> BandFile:
    """Check the header of an open band file.

    Args:
        name: band name, or `SCL`.
        path: path for the result.
        dataset: the open file.
        size: its size in bytes.

    Raises:
        BadBand: it is no raster of one band of the right data type in metres, or it is truncated. B02 also must be
            north up, with pixels of 10 m.
        RasterioIOError, CRSError: the file cannot be read.
    """
    gsd, dtype = (SCL_GSD, "uint8") if name == SCL else ({b.name: b.gsd for b in BANDS}[name], "uint16")
    with naming(asset=name):
        grid = _checked_grid(name, dataset, dtype, size)
    masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0]
    return BandFile(name, path, grid, gsd, _declared_nodata(dataset), masked)


def _checked_grid(name: str, dataset: DatasetReader, dtype: str, size: int) -> Grid:
    crs = dataset.crs
    if dataset.driver not in _DRIVERS:
        raise BadBand(f"it is a {dataset.driver} file, not one of {', '.join(_DRIVERS)}", remedy=_ORIGINAL)
    if not crs or not crs.is_projected or crs.linear_units_factor[1] != 1:
        raise BadBand(
            f"its CRS ({crs.to_string()[:80] if crs else 'none'}) is no projected one in metres",
            remedy=f"{_ORIGINAL}, which is in UTM",
        )
    block = math.prod(dataset.block_shapes[0]) * np.dtype(dataset.dtypes[0]).itemsize
    if max(dataset.shape) > MAX_SIDE or block > _LARGEST_BLOCK:
        raise BadBand(
            f"it claims {dataset.width} x {dataset.height} pixels in blocks of {block >> 20} MB", remedy=_ORIGINAL
        )
    if dataset.count != 1 or dataset.dtypes[0] != dtype:
        raise BadBand(
            f"it holds {dataset.count} band(s) of {dataset.dtypes[0]} instead of one of {dtype}", remedy=_ORIGINAL
        )
    end = max((offset + length for offset, length in blocks_of(dataset)), default=0)
    if end > size:
        raise BadBand(f"the file is truncated: {size} of at least {end} bytes", remedy=_WHOLE)
    grid = Grid.of(dataset)
    if name == REFERENCE_BAND and (not grid.is_north_up() or round(grid.resolution) != PIXEL_SIZE):
        raise BadBand(f"its grid is no north-up grid of {PIXEL_SIZE} m pixels", remedy=_ORIGINAL)
    return grid


def _declared_nodata(dataset: DatasetReader) -> int:
    """Return the declared nodata value if the dtype can hold it, else 0."""
    value, highest = dataset.nodata, np.iinfo(dataset.dtypes[0]).max
    return int(value) if value is not None and 0 < value <= highest and value == int(value) else 0


def blocks_of(dataset: DatasetReader, window: Window | None = None) -> Iterator[tuple[int, int]]:
    """Yield (byte position, size in bytes) of each block of a TIFF's first band; nothing for other formats.

    Args:
        dataset: the TIFF.
        window: only the blocks with a pixel of this window; None means all.
    """
    height, width = dataset.block_shapes[0]
    found = window or Window(0, 0, dataset.width, dataset.height)
    for row in range(found.row_off // height, -(-(found.row_off + found.height) // height)):
        for column in range(found.col_off // width, -(-(found.col_off + found.width) // width)):
            offset = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1)
            size = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=1)
            if offset and size:
                yield int(offset), int(size)


def check_congruent(band: BandFile, reference: Grid) -> None:
    """Compare the grid of a band with that of B02.

    Raises:
        BadBand: its pixels do not tile those of B02.
    """
    factor = band.gsd // PIXEL_SIZE
    expected = reference.coarsened(factor)
    difference = band.grid.difference_to(expected)
    if difference is None and (reference.width % factor or reference.height % factor):
        difference = f"pixels of {band.gsd} m that do not tile {reference.width} x {reference.height} pixels of 10 m"
    if difference:
        raise BadBand(
            f"its grid does not fit {REFERENCE_BAND}'s: {difference}",
            asset=band.name,
            remedy="all bands must be of the same tile, and a crop a multiple of 60 m wide: use the original files",
        )
