"""Helpers for a scene's report in a real browser: open it, read its pixels, find positions."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rasterio.warp import transform

from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.overview import Overview
from lc_assets.products.pages.scene_report import Report
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.store.layout import SceneLayout


def opened(folder: SceneLayout) -> tuple[RawBands, ClassMap, Overview]:
    item = folder.item
    return (
        RawBands.open(folder.raw_bands, item),
        ClassMap.open(folder),
        Overview.open(folder.overview, folder.thumbnail, item),
    )


def written(report: Report, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_bytes(report.html)
    return path


@contextmanager
def shown(browser: Any, path: Path, width: int = 1280, height: int = 900, **options: Any) -> Iterator[Any]:
    """The page, open and ready. The test fails if the page has an error or sends a request."""
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


def check_fits(page: Any, width: int) -> None:
    """Nothing is beyond the left or right edge of the window, except in the map and in tables that scroll."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """[...document.body.querySelectorAll("*")].filter((one) => {
            const box = one.getBoundingClientRect();
            const isOut = box.left < -0.5 || box.right > innerWidth + 0.5;
            return box.width && isOut && !one.closest(".stage, .unseen, .scroll");
        }).map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def asks(url: str, path: Path) -> bool:
    return url != path.as_uri() and not url.startswith("data:")


def pixel(page: Any, x: float, y: float) -> tuple[int, ...]:
    """Colour at a place of the viewport."""
    image = Image.open(io.BytesIO(page.screenshot(clip={"x": int(x), "y": int(y), "width": 1, "height": 1})))
    return image.convert("RGB").getpixel((0, 0))


def is_near(colour: tuple[int, ...], other: tuple[int, ...], by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(colour, other, strict=True))


def place_of(page: Any, report: Report, row: int, column: int) -> tuple[float, float]:
    """The position of the middle of a shown pixel in the viewport."""
    box = page.locator("#layer-classes").bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / report.layers.grid.width, box["y"] + (row + 0.5) * box[
        "height"
    ] / report.layers.grid.height


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


def in_stage(page: Any, x: float, y: float) -> dict[str, float]:
    box = page.locator("#stage").bounding_box()
    return {"x": x - box["x"], "y": y - box["y"]}


def far(text: str, crs: str, east: float, north: float) -> float:
    """Metres between the latitude and longitude that the page shows and a position."""
    found = re.fullmatch(r"([\d.]+)° ([NS]), ([\d.]+)° ([EW])", text)
    assert found, text
    latitude = float(found[1]) * (1 if found[2] == "N" else -1)
    longitude = float(found[3]) * (1 if found[4] == "E" else -1)
    (x,), (y,) = transform("EPSG:4326", crs, [longitude], [latitude])
    return float(np.hypot(x - east, y - north))
