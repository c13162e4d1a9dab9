"""Charts of a judgement, as PNG bytes: the confusion matrix, the calibration curve. Drawn with Pillow, so that Dagster
shows them with the default install."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lc_assets.core.landcover import CLASSES
from lc_assets.raster.render import INK, PAPER, encoded
from lc_assets.training.evaluation.metrics import BINS, Judgement

_FAINT = (214, 214, 220)
_RIGHT, _WRONG = np.array((24, 64, 140)), np.array((190, 84, 20))  # told apart without red or green cones too
_CELL, _SIDE = 46, 360


def confusion_chart(judged: Judgement) -> bytes:
    """Confusion matrix: labels down, predictions across; chips in the cells, shaded by their share of the row."""
    cells = [[str(count) if count else "" for count in row] for row in judged.confusion.tolist()]
    titles = [c.title for c in CLASSES]
    return matrix_chart(judged.confusion, cells, titles, "label (rows), prediction (columns)")


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
    page = Image.new("RGB", (left + size + 12, top + size + 12), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((8, 8), caption, fill=INK, font=small)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for i, title in enumerate(titles):
        y = top + i * cell
        draw.text((left - 10, y + cell / 2), title, fill=INK, font=font, anchor="rm")
        _upright(page, title, (left + i * cell + cell // 2, top - 8), font)
        for j in range(len(titles)):
            x, share = left + j * cell, float(shares[i, j])
            tone = (_RIGHT if i == j else _WRONG) * share**0.5 + np.array(PAPER) * (1 - share**0.5)
            fill = (int(tone[0]), int(tone[1]), int(tone[2]))
            draw.rectangle((x, y, x + cell, y + cell), fill=fill, outline=_FAINT)
            if cells[i][j]:
                ink = PAPER if share > 0.4 else INK
                draw.text((x + cell / 2, y + cell / 2), cells[i][j], fill=ink, font=inner, anchor="mm")
    return encoded(page.quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)


def calibration_chart(judged: Judgement) -> bytes:
    """Accuracy over confidence: one bar a bin, dark where more chips are; the diagonal is a model that knows what it
    knows."""
    font = ImageFont.load_default(12)
    left, top = 52, 16
    page = Image.new("RGB", (left + _SIDE + 20, top + _SIDE + 52), PAPER)
    draw = ImageDraw.Draw(page)
    most = max(float(judged.bins[:, 0].max()), 1)
    for number, (chips, _, accuracy) in enumerate(judged.bins):
        if chips:
            tone = int(200 - 140 * (chips / most) ** 0.4)
            x0, x1 = (left + _SIDE * n / BINS for n in (number, number + 1))
            draw.rectangle((x0 + 1, top + _SIDE * (1 - accuracy), x1 - 1, top + _SIDE), fill=(tone, tone, 220))
            draw.text(((x0 + x1) / 2, top + _SIDE - 8), f"{chips:.0f}", fill=INK, font=font, anchor="mm")
    draw.line((left, top + _SIDE, left + _SIDE, top), fill=INK, width=1)
    draw.rectangle((left, top, left + _SIDE, top + _SIDE), outline=_FAINT)
    for tick in range(0, 101, 25):
        at = _SIDE * tick / 100
        draw.text((left + at, top + _SIDE + 12), f"{tick}", fill=INK, font=font, anchor="mm")
        draw.text((left - 8, top + _SIDE - at), f"{tick}", fill=INK, font=font, anchor="rm")
    draw.text(
        (left + _SIDE / 2, top + _SIDE + 34), "confidence, % (chips in the bars)", fill=INK, font=font, anchor="mm"
    )
    _upright(page, "right, %", (14, top + _SIDE // 2 + 26), font)
    return encoded(page.quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)


def _upright(
    page: Image.Image, text: str, foot: tuple[int, int], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """Write a text upwards, centred on a column, from its foot."""
    strip = Image.new("L", (int(font.getlength(text)) + 2, 18))
    ImageDraw.Draw(strip).text((0, 9), text, fill=255, font=font, anchor="lm")
    turned = strip.rotate(90, expand=True)
    page.paste(INK, (foot[0] - turned.width // 2, foot[1] - turned.height), turned)
