"""Pictures as Markdown of less than 1,000 characters, which Dagster's UI displays without a click.

The UI's `MetadataEntry` renders Markdown of up to 999 characters inline, and shows "[Show Markdown]" for longer text
(measured in Dagster 1.13; a browser test checks it). An SVG of this size can contain a bar chart, or an enlarged WebP
of about 500 bytes: a photograph 60 to 100 pixels wide, or a map with a number of cells that depends on its detail. This
is enough to recognise the scene. The metadata also have the full picture, which the UI shows on a click.
"""

from __future__ import annotations

import base64
import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from itertools import takewhile

import numpy as np
from PIL import Image

from lc_assets.core.landcover import LandCover
from lc_assets.raster.mode import mode_nxn
from lc_assets.raster.render import class_image, encode_image, scale_bar

MAX_MARKDOWN = 999
"""Largest number of characters of a Markdown value that is displayed inline."""

_WIDTH = 360
"""Width in pixels of the metadata column on a screen of 1,500 pixels."""
_MAX_HEIGHT = 480
_SIDES = (112, 96, 84, 72, 64, 56, 48, 40, 32)
_CELLS = (128, 112, 96, 84, 72, 64, 56, 48, 42, 36, 30, 24, 20, 16, 12, 8)
_LINE_HEIGHT = 17


def inline_image(image: Image.Image, title: str) -> str:
    """Return an image as Markdown of at most `MAX_MARKDOWN` characters, in the best quality that fits."""
    photo = image.convert("RGB")
    return _svg_image(image.size, title, "", None, lambda max_bytes: _smallest_error(photo, max_bytes))


Paint = Callable[[np.ndarray], Image.Image]


def inline_map(codes: np.ndarray, title: str, pixel_size: float, paint: Paint = class_image) -> str:
    """Return a raster of codes as Markdown of at most `MAX_MARKDOWN` characters, with a scale bar.

    The raster is reduced by mode to the largest number of cells that fits.

    Args:
        codes: (rows, columns) codes, 0 to 10.
        title: alternative text of the picture.
        pixel_size: metres per pixel of `codes`.
        paint: function from codes to a picture.
    """
    size, style = (codes.shape[1], codes.shape[0]), " style='image-rendering:pixelated'"
    return _svg_image(size, title, style, pixel_size, lambda max_bytes: _most_cells(codes, max_bytes, paint))


def _svg_image(
    size: tuple[int, int], title: str, style: str, pixel_size: float | None, content: Callable[[int], bytes]
) -> str:
    """Return the Markdown of a picture. `content` returns its WebP for a maximum number of bytes.

    `size` is (width, height) in pixels. `pixel_size` is in metres; None means no scale bar.
    """
    scale = min(_WIDTH / size[0], _MAX_HEIGHT / size[1])
    width, height = (max(round(n * scale), 1) for n in size)
    bar = ""
    if pixel_size:
        length, label = scale_bar(pixel_size / scale, _WIDTH // 2)
        line = f"<path stroke='#000' d='M0,{height + 8}h{length}'/>"
        bar = f"{line}<text x='{length + 6}' y='{height + 13}'>{label}</text>"
    shape = f"width='{width}' height='{height}'"
    picture = f"<image{style} {shape} href='data:image/webp;base64,'/>"
    frame = f"width='{_WIDTH}' height='{height + (18 if bar else 0)}' stroke-width='3' font-family='Arial'"
    around = _svg(frame, picture + bar, title)
    max_bytes = (MAX_MARKDOWN - len(around)) * 3 // 4 - 3
    return around.replace("base64,", f"base64,{base64.b64encode(content(max_bytes)).decode()}")


def _most_cells(codes: np.ndarray, max_bytes: int, paint: Paint) -> bytes:
    """Return the lossless WebP with the largest number of cells that fits into `max_bytes`, reduced by mode."""

    @cache
    def encoded(factor: int) -> bytes:
        # Method 6 is 5 to 9 % smaller and takes 100 times as long (2 and 200 ms for 128 x 128 cells).
        return encode_image(paint(mode_nxn(codes, factor)), "WEBP", lossless=True, quality=100, method=4)

    # A bisection, because the largest pictures take most of the time: the more cells, the more bytes.
    factors = sorted({-(-max(codes.shape) // side) for side in _CELLS}, reverse=True)
    fitting = bisect_right(factors, max_bytes, key=lambda factor: len(encoded(factor)))
    return encoded(factors[fitting - 1]) if fitting else _placeholder()


def _smallest_error(image: Image.Image, max_bytes: int) -> bytes:
    """Return the WebP with the smallest error that fits into `max_bytes`, over several sizes and qualities."""
    reference = image.copy()
    reference.thumbnail((2 * _SIDES[0], 2 * _SIDES[0]), Image.Resampling.BOX)
    target, candidates = np.asarray(reference, np.float32), []
    for side in _SIDES:
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.BOX)
        tries = (_webp(small, quality) for quality in (1, 8, 20, 40, 70))
        fits = list(takewhile(lambda content: len(content) <= max_bytes, tries))
        if fits:
            shown = Image.open(io.BytesIO(fits[-1])).convert("RGB").resize(reference.size, Image.Resampling.BILINEAR)
            candidates.append((float(np.square(np.asarray(shown, np.float32) - target).mean()), fits[-1]))
    return min(candidates, key=lambda pair: pair[0])[1] if candidates else _placeholder()


def _webp(image: Image.Image, quality: int) -> bytes:
    return encode_image(image, "WEBP", quality=quality, method=6)


@cache
def _placeholder() -> bytes:
    """Return the picture for an image that does not fit even at the lowest quality, such as noise."""
    return _webp(Image.new("RGB", (8, 8)), 1)


def inline_shares(shares: Sequence[tuple[LandCover, float]], title: str) -> str:
    """Return a legend of the classes that occur, sorted by share, as Markdown. All classes fit.

    Args:
        shares: (class, percent) pairs.
        title: alternative text of the picture.
    """
    ordered = sorted(((c, share) for c, share in shares if share > 0), key=lambda pair: -pair[1])
    # One colour strip with one text next to it: separate elements for each class would need too many characters.
    stops = ",".join(f"#{c.hex} 0 {_LINE_HEIGHT * (number + 1)}px" for number, (c, _) in enumerate(ordered))
    lines = "\n".join(f"{c.title} {share:.1f} %" for c, share in ordered)
    strip = f"background:linear-gradient({stops or '#fff 0 0'}) 0/16px no-repeat"
    style = f"margin:0;padding-left:24px;font:12px/{_LINE_HEIGHT}px Arial;{strip}"
    size = f"width='{_WIDTH}' height='{_LINE_HEIGHT * max(len(ordered), 1)}'"
    page = f"<pre xmlns='http://www.w3.org/1999/xhtml' style='{style}'>{lines}</pre>"
    return _svg(size, f"<foreignObject {size}>{page}</foreignObject>", title)


def inline_histogram(bins: np.ndarray, title: str) -> str:
    """Return a histogram of a map's confidence as Markdown: ten bars with their percentages above.

    Args:
        bins: (101,) number of pixels for each percent of confidence, 0 to 100.
        title: alternative text of the picture.
    """
    shares = percent_by_tenth(bins)
    highest = max(*shares, 1.0)
    bars = "".join(f"M{34 * n + 16},110v-{90 * share / highest:.0f}" for n, share in enumerate(shares))
    above = "".join(
        f"<text x='{34 * n + 9}' y='{105 - 90 * share / highest:.0f}'>{share:.0f}</text>"
        for n, share in enumerate(shares)
    )
    drawn = f"<path stroke='#5C6C8C' stroke-width='28' d='{bars}'/>{above}"
    axis = "<text y='123'>0 %</text><text x='322' y='123'>100 %</text>"
    return _svg(f"width='{_WIDTH}' height='126' font-family='Arial' font-size='11'", drawn + axis, title)


def percent_by_tenth(bins: np.ndarray) -> list[float]:
    """Return the percentage of a map's pixels in each tenth of confidence; 100 % belongs to the last tenth.

    All values are 0 for a map without classified pixels.

    Args:
        bins: (101,) number of pixels for each percent of confidence, 0 to 100.
    """
    total = max(float(bins.sum()), 1.0)
    return [100 * float(bins[low : low + 10 if low < 90 else 101].sum()) / total for low in range(0, 100, 10)]


def _svg(attributes: str, content: str, title: str) -> str:
    """Return an SVG as a Markdown image, with only the escapes that URLs and Markdown need.

    The background is white, so that the picture is readable on a dark page.
    """
    document = f"<svg xmlns='http://www.w3.org/2000/svg' style='background:#fff' {attributes}>{content}</svg>"
    escaped = document.replace("%", "%25").replace("#", "%23").replace("<", "%3C").replace(">", "%3E")
    escaped = escaped.replace("\n", "%0A")
    return f"![{title}](<data:image/svg+xml,{escaped}>)"
