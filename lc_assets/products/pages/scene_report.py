"""The report of a scene: one self-contained HTML file that shows the map (`templates/report.html.j2`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.overview import Overview
from lc_assets.products.pages import facts as texts
from lc_assets.products.pages.control_points import ControlPoints, control_points
from lc_assets.products.pages.facts import ReportFacts
from lc_assets.products.pages.formats import text
from lc_assets.products.pages.html import data_url, render
from lc_assets.products.pages.layers import Layers, build_layers, confidence_colours
from lc_assets.products.stac.catalog import CATALOG
from lc_assets.raster.render import scale_bar
from lc_assets.sentinel2.bands.raw_bands import ITEM, RawBands
from lc_assets.store.paths import StorePath

_MAX_BAR = 30
"""Largest length of the scale bar, in percent of the map's width."""

MAX_BYTES = 3_000_000
"""Limit of the size of a page, in bytes. Every page is smaller."""


@dataclass(frozen=True)
class Report:
    """A finished page.

    Attributes:
        html: the file.
        factor: pixels of the class raster per shown pixel, along an axis.
        pixel_size: size of a shown pixel, in metres.
        width, height: size of the pictures, in shown pixels.
        sizes: bytes of each picture, before base64.
    """

    html: bytes
    factor: int
    pixel_size: float
    width: int
    height: int
    sizes: dict[str, int]


@dataclass(frozen=True)
class ReportPlan:
    """The inputs of a page; the I/O manager makes the page when it writes it."""

    raw: RawBands
    classes: ClassMap
    overview: Overview
    facts: ReportFacts

    def page(self) -> Report:
        """See `build_report`."""
        return build_report(self.raw, self.classes, self.overview, self.facts)


@dataclass(frozen=True)
class Page:
    """A written page."""

    path: StorePath


def build_report(raw: RawBands, classes: ClassMap, overview: Overview, facts: ReportFacts) -> Report:
    """Return the page of a scene, smaller than `MAX_BYTES`. It links to the products in the same folder.

    Raises:
        StoreError: a raster cannot be read, or the overview does not fit the class raster.
    """
    page = _page(raw, classes, overview, facts, build_layers(raw, classes, overview))
    if len(page.html) >= MAX_BYTES:  # very long texts leave fewer bytes for the pictures
        excess = len(page.html) - MAX_BYTES + 1
        max_bytes = max(sum(page.sizes.values()) - excess, 100_000)
        page = _page(raw, classes, overview, facts, build_layers(raw, classes, overview, max_bytes=max_bytes))
    return page


def _page(raw: RawBands, classes: ClassMap, overview: Overview, facts: ReportFacts, layers: Layers) -> Report:
    grid, contract = layers.grid, facts.contract
    control = control_points(grid, classes.grid.resolution)
    scale = _scale(layers)
    page = render(
        "report.html.j2",
        place=texts.place_of(raw),
        day=texts.day_of(raw),
        year=texts.year_of(raw),
        summary=texts.summary(classes),
        map=classes,
        layers=layers,
        pictures={
            "colour": data_url("jpeg", layers.true_colour),
            "classes": data_url("png", layers.classes),
            "confidence": data_url("png", layers.confidence),
        },
        scale=scale,
        error=max(control.error, 0.1) if control else None,
        no_data_reasons=texts.no_data_reasons(classes),
        histogram=_histogram(layers.histogram),
        scene_rows=texts.scene_rows(raw),
        map_rows=texts.map_rows(classes, contract),
        overview=overview,
        source_item=f"{raw.folder.name}/{ITEM}",
        stac_item=f"{raw.scene.id}_classified.json",
        stac_catalog=CATALOG,
        links=texts.links_of(raw),
        model=contract,
        model_rows=texts.model_rows(contract, facts.model_document),
        limitations=contract.limitations[: texts.MAX_ROWS],
        metric_rows=texts.metric_rows(contract),
        training_data=texts.training_data(contract),
        seconds=texts.seconds_rows(facts.seconds),
        software=texts.software_rows(facts.software),
        made=text(f"Made by lc_assets {facts.software.get('lc_assets', '')} on {texts.moment(facts.created)}."),
        data=_data(classes, layers, control, scale["label"]),
    )
    return Report(page.encode(), layers.factor, grid.resolution, grid.width, grid.height, layers.sizes)


def _data(classes: ClassMap, layers: Layers, control: ControlPoints | None, label: str) -> dict[str, Any]:
    """Return the values that the script reads."""
    return {
        "width": layers.grid.width,
        "height": layers.grid.height,
        "factor": layers.factor,
        "pixel": layers.grid.resolution,
        "rows": classes.grid.height,
        "columns": classes.grid.width,
        "transform": list(layers.grid.transform)[:6],
        "classes": [{"code": c.code, "title": c.title} for c in ALL_CLASSES],
        "step": layers.confidence_step,
        "scale": label,
        "control": control
        and {"cells": control.cells, "vectors": [round(float(v), 9) for v in control.vectors.ravel()]},
    }


def _scale(layers: Layers) -> dict[str, Any]:
    """Return the scale bar: its length in percent of the map's width, and its label."""
    across = layers.grid.width * layers.grid.resolution
    length, label = scale_bar(across / 100_000, _MAX_BAR * 1000)  # in thousandths of a percent
    return {"percent": length / 1000, "label": label}


def _histogram(counts: np.ndarray) -> dict[str, Any]:
    """Return the shares of the shown pixels per 5 percent of confidence, and the colour of each percent.

    Args:
        counts: (101,) shown pixels per percent of confidence.
    """
    total = int(counts.sum())
    shares = [float(counts[low : low + 5 if low < 95 else 101].sum()) / max(total, 1) for low in range(0, 100, 5)]
    return {
        "is_empty": not total,
        "shares": shares,
        "highest": max(*shares, 1e-9),
        "peak": 5 * int(np.argmax(shares)),
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in confidence_colours()],
        "mean": float((counts * np.arange(101)).sum()) / max(total, 1),
        "median": int(np.searchsorted(np.cumsum(counts), total / 2)),
        "low": float(counts[:50].sum()) / max(total, 1),
    }
