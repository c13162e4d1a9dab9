"""The report of a scene, in a real browser: what it shows is what the rasters hold, and it asks nobody for anything."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.enums import Resampling
from rasterio.warp import transform

from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.core.settings import Settings
from lc_assets.inference.class_map import ClassMap
from lc_assets.inference.loading import read_contract
from lc_assets.products.overview import Overview
from lc_assets.products.pages import layers as pictures
from lc_assets.products.pages.control_points import control_points
from lc_assets.products.pages.layers import build_layers, cell_means, ramp_colours
from lc_assets.products.pages.scene_report import MAX_BYTES, Report, ReportFacts, build_report
from lc_assets.products.stac.provenance import software
from lc_assets.raster.cog import CONFIDENCE_NODATA, class_cog, confidence_cog
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import TRUE_COLOUR
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.conftest import read

FULL_TILE = 10980


def opened(folder: SceneLayout) -> tuple[RawBands, ClassMap, Overview]:
    item = folder.item
    return (
        RawBands.open(folder.raw_bands, item),
        ClassMap.open(folder.classified, folder.confidence, item),
        Overview.open(folder.overview, folder.thumbnail, item),
    )


@pytest.fixture(scope="module")
def facts() -> ReportFacts:
    model = Path(Settings().model)
    contract, _ = read_contract(model)
    seconds = {"raw_bands": 1.25, "class_raster": 12.5}
    return ReportFacts(seconds, software(), "2026-01-02T03:04:05Z", contract, json.loads(model.read_text()))


@pytest.fixture(scope="module")
def scene(classified_demo: Any) -> SceneLayout:
    desk, _ = classified_demo
    return next(desk.folder(path.name) for path in (desk.store.root / "scenes").iterdir())


@pytest.fixture(scope="module")
def made(scene: SceneLayout, facts: ReportFacts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The demo scene's report, and its file."""
    report = build_report(*opened(scene), facts)
    return report, written(report, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def coarse(scene: SceneLayout, facts: ReportFacts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The same of a scene that is too large to be shown pixel by pixel: the demo, with less allowed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "MAX_SIDE", 200)
        report = build_report(*opened(scene), facts)
    return report, written(report, tmp_path_factory.mktemp("coarse"))


def written(report: Report, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_bytes(report.html)
    return path


@contextmanager
def shown(browser: Any, path: Path, width: int = 1280, height: int = 900, **options: Any) -> Iterator[Any]:
    """The page, open and ready; an error or a request of its own is a failure."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: faults.append(request.url) if asks(request.url, path) else None)
    page.goto(path.as_uri())
    if options.get("java_script_enabled", True):
        page.wait_for_selector("html[data-ready=yes]", state="attached")
    yield page
    context.close()
    assert not faults


def asks(url: str, path: Path) -> bool:
    return url != path.as_uri() and not url.startswith("data:")


def pixel(page: Any, x: float, y: float) -> tuple[int, ...]:
    """Colour at a place of the viewport."""
    image = Image.open(io.BytesIO(page.screenshot(clip={"x": int(x), "y": int(y), "width": 1, "height": 1})))
    return image.convert("RGB").getpixel((0, 0))


def is_near(colour: tuple[int, ...], other: tuple[int, ...], by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(colour, other, strict=True))


def place_of(page: Any, report: Report, row: int, column: int) -> tuple[float, float]:
    """Where the middle of a shown pixel is in the viewport."""
    box = page.locator("#layer-classes").bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / report.width, box["y"] + (row + 0.5) * box[
        "height"
    ] / report.height


def of_class(codes: np.ndarray, code: int, columns: slice = slice(None)) -> tuple[int, int]:
    """A pixel deep inside an area of a class, within some columns."""
    same = codes == code
    deep = same.copy()
    for axis in (0, 1):
        for by in (-3, 3):
            deep &= np.roll(same, by, axis=axis)
    rows, found = np.nonzero(deep[:, columns])
    assert len(rows), f"the demo has no {ALL_CLASSES[code].name} there"
    return int(rows[len(rows) // 2]), int(found[len(rows) // 2]) + (columns.start or 0)


def commonest(codes: np.ndarray) -> list[int]:
    """The demo's classes, from the most frequent."""
    counts = np.bincount(codes[codes != NO_DATA.code], minlength=len(CLASSES))
    return [int(code) for code in np.argsort(-counts)]


def test_the_swipe_moves_by_mouse_and_by_keys_and_shows_the_chosen_pictures(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    report, path = made
    codes = read(scene.classified)
    code = commonest(codes)[0]
    row, column = of_class(codes, code, slice(report.width * 3 // 5, report.width * 4 // 5))
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
        assert is_near(pixel(page, x, y), ramp_colours()[confidence])
        page.select_option("#left", label="Confidence")  # the same on both sides: they change places
        assert page.input_value("#right") == "0"
        assert is_near(pixel(page, x, y), photograph)


def test_the_line_between_the_pictures_can_be_dragged_too(browser: Any, made: tuple[Report, Path]) -> None:
    with shown(browser, made[1]) as page:
        line = page.locator("#divider").bounding_box()
        page.mouse.move(line["x"] + 12, line["y"] + 60)
        page.mouse.down()
        page.mouse.move(line["x"] - 200, line["y"] + 60, steps=4)
        page.mouse.up()
        assert float(page.input_value("#swipe")) < 40


def test_a_class_of_the_legend_lights_up_under_the_pointer_and_stays_when_it_is_clicked(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    report, path = made
    codes = read(scene.classified)
    right = slice(report.width // 2 + 15, report.width)
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
def test_class_confidence_and_coordinates_under_the_pointer_are_the_rasters(
    browser: Any, which: str, scene: SceneLayout, request: pytest.FixtureRequest
) -> None:
    report, path = request.getfixturevalue(which)
    factor = {"made": 1, "coarse": 2}[which]
    assert report.factor == factor
    codes = read(scene.classified if factor == 1 else scene.overview)
    percent = cell_means(scene.confidence, factor, CONFIDENCE_NODATA, scene.item)
    assert codes.shape == (report.height, report.width) == percent.shape
    with rasterio.open(scene.classified) as dataset:
        grid = Grid.of(dataset)
    draw = np.random.default_rng(7)
    points = [(int(draw.integers(report.height)), int(draw.integers(report.width))) for _ in range(30)]
    points += [(0, 0), (report.height - 1, 0), (0, report.width - 1), (report.height - 1, report.width - 1)]
    seen = set()
    with shown(browser, path) as page:
        page.focus("#swipe")
        page.keyboard.press("Home")
        for row, column in points:
            x, y = place_of(page, report, row, column)
            page.locator("#stage").hover(position=in_stage(page, x, y))
            code = int(codes[row, column])
            seen.add(code)
            assert page.inner_text("#at-class") == ALL_CLASSES[code].title
            expected = f"{percent[row, column]} %" if percent[row, column] != CONFIDENCE_NODATA else "\u2013"
            assert page.inner_text("#at-confidence") == expected
            told_row, told_column = map(int, page.inner_text("#at-pixel").split(", "))
            assert (told_row // factor, told_column // factor) == (row, column)
            east, north = (float(n.replace(",", "")) for n in page.inner_text("#at-metres").split(", "))
            middle = grid.coarsened(factor).transform @ (column + 0.5, row + 0.5)
            assert abs(east - middle[0]) < report.pixel_size
            assert abs(north - middle[1]) < report.pixel_size
            assert far(page.inner_text("#at-degrees"), grid.crs, *middle) < report.pixel_size
    assert len(seen) >= 4


def in_stage(page: Any, x: float, y: float) -> dict[str, float]:
    box = page.locator("#stage").bounding_box()
    return {"x": x - box["x"], "y": y - box["y"]}


def far(told: str, crs: str, east: float, north: float) -> float:
    """Metres between the latitude and longitude that the page tells and a place."""
    found = re.fullmatch(r"([\d.]+)° ([NS]), ([\d.]+)° ([EW])", told)
    assert found, told
    latitude = float(found[1]) * (1 if found[2] == "N" else -1)
    longitude = float(found[3]) * (1 if found[4] == "E" else -1)
    (x,), (y,) = transform("EPSG:4326", crs, [longitude], [latitude])
    return float(np.hypot(x - east, y - north))


def test_arrow_keys_read_the_map_as_the_pointer_does_and_say_so_once(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    codes = read(scene.classified)
    with shown(browser, made[1]) as page:
        page.focus("#stage")
        for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "ArrowRight", "ArrowUp"):
            page.keyboard.press(key)
        row, column = map(int, page.inner_text("#at-pixel").split(", "))
        title = ALL_CLASSES[codes[row, column]].title
        assert page.inner_text("#at-class") == title
        assert page.get_attribute("#cross", "hidden") is None
        page.wait_for_selector("#spoken:not(:empty)", state="attached")
        assert page.text_content("#spoken").startswith(title)
        for _ in range(60):
            page.keyboard.press("Shift+ArrowRight")
        assert page.inner_text("#at-pixel") == f"{row}, {codes.shape[1] - 1}"


def test_a_finger_reads_the_map_and_what_it_read_stays(
    browser: Any, made: tuple[Report, Path], scene: SceneLayout
) -> None:
    report, path = made
    codes = read(scene.classified)
    row, column = of_class(codes, commonest(codes)[0])
    with shown(browser, path, 360, 740, has_touch=True) as page:
        page.touchscreen.tap(*place_of(page, report, row, column))
        assert page.inner_text("#at-class") == ALL_CLASSES[commonest(codes)[0]].title


def test_zooming_and_dragging_keep_what_is_read_true(
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
        assert page.inner_text("#at-class") == ALL_CLASSES[codes[row, column]].title
        scale = box["width"] / report.width
        assert (column, row) == (
            int((stage["x"] + 40 - box["x"]) / scale),
            int((stage["y"] + 60 - box["y"]) / scale),
        )
        page.click("#whole")
        assert page.locator("#layer-classes").bounding_box()["width"] == pytest.approx(width, abs=1)


@pytest.mark.parametrize("width", [360, 1600])
def test_nothing_is_cut_off_and_nothing_scrolls_sideways(browser: Any, made: tuple[Report, Path], width: int) -> None:
    with shown(browser, made[1], width) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = page.evaluate(
            """[...document.body.querySelectorAll("*")].filter((one) => {
                const box = one.getBoundingClientRect();
                const isOut = box.left < -0.5 || box.right > innerWidth + 0.5;
                return box.width && isOut && !one.closest(".stage, .unseen");
            }).map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert outside == []
        clipped = page.evaluate(
            """[...document.querySelectorAll("p, dd, dt, li, button, h1, h2, h3, summary, select")].filter((one) =>
                one.clientWidth && !one.closest(".stage, .unseen") && one.scrollWidth > one.clientWidth + 1
            ).map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert clipped == []
        for wanted in ("h1", "#stage", ".legend", ".histogram", "#h-scene"):
            assert page.locator(wanted).is_visible()


def test_it_prints_on_one_page_whatever_is_shown(browser: Any, made: tuple[Report, Path]) -> None:
    with shown(browser, made[1]) as page:
        page.click("#nearer")
        page.select_option("#right", label="Confidence")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        document = page.pdf(prefer_css_page_size=True, print_background=True)
        assert len(re.findall(rb"/Type\s*/Page\b", document)) == 1
        assert len(re.findall(rb"/MediaBox\s*\[0 0 59[45][.\d]* 84[12]", document)) == 1
        page.emulate_media(media="print")
        for wanted in ("#layer-classes", ".legend", "#h-scene"):
            assert page.locator(wanted).is_visible()
        for unwanted in ("#layer-confidence", "#layer-colour", "#swipe", "#theme", "#veil"):
            assert not page.locator(unwanted).is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser: Any, axe_script: Path, made: tuple[Report, Path], scheme: str) -> None:
    with shown(browser, made[1], color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        page.evaluate(axe_script.read_text())  # the page's policy lets no script element in
        result = page.evaluate("axe.run()")
        assert len(result["passes"]) > 20
        grave = [one["id"] for one in result["violations"] if one["impact"] in ("serious", "critical")]
        assert grave == []


def test_it_is_dark_where_the_system_is_and_can_be_changed(browser: Any, made: tuple[Report, Path]) -> None:
    with shown(browser, made[1], color_scheme="dark") as page:
        assert sum(pixel(page, 3, 300)) < 120
        page.click("#theme")
        assert sum(pixel(page, 3, 300)) > 650


def test_without_script_the_map_the_legend_and_the_facts_are_there(
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


def test_what_strangers_wrote_is_text_and_nothing_else(
    browser: Any, scene: SceneLayout, facts: ReportFacts, tmp_path: Path
) -> None:
    raw, classes, overview = opened(scene)
    evil = (
        "</script></title></dd><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\"'`$place ${title}"
    )
    links = [
        {"rel": "self", "href": "javascript:window.hacked=1"},
        {"rel": "license", "href": 'https://licence.example/a"onmouseover="window.hacked=1?sv=1&sig=secret'},
        {"rel": "license", "href": "https://user:pass@licence.example/b?sig=secret", "title": evil},
        {"rel": ["self"], "href": "http://["},
        "no link",
    ]
    properties = {**raw.scene.properties, "platform": evil, "eo:cloud_cover": evil, "datetime": evil}
    properties |= {"s2:mgrs_tile": evil, "s2:nodata_pixel_percentage": {"a": [evil]}}
    document = {**raw.scene.document, "properties": properties, "links": links}
    raw = replace(raw, scene=replace(raw.scene, document=document))
    contract = replace(
        facts.contract,
        description=evil,
        limitations=(evil,),
        metrics={evil: {evil: evil, "deep": {"a": {"b": {"c": {"d": evil}}}}}, "none": None, "infinite": float("inf")},
        training_data=({"title": evil, "href": "javascript:window.hacked=1", "license": evil},),
    )
    model = {"properties": {"datetime": [evil]}}
    hostile = ReportFacts({evil: 1.0}, {evil: evil}, evil, contract, model)
    path = written(build_report(raw, classes, overview, hostile), tmp_path)
    assert "sig=" not in path.read_text(encoding="utf-8")
    with shown(browser, path) as page:
        assert page.evaluate("window.hacked") is None
        assert page.locator("script").count() == 2
        assert page.locator("img").count() == 3
        hrefs = page.evaluate("[...document.querySelectorAll('a')].map((one) => one.getAttribute('href'))")
        outward = [href for href in hrefs if not href.startswith("./")]
        assert len(outward) == 2
        assert all(href.startswith("https://licence.example/") for href in outward)
        assert "<script>window.hacked=1</script>" in page.inner_text("dl.rows >> nth=0")


def test_it_says_what_the_scene_the_model_and_the_work_were(
    made: tuple[Report, Path], scene: SceneLayout, facts: ReportFacts
) -> None:
    page = made[0].html.decode()
    classes = ClassMap.open(scene.classified, scene.confidence, scene.item)
    assert "<h1>Tile 32ULC, 21 June 2024</h1>" in page
    for text in ("05.11", "Sentinel-2B", "L2A", "1000 DN", facts.contract.sha256, facts.contract.limitations[0][:40]):
        assert text in page
    for name, version in facts.software.items():
        assert f"<dt>{name}</dt><dd>{version}</dd>" in page
    assert "<dt>class_raster</dt><dd>12.5 s</dd>" in page
    for code in np.flatnonzero(classes.pixels):
        assert f'data-code="{code}"' in page
    assert 'data-code="1"' not in page or classes.pixels[1]
    for reason in ("no data in the source", "hidden: cloud"):
        assert reason in page
    for file in (scene.classified, scene.confidence, scene.overview, scene.thumbnail):
        assert f'href="./{file.name}"' in page
    assert "sig=" not in page
    assert not re.search(r'(?:src|href)="(?!data:|\./|https?://)', page)


def test_a_noisy_full_tile_stays_under_three_megabytes_and_says_what_it_cost(
    scene: SceneLayout, facts: ReportFacts, tmp_path: Path
) -> None:
    raw, classes, overview = opened(scene)
    draw = np.random.default_rng(1)
    grid = replace(classes.grid, width=FULL_TILE, height=FULL_TILE)
    coarser = grid.coarsened(8)

    def noise(low: int, high: int, dtype: str) -> np.ndarray:
        block = draw.integers(low, high, (1097, 1097), dtype)
        return np.tile(block, (11, 11))[:FULL_TILE, :FULL_TILE]

    def plain(path: Path, pixels: np.ndarray) -> Path:
        profile = {"driver": "GTiff", "count": 1, "dtype": pixels.dtype, "crs": grid.crs, "transform": grid.transform}
        with rasterio.open(path, "w", **profile, height=FULL_TILE, width=FULL_TILE, tiled=True) as dataset:
            dataset.write(pixels, 1)
        return path

    plain(tmp_path / "band.tif", noise(200, 6000, "uint16"))
    raw = replace(raw, folder=tmp_path, files={name: {"file": "band.tif"} for name in TRUE_COLOUR})
    classes = replace(classes, confidence=plain(tmp_path / "confidence.tif", noise(0, 101, "uint8")), grid=grid)
    with class_cog(tmp_path / "overview.tif", coarser, {}) as dataset:
        dataset.write(draw.integers(0, 11, coarser.shape, "uint8"), 1)
    overview = Overview(scene.item, tmp_path / "overview.tif", overview.thumbnail, coarser)
    report = build_report(raw, classes, overview, facts)
    assert (report.width, report.height, report.factor, report.pixel_size) == (1373, 1373, 8, 80)
    assert 2_000_000 < len(report.html) < 3_000_000  # it is noise, and it is all there
    assert "To keep the page small, the true colour is compressed to quality" in report.html.decode()
    for path in tmp_path.iterdir():
        path.unlink()


def test_texts_of_uncommon_length_leave_the_page_under_three_megabytes(scene: SceneLayout, facts: ReportFacts) -> None:
    long = {"title": "'" * 3000, "href": "https://a.example/" + "&" * 240_000}
    contract = replace(
        facts.contract,
        limitations=("'" * 3000,) * 500,
        metrics={f"{n} {chr(39) * 3000}": 10**310 for n in range(500)},
        training_data=(long,) * 500,
    )
    page = build_report(*opened(scene), replace(facts, contract=contract))
    assert len(page.html) < MAX_BYTES
    assert b"&amp;&amp;&amp;" not in page.html


def test_a_dark_class_stands_out_on_the_dark_page_too(browser: Any, made: tuple[Report, Path]) -> None:
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


@pytest.mark.parametrize("room", [20_000, 12_000, 6_000])
def test_quality_is_given_up_before_resolution(scene: SceneLayout, room: int) -> None:
    parts = opened(scene)
    best, small = build_layers(*parts), build_layers(*parts, room=room)
    assert best.degradations == []
    assert sum(best.sizes.values()) > room > sum(small.sizes.values())
    assert small.quality < best.quality
    assert (small.coarsened > 1) == (room < 10_000)
    assert small.factor == small.coarsened


@pytest.mark.parametrize("levels", [[], [2, 4, 8]])
def test_cells_are_means_of_exactly_their_pixels_also_where_the_grid_overhangs(
    tmp_path: Path, levels: list[int]
) -> None:
    """724 is 4 x 181 and no multiple of 8, as 10980 is: of its levels, that of 8 lies askew."""
    draw = np.random.default_rng(5)
    pixels = draw.integers(1, 5000, (724, 732), "uint16")
    # Levels have been averaged before, so a cell's mean is exact in them only where it is wholly empty or wholly full.
    cells = np.repeat(np.repeat(draw.random((91, 92)), 8, axis=0), 8, axis=1)[:724, :732]
    pixels[(cells if levels else draw.random((724, 732))) < 0.2] = 0
    pixels[-4:, -4:] = 0
    path = tmp_path / "band.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "nodata": 0, "crs": "EPSG:32633"}
    with rasterio.open(path, "w", **profile, height=724, width=732, transform=Affine(10, 0, 0, 0, -10, 0)) as dataset:
        dataset.write(pixels, 1)
        dataset.build_overviews(levels, Resampling.average)
    means = cell_means(path, 8, 0, "item")
    padded = np.pad(pixels, ((0, 4), (0, 4))).reshape(91, 8, 92, 8).astype(float)
    counts = (padded > 0).sum(axis=(1, 3))
    expected = np.divide(padded.sum(axis=(1, 3)), counts, out=np.zeros(counts.shape), where=counts > 0)
    assert np.abs(means - expected).max() <= (1.5 if levels else 0.5)
    assert ((means == 0) == (counts == 0)).all()


def test_a_bright_pixel_stays_in_its_cell_to_the_last_row(tmp_path: Path) -> None:
    size = 10980 // 4
    pixels = np.full((size, size), 50, np.uint8)
    pixels[-1, -1] = pixels[size // 2, size - 2] = 100
    path = tmp_path / "confidence.tif"
    with confidence_cog(path, Grid("EPSG:32633", Affine(10, 0, 0, 0, -10, 0), size, size), {}) as dataset:
        dataset.write(pixels, 1)
    means = cell_means(path, 2, CONFIDENCE_NODATA, "item")
    assert [tuple(map(int, place)) for place in np.argwhere(means > 55)] == [
        (size // 4, (size - 2) // 2),
        (size // 2, size // 2),
    ]


@pytest.mark.parametrize(
    ("crs", "corner"),
    [
        ("EPSG:32633", (300_000, 6_200_000)),
        ("EPSG:32601", (300_000, 7_300_000)),  # across the antimeridian
        ("EPSG:32733", (300_000, 2_000_000)),
        ("EPSG:3413", (-54_900, 54_900)),  # around the pole
    ],
)
def test_positions_are_told_to_a_fifth_of_a_pixel_anywhere_on_earth(crs: str, corner: tuple[float, float]) -> None:
    grid = Grid(crs, Affine(80, 0, corner[0], 0, -80, corner[1]), 1373, 1373)
    control = control_points(grid, 10)
    assert control is not None
    assert control.error <= 2
    cells = control.cells
    shares = np.random.default_rng(2).random((200, 2)) * 0.999
    for u, v in shares:
        (i, a), (j, b) = ((int(s * cells), s * cells - int(s * cells)) for s in (u, v))
        corners = control.vectors[j : j + 2, i : i + 2]
        vector = np.einsum("j,i,jik->k", [1 - b, b], [1 - a, a], corners)
        latitude = np.degrees(np.arctan2(vector[2], np.hypot(vector[0], vector[1])))
        longitude = np.degrees(np.arctan2(vector[1], vector[0]))
        (x,), (y,) = transform("EPSG:4326", crs, [longitude], [latitude])
        east, north = grid.transform @ (u * grid.width, v * grid.height)
        assert np.hypot(x - east, y - north) < 3
