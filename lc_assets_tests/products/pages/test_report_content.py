"""The texts of the report, texts from third parties, and the size of the page."""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from lc_assets.inference.class_map import ClassMap
from lc_assets.products.areas import COLUMNS
from lc_assets.products.overview import Overview
from lc_assets.products.pages.scene_report import MAX_BYTES, Report, ReportFacts, build_report
from lc_assets.raster.cog import class_cog
from lc_assets.sentinel2.band_table import FALSE_COLOUR, TRUE_COLOUR
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.products.pages.report_page import opened, shown, written

FULL_TILE = 10980


def test_texts_from_third_parties_are_only_text(
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
        assert page.locator("img").count() == 4
        hrefs = page.evaluate("[...document.querySelectorAll('a')].map((one) => one.getAttribute('href'))")
        outward = [href for href in hrefs if not href.startswith(("./", "../../index.html", "data:text/csv;"))]
        assert len(outward) == 2
        assert all(href.startswith("https://licence.example/") for href in outward)
        assert "<script>window.hacked=1</script>" in page.inner_text("dl.rows >> nth=0")


def test_the_report_describes_the_scene_the_model_and_the_run(
    made: tuple[Report, Path], scene: SceneLayout, facts: ReportFacts
) -> None:
    page = made[0].html.decode()
    classes = ClassMap.open(scene)
    assert "<h1>Tile 32ULC, 21 June 2024</h1>" in page
    assert "<strong>Synthetic: made by lc_assets, not by a satellite.</strong>" in page
    assert "<footer> Made by" in page, "no notice of Copernicus"
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
    assert not re.search(r'(?:src|href)="(?!data:|\./|\.\./\.\./index\.html|https?://)', page)


def test_the_areas_can_be_saved_as_csv_and_the_ground_of_a_class_is_told(
    made: tuple[Report, Path], scene: SceneLayout
) -> None:
    page = made[0].html.decode()
    (data,) = re.findall(rf'download="{scene.item}_areas.csv" href="data:text/csv;base64,([^"]+)"', page)
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(data).decode())))
    pixels = ClassMap.open(scene).pixels
    assert {int(row["code"]): int(row["pixels"]) for row in rows} == {c: n for c, n in enumerate(pixels) if n}
    assert sum(float(row["hectares"]) for row in rows) == pytest.approx(pixels.sum() / 100, abs=0.1)
    assert set(rows[0]) < set(COLUMNS)
    assert "Each class is judged from squares of 480 m, one every 40 m." in page


@pytest.mark.slow
def test_a_noisy_full_tile_stays_below_three_megabytes_and_names_the_reductions(
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
    raw = replace(raw, folder=tmp_path, files={name: {"file": "band.tif"} for name in TRUE_COLOUR + FALSE_COLOUR})
    classes = replace(classes, confidence=plain(tmp_path / "confidence.tif", noise(0, 101, "uint8")), grid=grid)
    with class_cog(tmp_path / "overview.tif", coarser, {}) as dataset:
        dataset.write(draw.integers(0, 11, coarser.shape, "uint8"), 1)
    overview = Overview(scene.item, tmp_path / "overview.tif", overview.thumbnail, coarser)
    report = build_report(raw, classes, overview, facts)
    assert (
        report.layers.grid.width,
        report.layers.grid.height,
        report.layers.factor,
        report.layers.grid.resolution,
    ) == (1373, 1373, 8, 80)
    assert 2_000_000 < len(report.html) < 3_000_000  # the pictures are noise and complete
    assert "To keep the page small, the colours are compressed to quality" in report.html.decode()
    for path in tmp_path.iterdir():
        path.unlink()


def test_very_long_texts_leave_the_page_below_three_megabytes(scene: SceneLayout, facts: ReportFacts) -> None:
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
