"""The report's map in a real browser: its values equal those of the rasters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.products.pages.layers import cell_means, confidence_colours
from lc_assets.products.pages.scene_report import Report
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.raster.grid import Grid
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.conftest import read
from lc_assets_tests.products.pages.report_page import (
    commonest,
    far,
    in_stage,
    is_near,
    of_class,
    pixel,
    place_of,
    shown,
)


def test_the_swipe_moves_by_mouse_and_by_keys_and_shows_the_chosen_pictures(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    report, path = made
    codes = read(scene.classified)
    code = commonest(codes)[0]
    row, column = of_class(codes, code, slice(report.layers.grid.width * 3 // 5, report.layers.grid.width * 4 // 5))
    colour, confidence = CLASSES[code].rgb, read(scene.confidence)[row, column]
    with shown(browser, path) as page:
        x, y = place_of(page, report, row, column)
        assert is_near(pixel(page, x, y), colour)
        knob = page.locator("#swipe").bounding_box()
        middle = (knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2)
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(knob["x"] + knob["width"] * 0.97, middle[1], steps=5)
        page.mouse.up()
        assert float(page.input_value("#swipe")) > 90
        photograph = pixel(page, x, y)
        assert not is_near(photograph, colour, 12)
        page.focus("#swipe")
        page.keyboard.press("Home")
        assert page.input_value("#swipe") == "0"
        assert is_near(pixel(page, x, y), colour)
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert float(page.input_value("#swipe")) > 0
        page.select_option("#right", label="Confidence")
        assert is_near(pixel(page, x, y), confidence_colours()[confidence])
        page.select_option("#left", label="Confidence")  # the same on both sides: they change places
        assert page.input_value("#right") == "0"
        assert is_near(pixel(page, x, y), photograph)


def test_the_line_between_the_pictures_can_be_dragged(browser: Any, made: tuple[Report, Path]) -> None:
    with shown(browser, made[1]) as page:
        line = page.locator("#divider").bounding_box()
        page.mouse.move(line["x"] + 12, line["y"] + 60)
        page.mouse.down()
        page.mouse.move(line["x"] - 200, line["y"] + 60, steps=4)
        page.mouse.up()
        assert float(page.input_value("#swipe")) < 40


def test_a_class_of_the_legend_is_highlighted_under_the_pointer_and_stays_highlighted_after_a_click(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    report, path = made
    codes = read(scene.classified)
    right = slice(report.layers.grid.width // 2 + 15, report.layers.grid.width)
    chosen, other = commonest(codes[:, right])[:2]
    with shown(browser, path) as page:
        at_chosen, at_other = (place_of(page, report, *of_class(codes, code, right)) for code in (chosen, other))
        before = pixel(page, *at_other)
        entry = page.locator(f".entry[data-code='{chosen}']")
        entry.hover()
        assert is_near(pixel(page, *at_chosen), CLASSES[chosen].rgb)
        dimmed = pixel(page, *at_other)
        assert is_near(before, CLASSES[other].rgb)
        assert not is_near(dimmed, before, 20)
        page.mouse.move(2, 2)
        assert is_near(pixel(page, *at_other), before)
        entry.focus()
        assert is_near(pixel(page, *at_other), dimmed)
        page.keyboard.press("Enter")
        assert entry.get_attribute("aria-pressed") == "true"
        page.focus("#swipe")
        assert is_near(pixel(page, *at_other), dimmed)
        entry.click()
        page.mouse.move(2, 2)
        page.focus("#swipe")
        assert is_near(pixel(page, *at_other), before)


@pytest.mark.parametrize("which", ["made", "coarse"])
def test_class_confidence_and_coordinates_under_the_pointer_equal_the_rasters(
    browser: Any, which: str, scene: SceneLayout, request: pytest.FixtureRequest
) -> None:
    report, path = request.getfixturevalue(which)
    factor = {"made": 1, "coarse": 2}[which]
    assert report.layers.factor == factor
    codes = read(scene.classified if factor == 1 else scene.overview)
    percent = cell_means(scene.confidence, factor, CONFIDENCE_NODATA, scene.item)
    assert codes.shape == (report.layers.grid.height, report.layers.grid.width) == percent.shape
    with rasterio.open(scene.classified) as dataset:
        grid = Grid.of(dataset)
    draw = np.random.default_rng(7)
    points = [
        (int(draw.integers(report.layers.grid.height)), int(draw.integers(report.layers.grid.width))) for _ in range(30)
    ]
    points += [
        (0, 0),
        (report.layers.grid.height - 1, 0),
        (0, report.layers.grid.width - 1),
        (report.layers.grid.height - 1, report.layers.grid.width - 1),
    ]
    seen = set()
    with shown(browser, path) as page:
        page.focus("#swipe")
        page.keyboard.press("Home")
        for row, column in points:
            x, y = place_of(page, report, row, column)
            page.locator("#stage").hover(position=in_stage(page, x, y))
            code = int(codes[row, column])
            seen.add(code)
            assert page.inner_text("#at-classes") == ALL_CLASSES[code].title
            expected = f"{percent[row, column]} %" if percent[row, column] != CONFIDENCE_NODATA else "\u2013"
            assert page.inner_text("#at-confidence") == expected
            shown_row, shown_column = map(int, page.inner_text("#at-pixel").split(", "))
            assert (shown_row // factor, shown_column // factor) == (row, column)
            east, north = (float(n.replace(",", "")) for n in page.inner_text("#at-metres").split(", "))
            middle = grid.coarsened(factor).transform @ (column + 0.5, row + 0.5)
            assert abs(east - middle[0]) < report.layers.grid.resolution
            assert abs(north - middle[1]) < report.layers.grid.resolution
            assert far(page.inner_text("#at-degrees"), grid.crs, *middle) < report.layers.grid.resolution
    assert len(seen) >= 4


def test_arrow_keys_read_the_map_and_the_values_are_announced(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    codes = read(scene.classified)
    with shown(browser, made[1]) as page:
        page.focus("#stage")
        for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "ArrowRight", "ArrowUp"):
            page.keyboard.press(key)
        row, column = map(int, page.inner_text("#at-pixel").split(", "))
        title = ALL_CLASSES[codes[row, column]].title
        assert page.inner_text("#at-classes") == title
        assert page.get_attribute("#cross", "hidden") is None
        page.wait_for_selector("#spoken:not(:empty)", state="attached")
        assert page.text_content("#spoken").startswith(title)
        for _ in range(60):
            page.keyboard.press("Shift+ArrowRight")
        assert page.inner_text("#at-pixel") == f"{row}, {codes.shape[1] - 1}"


def test_values_read_by_touch_stay(browser: Any, made: tuple[Report, Path], scene: SceneLayout) -> None:
    report, path = made
    codes = read(scene.classified)
    row, column = of_class(codes, commonest(codes)[0], slice(2 * codes.shape[1] // 3, None))  # beside the divider
    with shown(browser, path, 360, 740, has_touch=True) as page:
        page.touchscreen.tap(*place_of(page, report, row, column))
        assert page.inner_text("#at-classes") == ALL_CLASSES[commonest(codes)[0]].title


def test_values_stay_correct_after_zooming_and_dragging(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    report, path = made
    codes = read(scene.classified)
    with shown(browser, path) as page:
        width = page.locator("#layer-classes").bounding_box()["width"]
        page.click("#nearer")
        page.locator("#stage").dblclick(position={"x": 300, "y": 200})
        page.focus("#stage")
        page.keyboard.press("+")
        assert page.locator("#layer-classes").bounding_box()["width"] > 4 * width
        before = page.locator("#layer-classes").bounding_box()["x"]
        stage = page.locator("#stage").bounding_box()
        page.mouse.move(stage["x"] + 100, stage["y"] + 100)
        page.mouse.down()
        page.mouse.move(stage["x"] + 40, stage["y"] + 60, steps=3)
        page.mouse.up()
        box = page.locator("#layer-classes").bounding_box()
        assert box["x"] == pytest.approx(before - 60, abs=1)
        row, column = map(int, page.inner_text("#at-pixel").split(", "))
        assert page.inner_text("#at-classes") == ALL_CLASSES[codes[row, column]].title
        scale = box["width"] / report.layers.grid.width
        assert (column, row) == (
            int((stage["x"] + 40 - box["x"]) / scale),
            int((stage["y"] + 60 - box["y"]) / scale),
        )
        page.click("#whole")
        assert page.locator("#layer-classes").bounding_box()["width"] == pytest.approx(width, abs=1)
