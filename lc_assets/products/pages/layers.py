"""The pictures of a report: true colour, classes and confidence, all on one grid, and small enough together.

The grid is the class raster's own where that is small enough, else the overview's, else one that is coarser still. A
cell's class is its most frequent one; its colour and its confidence are means of exactly the pixels that it covers. A
coarse grid reaches beyond the raster's right and lower edge, and reading to a shape (or from an overview level whose
size was rounded) would stretch the picture by half a cell there.
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
from lc_assets.raster.render import encoded, rgb_composite
from lc_assets.sentinel2.band_table import TRUE_COLOUR
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.radiometry import NODATA_DN
from lc_assets.store.paths import StorePath, gdal_path

COLORMAP: tuple[tuple[int, int, int], ...] = (
    *((0, 34, 78), (12, 52, 112), (53, 69, 108), (79, 87, 108), (102, 105, 112), (125, 124, 120)),
    *((148, 142, 119), (173, 162, 114), (200, 184, 102), (229, 207, 82), (254, 232, 56)),
)
"""Colours of confidence at 0, 10, ... 100 %: cividis, which looks the same with and without red-green blindness.
Source: Nunez, Anderton and Renslow (2018), doi:10.1371/journal.pone.0199239, as sampled from matplotlib's table."""

CONFIDENCE_EMPTY = 101
"""Palette index of no data in the confidence picture."""

_PICTURES_BYTES = 2_050_000
"""Room for the three pictures: base64 makes a third more of it, and a page is to stay under 3 MB with all its text."""
_STEPS = (1, 2, 5, 10)
"""What confidence may be rounded to, in percent."""
_QUALITIES = (85, 70, 55, 40)
"""JPEG qualities of the true-colour picture, in Pillow's numbers."""
_EMPTY = (128, 132, 136)
"""Where the bands hold no data, in the true-colour picture: neither water's black nor a cloud's white."""
_STRIP_ROWS = 1024


@dataclass(frozen=True)
class Layers:
    """Three pictures of one grid.

    Attributes:
        grid: of the pictures.
        factor: pixels of the class raster per shown pixel, along an axis.
        classes: PNG of palette indices, which are class codes.
        confidence: PNG of palette indices, which are percent; `CONFIDENCE_EMPTY` is no data, in its class's colour.
        true_colour: JPEG.
        confidence_step: what confidence is rounded to, in percent.
        quality: JPEG quality of the true colour.
        coarsened: how many times coarser the pictures are than they would be if they needed less room; 1 is not at all.
        histogram: (101,) shown pixels per percent of confidence, before it was rounded.
    """

    grid: Grid
    factor: int
    classes: bytes
    confidence: bytes
    true_colour: bytes
    confidence_step: int
    quality: int
    coarsened: int
    histogram: np.ndarray

    @property
    def degradations(self) -> list[str]:
        """What was given up to keep the pictures small, in words."""
        return [
            *([f"the true colour is compressed to quality {self.quality}"] if self.quality < _QUALITIES[0] else []),
            *([f"confidence is rounded to {self.confidence_step} %"] if self.confidence_step > 1 else []),
            *([f"the pictures are {self.coarsened} times coarser"] if self.coarsened > 1 else []),
        ]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each picture."""
        return {name: len(getattr(self, name)) for name in ("true_colour", "classes", "confidence")}


def build_layers(raw: RawBands, classes: ClassMap, overview: Overview, *, room: int = _PICTURES_BYTES) -> Layers:
    """The pictures of a scene, together at most `room` bytes: first their quality is lowered, then their resolution.

    Raises:
        StoreError: a raster cannot be read, or the overview is not the class raster's.
    """
    codes, factor = _codes(classes, overview)
    coarsened = 1
    while (made := _encoded_layers(raw, classes, mode_nxn(codes, coarsened), factor * coarsened, room)) is None:
        coarsened *= 2
    return replace(made, coarsened=coarsened)


def _codes(classes: ClassMap, overview: Overview) -> tuple[np.ndarray, int]:
    """Class codes to show, and how many pixels of the class raster one of them is wide."""
    if max(classes.grid.shape) <= MAX_SIDE:
        return _read(classes.path, classes.item), 1
    factor = round(overview.grid.resolution / classes.grid.resolution)
    difference = overview.grid.difference_to(classes.grid.coarsened(factor))
    if difference:
        raise StoreError(
            f"its overview is not one of its class map: {difference}",
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
        f"{path} cannot be read", item=item, asset="report", remedy="materialise what has made it, and all that follows"
    )


def _encoded_layers(raw: RawBands, classes: ClassMap, codes: np.ndarray, factor: int, room: int) -> Layers | None:
    """The pictures, or None where they do not fit at the lowest quality either."""
    picture = _indexed(codes, [c.rgb for c in ALL_CLASSES])
    room -= len(picture)
    percent = cell_means(classes.confidence, factor, CONFIDENCE_NODATA, classes.item)
    known = percent != CONFIDENCE_NODATA
    # Confidence gets half of what is left, so that colour is not ground to powder by a noisy one.
    for step in _STEPS:
        rounded = np.where(known, np.minimum((percent + step // 2) // step * step, 100), CONFIDENCE_EMPTY)
        confidence = _indexed(rounded.astype(np.uint8), [*ramp_colours(), NO_DATA.rgb])
        if len(confidence) <= room // 2:
            break
    else:
        return None
    room -= len(confidence)
    bands = np.stack([cell_means(raw.paths[name], factor, NODATA_DN, classes.item) for name in TRUE_COLOUR])
    image = np.array(rgb_composite(bands))
    image[(bands == NODATA_DN).any(axis=0)] = _EMPTY
    for quality in _QUALITIES:
        colour = encoded(Image.fromarray(image), "JPEG", quality=quality)
        if len(colour) <= room:
            grid = classes.grid.coarsened(factor) if factor > 1 else classes.grid
            counts = np.bincount(percent[known], minlength=101)[:101]
            return Layers(grid, factor, picture, confidence, colour, step, quality, 1, counts)
    return None


def ramp_colours() -> list[tuple[int, ...]]:
    """The colour of every percent of confidence, 0 to 100."""
    stops = np.linspace(0, 100, len(COLORMAP))
    channels = [
        np.interp(np.arange(101), stops, channel).round().astype(int) for channel in zip(*COLORMAP, strict=True)
    ]
    return [tuple(map(int, colour)) for colour in zip(*channels, strict=True)]


def _indexed(indices: np.ndarray, palette: list[tuple[int, ...]]) -> bytes:
    """PNG of palette indices."""
    image = Image.fromarray(indices)
    image.putpalette(bytes(value for colour in palette for value in colour))
    return encoded(image, "PNG")


def cell_means(path: StorePath, factor: int, nodata: int, item: str) -> np.ndarray:
    """The mean of the valid pixels of each `factor` x `factor` cell of a one-band raster.

    Read from the coarsest overview level of which whole pixels make up a cell; levels whose size had to be rounded are
    passed over, for their pixels lie askew. Memory is bounded by a strip.

    Args:
        path: raster of unsigned integers.
        factor: cell width in pixels; cells at the right and lower edge may be incomplete.
        nodata: the value that means none; what a cell without a valid pixel becomes.
        item: for messages.

    Returns:
        (ceil(rows / factor), ceil(columns / factor)), in the raster's type, rounded to whole numbers.

    Raises:
        StoreError: it cannot be read.
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
    """(rows / n, columns / n) uint32. Whole rows are added up first: they lie in memory one after the other."""
    bands = np.zeros((pixels.shape[0] // n, pixels.shape[1]), np.uint32)
    for row in range(n):
        bands += pixels[row::n]
    cells = np.zeros((bands.shape[0], bands.shape[1] // n), np.uint32)
    for column in range(n):
        cells += bands[:, column::n]
    return cells
