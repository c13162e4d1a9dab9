"""The plots over the scenes of a store."""

from __future__ import annotations

import base64
import csv
import io
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.landcover import ALL_CLASSES, CLASSES
from lc_assets.products.pages.gallery_items import Gallery, SceneCard
from lc_assets.products.pages.plots import plots_page
from lc_assets_tests.cli.gallery_page import page_of

START = datetime(2023, 11, 5, 10, tzinfo=timezone.utc)


def card(tile: str | None, days: int, seconds: float | None = None, cloud: float | None = 25.0) -> SceneCard:
    """A scene `days` after the start: three quarters forest, a quarter pasture."""
    return SceneCard(
        scene=f"scene-{tile}-{days}",
        tile=tile,
        moment=START + timedelta(days=days),
        hectares=400.0,
        shares={1: 0.75, 5: 0.25},
        cloud=cloud,
        confidence=80.0,
        seconds=seconds,
        rings=(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),),
        thumbnail=False,
        report=True,
        title=f"{tile}, {days}",
    )


@pytest.fixture(scope="module")
def page() -> str:
    cards = [card("32ULC", 0, 20.0), card("32ULC", 100, 40.0), card("33UUB", 200, None, None), card(None, 50, 10.0)]
    return plots_page(Gallery(tuple(cards))).decode()


def charts(page: str, heading: str) -> list[str]:
    """The charts of a tile."""
    section = page[page.index(f'">{heading}, ') :]
    return re.findall(r"<svg class=\"chart\".*?</svg>", section[: section.index("</section>")], re.DOTALL)


def test_areas_are_stacked_at_their_dates(page: str) -> None:
    areas, cloud, seconds = charts(page, "32ULC")
    bars = re.findall(r'<rect class="k(\d+)" x="([\d.]+)%" width="([\d.]+)%" y="([\d.]+)" height="([\d.]+)"', areas)
    found = [(int(code), float(x) + float(width) / 2, float(y), float(high)) for code, x, width, y, high in bars]
    middle = 3 + 94 * 100 / 200
    assert found == [
        (1, pytest.approx(3, abs=0.02), 44.0, 90.0),
        (5, pytest.approx(3, abs=0.02), 14.0, 30.0),
        (1, pytest.approx(middle, abs=0.02), 44.0, 90.0),
        (5, pytest.approx(middle, abs=0.02), 14.0, 30.0),
    ]
    assert 'href="./scenes/scene-32ULC-100/report.html"' in areas
    assert f"{CLASSES[1].title} 75.0" in areas
    assert [float(y) for y in re.findall(r'cy="([\d.]+)"', cloud)] == [14 + 60 * 0.75] * 2
    assert [float(y) for y in re.findall(r'cy="([\d.]+)"', seconds)] == [14 + 30.0, 14.0], "one scale for all tiles"
    for label in ("Jan 2024", "Mar 2024", "May 2024"):
        assert f">{label}</text>" in areas


def test_a_figure_that_is_not_known_is_left_out(page: str) -> None:
    assert len(charts(page, "33UUB")) == 1
    assert len(charts(page, "Scenes without a tile")) == 3
    assert len(charts(page, "All tiles")) == 2
    assert "They are not known for 1 scene," in page
    assert b"<h1>Plots over 0 scenes</h1>" in plots_page(Gallery())


def test_the_figures_can_be_saved_as_csv(page: str) -> None:
    (data,) = re.findall(r'href="data:text/csv;base64,([^"]+)"', page)
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(data).decode())))
    assert [row["tile"] for row in rows] == ["32ULC", "", "32ULC", "33UUB"]
    assert (rows[2]["datetime"], rows[2]["seconds"], rows[2]["cloud_percent"]) == (
        "2024-02-13T10:00:00Z",
        "40.00",
        "25.00",
    )
    assert rows[3]["seconds"] == ""
    assert sum(float(rows[0][f"{c.name}_hectares"]) for c in ALL_CLASSES) == 400


@pytest.mark.parametrize(("days", "labels"), [(0, ["05 Nov 2023"]), (3000, ["2025", "2030"])])
def test_the_axis_of_time_has_few_labels(days: int, labels: list[str]) -> None:
    cards = [card("32ULC", n) for n in sorted({0, days})]
    written = re.findall(
        r'<text class="tick"[^>]*>([^<]*)<', charts(plots_page(Gallery(tuple(cards))).decode(), "32ULC")[0]
    )
    assert written == labels


def test_a_thousand_scenes_are_a_page_of_two_megabytes() -> None:
    cards = tuple(card(f"{number % 60 + 1:02d}UXX", number, 30.0) for number in range(1000))
    assert len(plots_page(Gallery(cards))) < 2_000_000


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), pytest.param(1280, "light", marks=pytest.mark.slow)])
def test_the_plots_fit_and_axe_finds_no_fault(
    browser: Any, axe_script: Path, page: str, tmp_path: Path, width: int, scheme: str
) -> None:
    (tmp_path / "plots.html").write_text(page)
    with page_of(browser, tmp_path / "plots.html", width, scheme) as shown:
        assert shown.evaluate("document.documentElement.scrollWidth") == width
        shown.evaluate(axe_script.read_text())
        faults = shown.evaluate("axe.run()")["violations"]
        assert not [(fault["id"], fault["impact"], fault["nodes"][0]["html"][:200]) for fault in faults]
