"""The pictures of a report: true colour, false colour, classes and confidence, with a limit on their total size.

The grid is that of the class raster if it is small enough, else that of the overview, else a coarser one. The class of
a cell is its most frequent one; colour and confidence are the means of exactly the pixels in the cell. A coarse grid
extends beyond the right and lower edge of the raster. A decimated read, or an overview level whose size was rounded,
would stretch the picture by up to half a cell. The false colour may have pixels twice as wide as the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import RasterioIOError

from lc_assets.core.errors import StoreError
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.overview import MAX_SIDE, Overview
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import mode_nxn
from lc_assets.raster.render import encode_image, rgb_composite
from lc_assets.sentinel2.band_table import FALSE_COLOUR, TRUE_COLOUR
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.radiometry import NODATA_DN
from lc_assets.store.paths import StorePath, gdal_path

COLORMAP: tuple[tuple[int, int, int], ...] = (
    *((0, 34, 78), (12, 52, 112), (53, 69, 108), (79, 87, 108), (102, 105, 112), (125, 124, 120)),
    *((148, 142, 119), (173, 162, 114), (200, 184, 102), (229, 207, 82), (254, 232, 56)),
)
"""Colours of confidence at 0, 10, ... 100 %: cividis, which is safe for red-green colour blindness.
Source: Nunez, Anderton and Renslow (2018), doi:10.1371/journal.pone.0199239, as sampled from matplotlib's table."""

PERCENT_EMPTY = 101
"""Palette index of no data in a picture of percentages."""

PICTURES_BYTES = 2_050_000
"""Largest total size of the pictures of a page. base64 adds a third, and the page stays below 3 MB."""
STEPS = (1, 2, 5, 10)
"""Steps to which percentages can be rounded."""
_QUALITIES = ((85, 1), (85, 2), (70, 2), (55, 2), (40, 2))
"""JPEG qualities of the colour pictures, in Pillow's numbers, and how much coarser the false colour is."""
_EMPTY = (128, 132, 136)
"""Colour of no data in the colour pictures. It differs from water (dark) and from clouds (white)."""
_STRIP_ROWS = 1024


@dataclass(frozen=True)
class Layers:
    """Four pictures of one extent.

    Attributes:
        grid: grid of the pictures.
        factor: pixels of the class raster per shown pixel, along an axis.
        classes: PNG; its palette indices are class codes.
        confidence: PNG; its palette indices are percent, and `PERCENT_EMPTY` is no data.
        true_colour, false_colour: JPEG.
        confidence_step: step to which confidence is rounded, in percent.
        quality: JPEG quality of the colour pictures.
        false_colour_coarser: shown pixels per pixel of the false colour, along an axis.
        coarsened: factor by which the grid is coarser because of the limit on size; 1 if it is not coarser.
        histogram: (101,) shown pixels per percent of confidence, before rounding.
    """

    grid: Grid
    factor: int
    classes: bytes
    confidence: bytes
    true_colour: bytes
    false_colour: bytes
    confidence_step: int
    quality: int
    false_colour_coarser: int
    coarsened: int
    histogram: np.ndarray

    @property
    def degradations(self) -> list[str]:
        """The reductions because of the limit on size, in words."""
        return [
            *([f"the colours are compressed to quality {self.quality}"] if self.quality < _QUALITIES[0][0] else []),
            *(["the false colour is twice as coarse"] if self.false_colour_coarser > 1 else []),
            *([f"confidence is rounded to {self.confidence_step} %"] if self.confidence_step > 1 else []),
            *([f"the pictures are {self.coarsened} times coarser"] if self.coarsened > 1 else []),
        ]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each picture."""
        return {name: len(getattr(self, name)) for name in ("true_colour", "false_colour", "classes", "confidence")}


def build_layers(raw: RawBands, classes: ClassMap, overview: Overview, *, max_bytes: int = PICTURES_BYTES) -> Layers:
    """Return the pictures of a scene, together at most `max_bytes`. Quality is reduced first, then resolution.

    Raises:
        StoreError: a raster cannot be read, or the overview does not fit the class raster.
    """
    codes, factor = _codes(classes, overview)
    coarsened = 1
    while (made := _encoded_layers(raw, classes, mode_nxn(codes, coarsened), factor * coarsened, max_bytes)) is None:
        coarsened *= 2
    return replace(made, coarsened=coarsened)


def _codes(classes: ClassMap, overview: Overview) -> tuple[np.ndarray, int]:
    """Return the class codes to show, and the number of pixels of the class raster per shown pixel along an axis."""
    if max(classes.grid.shape) <= MAX_SIDE:
        return _read(classes.path, classes.item), 1
    factor = round(overview.grid.resolution / classes.grid.resolution)
    difference = overview.grid.difference_to(classes.grid.coarsened(factor))
    if difference:
        raise StoreError(
            f"its overview does not fit its class map: {difference}",
            item=classes.item,
            asset="overview",
            remedy="materialise overview of this item",
        )
    codes = _read(overview.path, classes.item)
    more = -(-max(codes.shape) // MAX_SIDE)
    return (mode_nxn(codes, more), factor * more) if more > 1 else (codes, factor)


def _read(path: StorePath, item: str) -> np.ndarray:
    try:
        with rasterio.open(gdal_path(path), OVERVIEW_LEVEL="NONE") as dataset:
            return dataset.read(1)
    except RasterioIOError:
        raise _unreadable(path, item) from None


def _unreadable(path: StorePath, item: str) -> StoreError:
    return StoreError(
        f"{path} cannot be read",
        item=item,
        asset="report",
        remedy="materialise the asset that writes it, and those after it",
    )


def _encoded_layers(raw: RawBands, classes: ClassMap, codes: np.ndarray, factor: int, max_bytes: int) -> Layers | None:
    """Return the pictures, or None if they do not fit even at the lowest quality."""
    picture = class_png(codes)
    left = max_bytes - len(picture)
    percent = cell_means(classes.confidence, factor, CONFIDENCE_NODATA, classes.item)
    known = percent != CONFIDENCE_NODATA
    # Confidence gets at most half of the rest, so that a noisy one does not spoil the true colour.
    for step in STEPS:
        confidence = percent_png(percent, known, step)
        if len(confidence) <= left // 2:
            break
    else:
        return None
    left -= len(confidence)
    means = {
        name: cell_means(raw.paths[name], factor, NODATA_DN, classes.item)
        for name in dict.fromkeys(TRUE_COLOUR + FALSE_COLOUR)
    }
    true, false = (_colour_picture([means[name] for name in names]) for names in (TRUE_COLOUR, FALSE_COLOUR))
    for quality, coarser in _QUALITIES:
        size = -(-false.width // coarser), -(-false.height // coarser)
        smaller = false.resize(size, Image.Resampling.BOX) if coarser > 1 else false  # of the same extent
        colour, infrared = (encode_image(image, "JPEG", quality=quality) for image in (true, smaller))
        if len(colour) + len(infrared) <= left:
            grid = classes.grid.coarsened(factor) if factor > 1 else classes.grid
            counts = np.bincount(percent[known], minlength=101)[:101]
            return Layers(grid, factor, picture, confidence, colour, infrared, step, quality, coarser, 1, counts)
    return None


def _colour_picture(bands: list[np.ndarray]) -> Image.Image:
    """Return three bands as red, green and blue."""
    layers = np.stack(bands)
    image = np.array(rgb_composite(layers))
    image[(layers == NODATA_DN).any(axis=0)] = _EMPTY
    return Image.fromarray(image)


def confidence_colours() -> list[tuple[int, ...]]:
    """Return the colours of confidence, 0 to 100 percent."""
    stops = np.linspace(0, 100, len(COLORMAP))
    channels = [
        np.interp(np.arange(101), stops, channel).round().astype(int) for channel in zip(*COLORMAP, strict=True)
    ]
    return [tuple(map(int, colour)) for colour in zip(*channels, strict=True)]


def class_png(codes: np.ndarray) -> bytes:
    """Return a PNG of class codes, which are its palette indices."""
    return indexed_png(codes, [c.rgb for c in ALL_CLASSES])


def percent_png(percent: np.ndarray, known: np.ndarray, step: int) -> bytes:
    """Return a PNG of percentages in the colours of confidence. Its palette indices are the percentages.

    Args:
        percent: (rows, columns) uint8.
        known: (rows, columns) bool, False where there is no data.
        step: step to which the percentages are rounded.
    """
    rounded = np.where(known, np.minimum((percent + step // 2) // step * step, 100), PERCENT_EMPTY)
    return indexed_png(rounded.astype(np.uint8), [*confidence_colours(), NO_DATA.rgb])


def indexed_png(indices: np.ndarray, palette: list[tuple[int, ...]]) -> bytes:
    """Return a PNG with a palette."""
    image = Image.fromarray(indices)
    image.putpalette(bytes(value for colour in palette for value in colour))
    return encode_image(image, "PNG")


def cell_means(path: StorePath, factor: int, nodata: int, item: str) -> np.ndarray:
    """Return the mean of the valid pixels in each `factor` x `factor` cell of a one-band raster.

    The raster is read strip by strip, from the coarsest overview level whose pixels divide a cell. Levels whose size
    was rounded are not used, because their pixels are not aligned with the cells.

    Args:
        path: raster of unsigned integers.
        factor: cell width in pixels; cells at the right and lower edge may be incomplete.
        nodata: value of no data, and of a cell without a valid pixel.
        item: id of the scene, for messages.

    Returns:
        (ceil(rows / factor), ceil(columns / factor)) means, in the type of the raster, rounded to integers.

    Raises:
        StoreError: the raster cannot be read.
    """
    name = gdal_path(path)
    try:
        with rasterio.open(name) as dataset:
            rows, columns = dataset.shape
            levels = [(f, n) for n, f in enumerate(dataset.overviews(1))]
        fit = [(f, n) for f, n in levels if factor % f == 0 and rows % f == 0 and columns % f == 0]
        scale, level = max(fit, default=(1, "NONE"))
        with rasterio.open(name, OVERVIEW_LEVEL=level) as dataset:
            n = factor // scale
            strips = Grid.of(dataset).strips(max(1, _STRIP_ROWS // n) * n)
            return np.concatenate([_means(dataset.read(1, window=window), n, nodata) for window in strips])
    except RasterioIOError:
        raise _unreadable(path, item) from None


def _means(block: np.ndarray, n: int, nodata: int) -> np.ndarray:
    if n == 1:
        return block
    rows, columns = block.shape
    padded = np.pad(block, ((0, -rows % n), (0, -columns % n)), constant_values=nodata)
    valid = padded != nodata
    count, total = _cell_sums(valid, n), _cell_sums(padded if nodata == 0 else padded * valid, n)
    return np.where(count, (total + count // 2) // np.maximum(count, 1), nodata).astype(block.dtype)


def _cell_sums(pixels: np.ndarray, n: int) -> np.ndarray:
    """Return (rows / n, columns / n) uint32 sums of n x n cells. Rows are added first because they are contiguous."""
    bands = np.zeros((pixels.shape[0] // n, pixels.shape[1]), np.uint32)
    for row in range(n):
        bands += pixels[row::n]
    cells = np.zeros((bands.shape[0], bands.shape[1] // n), np.uint32)
    for column in range(n):
        cells += bands[:, column::n]
    return cells
