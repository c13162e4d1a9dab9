"""Pictures that Dagster's UI displays inline: short enough, well formed, and with the right content."""

from __future__ import annotations

import base64
import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.raster.inline_svg import MAX_MARKDOWN, inline_histogram, inline_image, inline_map, inline_shares
from lc_assets.raster.mode import mode_nxn
from lc_assets.raster.render import class_image

SVG = "{http://www.w3.org/2000/svg}"


def parsed(markdown: str) -> ElementTree.Element:
    """The SVG of a Markdown image."""
    assert len(markdown) <= MAX_MARKDOWN
    match = re.fullmatch(r"!\[[^\]]*\]\(<data:image/svg\+xml,([^<>]*)>\)", markdown)
    assert match, markdown[:200]
    return ElementTree.fromstring(unquote(match[1]))


def content(root: ElementTree.Element) -> Image.Image:
    """The embedded picture."""
    found = root.find(f"{SVG}image")
    assert found is not None
    return Image.open(io.BytesIO(base64.b64decode(found.attrib["href"].partition("base64,")[2]))).convert("RGB")


@pytest.mark.parametrize("shape", [(300, 320), (480, 434), (60, 600), (600, 60), (3, 2)])
def test_a_map_of_any_shape_fits_and_keeps_its_colours(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    cell = max(1, min(shape) // 5)
    coarse = rng.integers(0, 11, (-(-shape[0] // cell), -(-shape[1] // cell)), dtype=np.uint8)
    codes = coarse.repeat(cell, 0).repeat(cell, 1)[: shape[0], : shape[1]]
    shown = content(parsed(inline_map(codes, "map", 10.0)))
    factor = -(-shape[1] // shown.width)
    assert max(shown.size) >= min(40, max(shape))
    assert np.array_equal(np.asarray(shown), np.asarray(class_image(mode_nxn(codes, factor))))


def test_a_strip_of_a_scene_is_not_higher_than_a_screen() -> None:
    root = parsed(inline_map(np.zeros((30_000, 2), np.uint8), "strip", 10.0))
    assert int(root.attrib["height"]) < 520


def test_noise_fits_too() -> None:
    rng = np.random.default_rng(2)
    for markdown in (
        inline_image(Image.fromarray(rng.integers(0, 255, (480, 480, 3), dtype=np.uint8)), "noise"),
        inline_map(rng.integers(0, 11, (480, 480), dtype=np.uint8), "noise", 10.0),
    ):
        assert min(content(parsed(markdown)).size) > 10


def test_a_photograph_is_close_to_the_original() -> None:
    rows, columns = np.mgrid[0:300, 0:320]
    page = np.stack([128 + 100 * np.sin(rows / 40), 128 + 100 * np.cos(columns / 30), rows * columns / 400], axis=-1)
    image = Image.fromarray(page.astype(np.uint8))
    shown = content(parsed(inline_image(image, "photo")))
    assert abs(shown.width / shown.height - 320 / 300) < 0.03
    wanted = np.asarray(image.resize(shown.size, Image.Resampling.BOX), float)
    assert np.abs(np.asarray(shown, float) - wanted).mean() < 12


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    root = parsed(inline_map(np.zeros((400, 720), np.uint8), "map", 20.0))  # 360 px of SVG are 14.4 km
    (bar,), (label,) = root.findall(f"{SVG}path"), root.findall(f"{SVG}text")
    assert label.text == "5 km"
    assert int(bar.attrib["d"].partition("h")[2]) == round(5000 / 40)


def legend(root: ElementTree.Element) -> list[tuple[str, str]]:
    """Colour and text of each line."""
    page = root.find(f"{SVG}foreignObject/{{http://www.w3.org/1999/xhtml}}pre")
    assert page is not None and page.text is not None
    colours = re.findall(r"(#[0-9A-F]{6}) 0 (\d+)px", page.attrib["style"])
    assert [int(end) for _, end in colours] == [17 * n for n in range(1, len(colours) + 1)]
    return list(zip((colour for colour, _ in colours), page.text.split("\n"), strict=True))


def test_shares_are_a_legend_sorted_by_share() -> None:
    root = parsed(inline_shares([(CLASSES[3], 5.0), (CLASSES[0], 60.0), (CLASSES[9], 35.0), (CLASSES[1], 0.0)], "p"))
    expected = [(CLASSES[0], "60.0 %"), (CLASSES[9], "35.0 %"), (CLASSES[3], "5.0 %")]
    assert legend(root) == [(f"#{c.hex}", f"{c.title} {share}") for c, share in expected]


def test_a_legend_has_room_for_all_classes() -> None:
    shown = legend(parsed(inline_shares([(c, 1.0 + c.code) for c in ALL_CLASSES], "percent of the map")))
    assert [colour for colour, _ in shown] == [f"#{c.hex}" for c in reversed(ALL_CLASSES)]
    parsed(inline_shares([(CLASSES[0], 0.0)], "nothing"))


def test_a_histogram_has_ten_percentages() -> None:
    bins = np.zeros(101, int)
    bins[[55, 95, 100]] = 25, 50, 25
    root = parsed(inline_histogram(bins, "confidence"))
    assert [text.text for text in root.findall(f"{SVG}text")][:10] == [
        "0",
        "0",
        "0",
        "0",
        "0",
        "25",
        "0",
        "0",
        "0",
        "75",
    ]
    parsed(inline_histogram(np.zeros(101, int), "nothing"))
