"""The picture of the maps as PNG bytes: true colours, map and reference of each scene, with a legend."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.raster.render import BACKGROUND, FOREGROUND, class_image, encode_image, rgb_composite
from lc_assets.training.evaluation.map_evaluation import GROUPS_KIND, TAUGHT_BY, WATER_KIND, MapEvaluation, MapPicture
from lc_assets.training.evaluation.map_metrics import JUDGED

LARGEST = 300_000
"""Largest size of the picture in bytes."""

_SIDES = (256, 208, 160, 112)
"""Sides of a panel in pixels; the largest one whose picture is small enough is used."""
_GAP, _TITLE, _LINE = 8, 20, 20
_LEGEND = 190
_PHOTO_COLOURS, _TEXT_COLOURS = 216, 16
"""Number of colours of the photographs and of the texts. With the colours of the classes, a PNG has at most 256."""
_SHOWN_AS = dict(zip(JUDGED, ("SeaLake", "Forest", "Residential", "AnnualCrop", "Pasture"), strict=True))
"""Group of the reference -> the class whose colour shows it."""
_COLOURS = {c.name: c.rgb for c in CLASSES}
_LEGEND_LINES: list[tuple[tuple[int, int, int] | None, str]] = [
    (None, "map, kinds of water"),
    *((c.rgb, c.title) for c in CLASSES),
    (None, ""),
    (None, "reference, Dynamic World"),
    *((_COLOURS[_SHOWN_AS[group]], group) for group in JUDGED),
    (NO_DATA.rgb, "not counted, no data"),
]
_REFERENCE_TITLES = {
    GROUPS_KIND: "reference",
    WATER_KIND: "reference: kinds of water",
    TAUGHT_BY: "Dynamic World (agreement)",
    "": "no reference",
}


def maps_chart(maps: MapEvaluation) -> bytes:
    """Return the picture of the maps, at most `LARGEST` bytes unless the smallest panels need more.

    Raises:
        ValueError: there are no scenes to show.
    """
    content = b""
    for side in _SIDES:
        content = _drawn(maps.pictures, side)
        if len(content) <= LARGEST:
            break
    return content


def _drawn(pictures: tuple[MapPicture, ...], side: int) -> bytes:
    if not pictures:
        raise ValueError("no scenes to show")
    font = ImageFont.load_default(12)
    photos = _photos([_fitted(rgb_composite(picture.layers), side) for picture in pictures])
    rows = [
        [photo, *(_fitted(panel, side) for panel in _panels(picture))]
        for photo, picture in zip(photos, pictures, strict=True)
    ]
    heights = [max(panel.height for panel in row) for row in rows]
    body = sum(height + _TITLE + _GAP for height in heights)
    legend = _LINE * len(_LEGEND_LINES)
    page = Image.new("RGB", (3 * (side + _GAP) + _LEGEND, max(body, legend) + _GAP), BACKGROUND)
    draw = ImageDraw.Draw(page)
    tops = [_GAP + sum(heights[:n]) + n * (_TITLE + _GAP) for n in range(len(rows))]
    for picture, top in zip(pictures, tops, strict=True):
        for number, title in enumerate((picture.title, "map", _REFERENCE_TITLES[picture.kind])):
            draw.text((_GAP + number * (side + _GAP), top), _shortened(title, font, side), fill=FOREGROUND, font=font)
    _draw_legend_texts(draw, 3 * (side + _GAP) + 2 * _GAP, font)
    page = page.quantize(_TEXT_COLOURS, dither=Image.Dither.NONE).convert("RGB")
    for row, top in zip(rows, tops, strict=True):
        for number, panel in enumerate(row):
            page.paste(panel, (_GAP + number * (side + _GAP), top + _TITLE))
    _draw_legend_colours(ImageDraw.Draw(page), 3 * (side + _GAP) + 2 * _GAP)
    return encode_image(_with_exact_palette(page), "PNG", optimize=True)


def _photos(photos: list[Image.Image]) -> list[Image.Image]:
    """Return the photographs, reduced to `_PHOTO_COLOURS` colours that they share."""
    tops = np.cumsum([0, *(photo.height for photo in photos)])
    joined = Image.new("RGB", (max(photo.width for photo in photos), int(tops[-1])))
    for photo, top in zip(photos, tops[:-1], strict=True):
        joined.paste(photo, (0, int(top)))
    joined = joined.quantize(_PHOTO_COLOURS, dither=Image.Dither.NONE).convert("RGB")
    return [
        joined.crop((0, int(top), photo.width, int(top) + photo.height))
        for photo, top in zip(photos, tops[:-1], strict=True)
    ]


def _with_exact_palette(page: Image.Image) -> Image.Image:
    """Return a picture of at most 256 colours as a palette picture with exactly these colours."""
    channels = np.asarray(page).astype(np.uint32)
    packed = channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2]
    colours, index = np.unique(packed, return_inverse=True)
    exact = Image.fromarray(index.reshape(packed.shape).astype(np.uint8), "P")
    exact.putpalette(np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=-1).astype(np.uint8).tobytes())
    return exact


def _panels(picture: MapPicture) -> list[Image.Image]:
    """Return the map and, if there is one, the reference."""
    panels = [class_image(picture.classes)]
    if picture.reference is not None:
        lookup = np.full((256, 3), NO_DATA.rgb, np.uint8)
        if picture.kind == WATER_KIND:
            for c in CLASSES:
                if c.name in ("River", "SeaLake"):
                    lookup[c.code] = c.rgb
        else:
            lookup[: len(JUDGED)] = [_COLOURS[_SHOWN_AS[group]] for group in JUDGED]
        panels.append(Image.fromarray(lookup[picture.reference]))
    return panels


def _fitted(panel: Image.Image, side: int) -> Image.Image:
    scale = side / max(panel.size)
    size = (max(1, round(panel.width * scale)), max(1, round(panel.height * scale)))
    return panel.resize(size, Image.Resampling.NEAREST)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}...") > room:
        text = text[:-1]
    return f"{text}..."


def _draw_legend_texts(draw: ImageDraw.ImageDraw, x: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    for number, (colour, text) in enumerate(_LEGEND_LINES):
        draw.text((x + (20 if colour else 0), _GAP + number * _LINE + 1), text, fill=FOREGROUND, font=font)


def _draw_legend_colours(draw: ImageDraw.ImageDraw, x: int) -> None:
    for number, (colour, _) in enumerate(_LEGEND_LINES):
        if colour:
            y = _GAP + number * _LINE
            draw.rectangle((x, y + 2, x + 13, y + 14), fill=colour, outline=FOREGROUND)
