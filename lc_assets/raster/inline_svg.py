"""Pictures of less than a thousand characters: what Dagster's UI shows in place and not behind a click.

Its `MetadataEntry` renders Markdown inline up to 999 characters, and offers anything longer as "[Show Markdown]"
(measured in 1.13; a test in a browser holds it). An SVG of so few characters holds a bar chart, or a WebP of some 500
bytes, enlarged: a photograph of 60 to 100 pixels, a map of as many cells as its detail leaves room for. It says what
the scene is; the sharp picture is one click away.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from itertools import takewhile

import numpy as np
from PIL import Image

from lc_assets.core.landcover import LandCover
from lc_assets.raster.mode import mode_nxn
from lc_assets.raster.render import class_image, encoded, scale_bar

MOST = 999
"""Characters of a Markdown value that is shown inline, at most."""

_WIDTH = 360
"""What the metadata's column shows of a picture on a screen of 1,500 pixels."""
_HIGHEST = 480
_SIDES = (112, 96, 84, 72, 64, 56, 48, 40, 32)
_CELLS = (128, 112, 96, 84, 72, 64, 56, 48, 42, 36, 30, 24, 20, 16, 12, 8)
_STEP = 17


def inline_image(image: Image.Image, title: str) -> str:
    """A photograph as Markdown of at most `MOST` characters: as sharp as that allows."""
    photo = image.convert("RGB")
    return _framed(image.size, title, "", None, lambda room: _smallest_error(photo, room))


Paint = Callable[[np.ndarray], Image.Image]


def inline_map(codes: np.ndarray, title: str, pixel_size: float, paint: Paint = class_image) -> str:
    """A raster of codes as Markdown of at most `MOST` characters, with a scale bar: in its own colours, by mode, with
    as many cells as that allows.

    Args:
        codes: (rows, columns) codes, 0 to 10.
        title: for who cannot see it.
        pixel_size: metres per pixel of `codes`.
        paint: codes -> picture.
    """
    size, style = (codes.shape[1], codes.shape[0]), " style='image-rendering:pixelated'"
    return _framed(size, title, style, pixel_size, lambda room: _most_cells(codes, room, paint))


def _framed(
    size: tuple[int, int], title: str, style: str, pixel_size: float | None, content: Callable[[int], bytes]
) -> str:
    """The Markdown of a picture, whose WebP `content` makes for the bytes that are left for it."""
    by = min(_WIDTH / size[0], _HIGHEST / size[1])
    width, height = (max(round(n * by), 1) for n in size)
    bar = ""
    if pixel_size:
        length, label = scale_bar(pixel_size / by, _WIDTH // 2)
        line = f"<path stroke='#000' d='M0,{height + 8}h{length}'/>"
        bar = f"{line}<text x='{length + 6}' y='{height + 13}'>{label}</text>"
    shape = f"width='{width}' height='{height}'"
    picture = f"<image{style} {shape} href='data:image/webp;base64,'/>"
    frame = f"width='{_WIDTH}' height='{height + (18 if bar else 0)}' stroke-width='3' font-family='Arial'"
    around = _svg(frame, picture + bar, title)
    room = (MOST - len(around)) * 3 // 4 - 3
    return around.replace("base64,", f"base64,{base64.b64encode(content(room)).decode()}")


def _most_cells(codes: np.ndarray, room: int, paint: Paint) -> bytes:
    """The lossless WebP of at most `room` bytes with the most cells, each its most frequent class."""
    longest, tried = max(codes.shape), 0
    for side in _CELLS:
        factor = -(-longest // side)
        if factor == tried:
            continue
        tried = factor
        content = encoded(paint(mode_nxn(codes, factor)), "WEBP", lossless=True, quality=100, method=6)
        if len(content) <= room:
            return content
    return _NOTHING


def _smallest_error(image: Image.Image, room: int) -> bytes:
    """The WebP of at most `room` bytes that comes closest to the image: few good pixels, or more that are coarser."""
    wanted = image.copy()
    wanted.thumbnail((2 * _SIDES[0], 2 * _SIDES[0]), Image.Resampling.BOX)
    target, found = np.asarray(wanted, np.float32), []
    for side in _SIDES:
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.BOX)
        tries = (_webp(small, quality) for quality in (1, 8, 20, 40, 70))
        fits = list(takewhile(lambda content: len(content) <= room, tries))
        if fits:
            shown = Image.open(io.BytesIO(fits[-1])).convert("RGB").resize(wanted.size, Image.Resampling.BILINEAR)
            found.append((float(np.square(np.asarray(shown, np.float32) - target).mean()), fits[-1]))
    return min(found, key=lambda pair: pair[0])[1] if found else _NOTHING


def _webp(image: Image.Image, quality: int) -> bytes:
    return encoded(image, "WEBP", quality=quality, method=6)


_NOTHING = _webp(Image.new("RGB", (8, 8)), 1)
"""Where not even the coarsest picture fits: noise."""


def inline_shares(shares: Sequence[tuple[LandCover, float]], title: str) -> str:
    """A legend of the classes that occur, the largest first, with their shares, as Markdown: room enough for all.

    Args:
        shares: (class, percent).
        title: for who cannot see it.
    """
    ordered = sorted(((c, share) for c, share in shares if share > 0), key=lambda pair: -pair[1])
    # One strip of colours and one text beside it: an element of its own for each class would not fit.
    stops = ",".join(f"#{c.hex} 0 {_STEP * (number + 1)}px" for number, (c, _) in enumerate(ordered))
    lines = "\n".join(f"{c.title} {share:.1f} %" for c, share in ordered)
    strip = f"background:linear-gradient({stops or '#fff 0 0'}) 0/16px no-repeat"
    style = f"margin:0;padding-left:24px;font:12px/{_STEP}px Arial;{strip}"
    size = f"width='{_WIDTH}' height='{_STEP * max(len(ordered), 1)}'"
    page = f"<pre xmlns='http://www.w3.org/1999/xhtml' style='{style}'>{lines}</pre>"
    return _svg(size, f"<foreignObject {size}>{page}</foreignObject>", title)


def inline_histogram(bins: np.ndarray, title: str) -> str:
    """How much of a map has which confidence, as Markdown: ten bars, their percent above them.

    Args:
        bins: (101,) pixels per percent of confidence.
        title: for who cannot see it.
    """
    shares = tenths(bins)
    highest = max(*shares, 1.0)
    bars = "".join(f"M{34 * n + 16},110v-{90 * share / highest:.0f}" for n, share in enumerate(shares))
    above = "".join(
        f"<text x='{34 * n + 9}' y='{105 - 90 * share / highest:.0f}'>{share:.0f}</text>"
        for n, share in enumerate(shares)
    )
    drawn = f"<path stroke='#5C6C8C' stroke-width='28' d='{bars}'/>{above}"
    axis = "<text y='123'>0 %</text><text x='322' y='123'>100 %</text>"
    return _svg(f"width='{_WIDTH}' height='126' font-family='Arial' font-size='11'", drawn + axis, title)


def tenths(bins: np.ndarray) -> list[float]:
    """Percent of a map per tenth of confidence, the last with its 100; zeros where nothing is classified.

    Args:
        bins: (101,) pixels per percent of confidence.
    """
    total = max(float(bins.sum()), 1.0)
    return [100 * float(bins[low : low + 10 if low < 90 else 101].sum()) / total for low in range(0, 100, 10)]


def _svg(attributes: str, content: str, title: str) -> str:
    """A Markdown image of an SVG, with no more escapes than a URL and Markdown need; on white, for dark pages too."""
    document = f"<svg xmlns='http://www.w3.org/2000/svg' style='background:#fff' {attributes}>{content}</svg>"
    escaped = document.replace("%", "%25").replace("#", "%23").replace("<", "%3C").replace(">", "%3E")
    escaped = escaped.replace("\n", "%0A")
    return f"![{title}](<data:image/svg+xml,{escaped}>)"
