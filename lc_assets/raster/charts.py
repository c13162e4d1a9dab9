"""Charts as PNG bytes, drawn with Pillow, which is part of the default installation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lc_assets.raster.render import BACKGROUND, FOREGROUND, encode_image

FAINT = (214, 214, 220)
# These two colours also differ for people with red-green colour blindness.
_DIAGONAL, _OFF_DIAGONAL = np.array((24, 64, 140)), np.array((190, 84, 20))
_CELL = 46
"""Largest width of a cell in pixels."""


def matrix_chart(
    counts: np.ndarray, cells: list[list[str]], titles: Sequence[str], caption: str, side: int | None = None
) -> bytes:
    """Return a square matrix as PNG bytes. The shade of a cell shows its share of the row's sum.

    Args:
        counts: (n, n) counts.
        cells: text of each cell, n rows of n.
        titles: titles of the n rows and of the n columns, which are the same.
        caption: text that explains rows and columns.
        side: largest width of the picture in pixels; None for no limit.
    """
    font, small = ImageFont.load_default(13), ImageFont.load_default(11)
    left = int(max(font.getlength(title) for title in titles)) + 24
    cell = _CELL if side is None else min(_CELL, (side - left - 12) // len(titles))
    top, size, inner = left + 24, cell * len(titles), font if cell == _CELL else ImageFont.load_default(10)
    page = Image.new("RGB", (left + size + 12, top + size + 12), BACKGROUND)
    draw = ImageDraw.Draw(page)
    draw.text((8, 8), caption, fill=FOREGROUND, font=small)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for i, title in enumerate(titles):
        y = top + i * cell
        draw.text((left - 10, y + cell / 2), title, fill=FOREGROUND, font=font, anchor="rm")
        draw_vertical_text(page, title, (left + i * cell + cell // 2, top - 8), font)
        for j in range(len(titles)):
            x, share = left + j * cell, float(shares[i, j])
            tone = (_DIAGONAL if i == j else _OFF_DIAGONAL) * share**0.5 + np.array(BACKGROUND) * (1 - share**0.5)
            fill = (int(tone[0]), int(tone[1]), int(tone[2]))
            draw.rectangle((x, y, x + cell, y + cell), fill=fill, outline=FAINT)
            if cells[i][j]:
                ink = BACKGROUND if share > 0.4 else FOREGROUND
                draw.text((x + cell / 2, y + cell / 2), cells[i][j], fill=ink, font=inner, anchor="mm")
    return encode_image(page.quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)


def draw_vertical_text(
    page: Image.Image, text: str, foot: tuple[int, int], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """Draw a text from bottom to top. `foot` is the (x, y) of the centre of its lower end, in pixels."""
    strip = Image.new("L", (int(font.getlength(text)) + 2, 18))
    ImageDraw.Draw(strip).text((0, 9), text, fill=255, font=font, anchor="lm")
    turned = strip.rotate(90, expand=True)
    page.paste(FOREGROUND, (foot[0] - turned.width // 2, foot[1] - turned.height), turned)
