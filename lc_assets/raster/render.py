"""Pictures of rasters, made with Pillow: the class map with its legend, and three bands as an RGB composite."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image, ImageDraw, ImageFont
from rasterio.enums import Resampling

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.raster.mode import mode_nxn

_FONT_SIZE = 13
_LINE_HEIGHT = 20
FOREGROUND = (30, 30, 34)
BACKGROUND = (255, 255, 255)


def class_image(codes: np.ndarray) -> Image.Image:
    """Return class codes (rows, columns) as an RGB image in the colours of the class table."""
    lookup = np.full((256, 3), 255, np.uint8)
    for c in ALL_CLASSES:
        lookup[c.code] = c.rgb
    return Image.fromarray(lookup[codes])


def map_with_legend(codes: np.ndarray, counts: np.ndarray, pixel_area: float, pixel_size: float) -> bytes:
    """Return a PNG of a class map with a scale bar and a legend: share and hectares of each class that occurs.

    Args:
        codes: (rows, columns) uint8, one per pixel of the picture.
        counts: number of pixels for each code in the full-resolution map.
        pixel_area: hectares per full-resolution pixel.
        pixel_size: metres per pixel of `codes`.
    """
    total = max(int(counts.sum()), 1)
    lines = [
        (c.rgb, f"{c.title}  {100 * counts[c.code] / total:.1f} %  {counts[c.code] * pixel_area:,.0f} ha")
        for c in ALL_CLASSES
        if counts[c.code]
    ]
    return with_legend(class_image(codes), lines, pixel_size)


def with_legend(image: Image.Image, lines: Sequence[tuple[tuple[int, int, int], str]], pixel_size: float) -> bytes:
    """Return a PNG of a picture with a legend and a scale bar on its right.

    Args:
        image: a picture with few colours; the PNG has at most 64.
        lines: (colour, text) of the legend's lines.
        pixel_size: metres per pixel of the picture.
    """
    font = ImageFont.load_default(_FONT_SIZE)
    width = int(max((font.getlength(text) for _, text in lines), default=0)) + 44
    height = max(image.height, _LINE_HEIGHT * (len(lines) + 2) + 16)
    page = Image.new("RGB", (image.width + width, height), BACKGROUND)
    page.paste(image, (0, 0))
    draw = ImageDraw.Draw(page)
    x, y = image.width + 14, 10
    for colour, text in lines:
        draw.rectangle((x, y + 3, x + 13, y + 15), fill=colour, outline=FOREGROUND)
        draw.text((x + 20, y + 1), text, fill=FOREGROUND, font=font)
        y += _LINE_HEIGHT
    length, label = scale_bar(pixel_size, min(image.width, width - 30))
    if length:
        draw.line((x, y + 14, x + length, y + 14), fill=FOREGROUND, width=3)
        draw.text((x, y + 18), label, fill=FOREGROUND, font=font)
    return encode_image(page.quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)


def scale_bar(pixel_size: float, max_width: int) -> tuple[int, str]:
    """Return (length in pixels, label) of the longest scale bar of a round length that fits; length 0 if none fits.

    Args:
        pixel_size: metres per pixel of the picture.
        max_width: available width in pixels.
    """
    lengths = (m * 10**e for e in range(1, 6) for m in (1, 2, 5))
    metres = max((length for length in lengths if length / pixel_size <= max_width), default=0)
    return round(metres / pixel_size), f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


def read_codes_for_display(path: str | Path, side: int) -> tuple[np.ndarray, float]:
    """Read a class raster for a picture of at most `side` pixels a side, reduced by mode.

    A small raster is enlarged by a whole factor, so that the picture is readable.

    Returns:
        The (rows, columns) uint8 codes, and their pixel size in metres.
    """
    with rasterio.open(path) as dataset:
        # The coarsest level with enough pixels, because reading a full tile for a picture takes long.
        levels = [n for n, f in enumerate(dataset.overviews(1)) if max(dataset.shape) / f >= side]
    with rasterio.open(path, OVERVIEW_LEVEL=levels[-1] if levels else "NONE") as dataset:
        codes, size = dataset.read(1), float(dataset.transform.a)
    longest = max(codes.shape)
    if longest > side:
        factor = -(-longest // side)
        return mode_nxn(codes, factor), size * factor
    factor = max(1, side // longest)
    return codes.repeat(factor, axis=0).repeat(factor, axis=1), size / factor


def quicklook(bands: tuple[str | Path, str | Path, str | Path], side: int) -> Image.Image:
    """Return three band files of the same grid as an RGB image of at most `side` pixels a side."""
    return rgb_composite(np.stack([read_decimated(path, side) for path in bands]))


@dataclass(frozen=True)
class Stretch:
    """Which DN become black and white: the same for all bands, which keeps the colours: haze stays blue."""

    low: float
    high: float

    @classmethod
    def of(cls, layers: np.ndarray) -> Stretch:
        """Return a stretch that clips only the brightest pixels of (3, rows, columns) DN; 0 is no data."""
        valid = (layers > 0).all(axis=0)
        if not valid.any():
            return cls(0, 1)
        low, high = np.percentile(layers[:, valid], (0.5, 93))
        return cls(low, high + 0.35 * (high - low))

    def apply(self, layer: np.ndarray) -> np.ndarray:
        """Return uint8 tones of DN."""
        tone = np.clip((layer.astype(np.float32) - self.low) / max(self.high - self.low, 1), 0, 1)
        tones: np.ndarray = (255 * tone**0.7).astype(np.uint8)
        return tones


def rgb_composite(layers: np.ndarray) -> Image.Image:
    """Return three layers as an RGB image, stretched so that only the brightest pixels are clipped.

    Args:
        layers: (3, rows, columns) DN in the order red, green, blue. 0 means no data and becomes black.
    """
    valid, stretch = (layers > 0).all(axis=0), Stretch.of(layers)
    page = np.zeros((*valid.shape, 3), np.uint8)
    for channel, layer in enumerate(layers):
        page[..., channel] = np.where(valid, stretch.apply(layer), 0)
    return Image.fromarray(page)


def read_decimated(path: str | Path, side: int) -> np.ndarray:
    """Read the first band of a raster from its overviews, by nearest neighbour, at no more than `side` pixels a side.

    Returns:
        (rows, columns) values in the raster's data type.
    """
    with rasterio.open(path) as dataset:
        scale = max(1.0, max(dataset.shape) / side)
        shape = tuple(max(1, round(n / scale)) for n in dataset.shape)
        return dataset.read(1, out_shape=shape, resampling=Resampling.nearest)


def encode_image(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return an image as the bytes of a file. `kind` and `options` are the format and options of Pillow's `save`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
