"""Charts as PNG bytes, drawn with Pillow, so that Dagster shows them with the default install."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lc_assets.raster.render import BACKGROUND, FOREGROUND, encoded

_FAINT = (214, 214, 220)


_RIGHT, _WRONG = np.array((24, 64, 140)), np.array((190, 84, 20))  # told apart without red or green cones too


_CELL = 46


def matrix_chart(
    counts: np.ndarray, cells: list[list[str]], titles: Sequence[str], caption: str, side: int | None = None
) -> bytes:
    """A square matrix, shaded by each cell's share of its row.

    Args:
        counts: (n, n).
        cells: what is written in them.
        titles: of rows and columns.
        caption: says what rows and columns are.
        side: pixels that the picture is wide at most; None: as it comes.
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
        _upright(page, title, (left + i * cell + cell // 2, top - 8), font)
        for j in range(len(titles)):
            x, share = left + j * cell, float(shares[i, j])
            tone = (_RIGHT if i == j else _WRONG) * share**0.5 + np.array(BACKGROUND) * (1 - share**0.5)
            fill = (int(tone[0]), int(tone[1]), int(tone[2]))
            draw.rectangle((x, y, x + cell, y + cell), fill=fill, outline=_FAINT)
            if cells[i][j]:
                ink = BACKGROUND if share > 0.4 else FOREGROUND
                draw.text((x + cell / 2, y + cell / 2), cells[i][j], fill=ink, font=inner, anchor="mm")
    return encoded(page.quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)


def _upright(
    page: Image.Image, text: str, foot: tuple[int, int], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """Write a text upwards, centred on a column, from its foot."""
    strip = Image.new("L", (int(font.getlength(text)) + 2, 18))
    ImageDraw.Draw(strip).text((0, 9), text, fill=255, font=font, anchor="lm")
    turned = strip.rotate(90, expand=True)
    page.paste(FOREGROUND, (foot[0] - turned.width // 2, foot[1] - turned.height), turned)
