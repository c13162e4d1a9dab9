"""Charts of an evaluation as PNG bytes: confusion matrix and calibration curve.

They are drawn with Pillow, so that Dagster can show them with the default install.
"""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from lc_assets.core.landcover import CLASSES
from lc_assets.raster.charts import FAINT, draw_vertical_text, matrix_chart
from lc_assets.raster.render import BACKGROUND, FOREGROUND, encode_image
from lc_assets.training.evaluation.metrics import BINS, ClassificationMetrics

_SIDE = 360


def confusion_chart(judged: ClassificationMetrics) -> bytes:
    """Return the confusion matrix as PNG: rows are labels, columns are predictions.

    Each cell shows the number of chips, shaded by its share of the row.
    """
    cells = [[str(count) if count else "" for count in row] for row in judged.confusion.tolist()]
    titles = [c.title for c in CLASSES]
    return matrix_chart(judged.confusion, cells, titles, "label (rows), prediction (columns)")


def calibration_chart(judged: ClassificationMetrics) -> bytes:
    """Return the calibration curve as PNG: accuracy over confidence, one bar per bin, darker for more chips.

    The bars of a perfectly calibrated model end on the diagonal.
    """
    font = ImageFont.load_default(12)
    left, top = 52, 16
    page = Image.new("RGB", (left + _SIDE + 20, top + _SIDE + 52), BACKGROUND)
    draw = ImageDraw.Draw(page)
    most = max(float(judged.bins[:, 0].max()), 1)
    for number, (chips, _, accuracy) in enumerate(judged.bins):
        if chips:
            tone = int(200 - 140 * (chips / most) ** 0.4)
            x0, x1 = (left + _SIDE * n / BINS for n in (number, number + 1))
            draw.rectangle((x0 + 1, top + _SIDE * (1 - accuracy), x1 - 1, top + _SIDE), fill=(tone, tone, 220))
            draw.text(((x0 + x1) / 2, top + _SIDE - 8), f"{chips:.0f}", fill=FOREGROUND, font=font, anchor="mm")
    draw.line((left, top + _SIDE, left + _SIDE, top), fill=FOREGROUND, width=1)
    draw.rectangle((left, top, left + _SIDE, top + _SIDE), outline=FAINT)
    for tick in range(0, 101, 25):
        at = _SIDE * tick / 100
        draw.text((left + at, top + _SIDE + 12), f"{tick}", fill=FOREGROUND, font=font, anchor="mm")
        draw.text((left - 8, top + _SIDE - at), f"{tick}", fill=FOREGROUND, font=font, anchor="rm")
    draw.text(
        (left + _SIDE / 2, top + _SIDE + 34),
        "confidence, % (chips in the bars)",
        fill=FOREGROUND,
        font=font,
        anchor="mm",
    )
    draw_vertical_text(page, "right, %", (14, top + _SIDE // 2 + 26), font)
    return encode_image(page.quantize(64, dither=Image.Dither.NONE), "PNG", optimize=True)
