"""The report fits every screen, prints on one page, and is accessible."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.products.pages.scene_report import Report
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.conftest import read
from lc_assets_tests.products.pages.report_page import (
    check_fits,
    commonest,
    in_stage,
    is_near,
    of_class,
    pixel,
    place_of,
    shown,
)


@pytest.mark.parametrize("width", [360, 1600])
def test_nothing_is_cut_off_and_nothing_scrolls_sideways(browser: Any, made: tuple[Report, Path], width: int) -> None:
    with shown(browser, made[1], width) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        check_fits(page, width)
        clipped = page.evaluate(
            """[...document.querySelectorAll("p, dd, dt, li, button, h1, h2, h3, summary, select")].filter((one) =>
                one.clientWidth && !one.closest(".stage, .unseen") && one.scrollWidth > one.clientWidth + 1
            ).map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert clipped == []
        for wanted in ("h1", "#stage", ".legend", ".histogram", "#h-scene"):
            assert page.locator(wanted).is_visible()


@pytest.mark.parametrize("width", [360, 768, 1280, 1500])
def test_pointing_at_the_map_neither_moves_it_nor_covers_its_scale_bar(
    browser: Any, made: tuple[Report, Path], width: int
) -> None:
    places = """[...document.querySelectorAll("#stage, #readout, #scale")].map((one) => {
        const { x, y, width, height } = one.getBoundingClientRect();
        return [x + scrollX, y + scrollY, width, height];
    })"""
    with shown(browser, made[1], width) as page:
        before = page.evaluate(places)
        for share in (5, 3):
            x, y = place_of(page, made[0], made[0].layers.grid.height // share, made[0].layers.grid.width // share)
            page.locator("#stage").hover(position=in_stage(page, x, y))
            assert "°" in page.inner_text("#at-degrees")
            assert page.evaluate(places) == before
        readout, stage, _ = before
        assert readout[1] + readout[3] <= stage[1] + 1
        page.locator("#scale").scroll_into_view_if_needed()
        bar = page.locator("#scale").bounding_box()
        on_top = [bar["x"] + 5, bar["y"] + bar["height"] - 2]
        assert page.evaluate("([x, y]) => !!document.elementFromPoint(x, y).closest('#stage')", on_top)


def test_the_report_prints_on_one_page_in_any_state(browser: Any, made: tuple[Report, Path]) -> None:
    with shown(browser, made[1]) as page:
        page.click("#nearer")
        page.select_option("#right", label="Confidence")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        document = page.pdf(prefer_css_page_size=True, print_background=True)
        assert len(re.findall(rb"/Type\s*/Page\b", document)) == 1
        assert len(re.findall(rb"/MediaBox\s*\[0 0 59[45][.\d]* 84[12]", document)) == 1
        page.emulate_media(media="print")
        for wanted in ("#layer-colour", "#layer-classes", ".legend", "#h-scene"):
            assert page.locator(wanted).is_visible()
        colour, classes = (page.locator(f"#layer-{key}").bounding_box() for key in ("colour", "classes"))
        assert colour["x"] + colour["width"] < classes["x"]
        assert colour["y"] == classes["y"]
        assert colour["width"] == pytest.approx(classes["width"], abs=1)
        for unwanted in ("#layer-confidence", "#layer-infrared", "#swipe", "#theme", "#veil"):
            assert not page.locator(unwanted).is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser: Any, axe_script: Path, made: tuple[Report, Path], scheme: str) -> None:
    with shown(browser, made[1], color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        page.evaluate(axe_script.read_text())  # the page's policy allows no other script element
        result = page.evaluate("axe.run()")
        assert len(result["passes"]) > 20
        grave = [one["id"] for one in result["violations"] if one["impact"] in ("serious", "critical")]
        assert grave == []


def test_the_theme_follows_the_system_and_can_be_changed(browser: Any, made: tuple[Report, Path]) -> None:
    with shown(browser, made[1], color_scheme="dark") as page:
        assert sum(pixel(page, 3, 300)) < 120
        page.click("#theme")
        assert sum(pixel(page, 3, 300)) > 650


def test_the_map_the_legend_and_the_facts_are_visible_without_script(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    report, path = made
    codes = read(scene.classified)
    code = commonest(codes)[0]
    with shown(browser, path, java_script_enabled=False) as page:
        row, column = of_class(codes, code)
        page.locator("#layer-classes").scroll_into_view_if_needed()
        assert is_near(pixel(page, *place_of(page, report, row, column)), CLASSES[code].rgb)
        present = [c for c in ALL_CLASSES if (codes == c.code).any()]
        assert [text.split("\n")[0] for text in page.locator(".entry").all_inner_texts()] == [c.title for c in present]
        assert page.locator("#h-scene").is_visible()
        assert not page.locator("#theme").is_visible()
        assert not page.locator("#swipe").is_visible()


def test_a_dark_class_is_also_visible_on_the_dark_page(browser: Any, made: tuple[Report, Path]) -> None:
    with shown(browser, made[1], color_scheme="dark") as page:
        page.wait_for_selector("html[data-ready=yes]")
        page.focus(".entry")
        veil = page.evaluate(
            """() => {
            const c = document.getElementById('veil');
            const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            const n = [...Array(p.length / 4).keys()].find((i) => p[4 * i + 3]);
            return [...p.slice(4 * n, 4 * n + 3)]; }"""
        )
    for c in ALL_CLASSES:
        assert max(abs(a - b) for a, b in zip(veil, c.rgb, strict=True)) > 40, c
