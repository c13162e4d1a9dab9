"""A scene's page: one HTML file with everything in it, for people to judge the map by.

The page asks nobody for anything: pictures are data URLs, style and script are inlined, and a Content-Security-Policy
that names them by their digests forbids all else, so that an item's text stays text whatever it says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Any
from urllib.parse import quote

import numpy as np

from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.overview import Overview
from lc_assets.products.pages import facts as said
from lc_assets.products.pages.control_points import ControlPoints, control_points
from lc_assets.products.pages.facts import Link, ReportFacts, Rows
from lc_assets.products.pages.html import data_url, policy, template
from lc_assets.products.pages.layers import Layers, build_layers, ramp_colours
from lc_assets.products.stac.catalog import CATALOG
from lc_assets.sentinel2.bands.raw_bands import ITEM, RawBands
from lc_assets.store.paths import StorePath

_BAR_SHARE = 0.3
"""Longest scale bar, as a share of the map's width."""
_PRINTED_HEIGHT = 135
"""Of the map, at most, in millimetres: the page is A4."""


MAX_BYTES = 3_000_000
"""A page stays below, whatever the scene."""


@dataclass(frozen=True)
class Report:
    """A finished page.

    Attributes:
        html: the file.
        factor: pixels of the class raster per shown pixel, along an axis.
        pixel_size: of a shown pixel, in metres.
        width, height: of the pictures, in shown pixels.
        sizes: bytes of each picture, before they are written as text.
    """

    html: bytes
    factor: int
    pixel_size: float
    width: int
    height: int
    sizes: dict[str, int]


@dataclass(frozen=True)
class ReportPlan:
    """What a page is to be made of; made when it is to be written."""

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
    """The page of a scene; under 3 MB, whatever the scene. It links to the products as files that lie beside it.

    Raises:
        StoreError: a raster cannot be read, or the overview is not the class raster's.
    """
    page = _page(raw, classes, overview, facts, build_layers(raw, classes, overview))
    if len(page.html) >= MAX_BYTES:  # texts of uncommon length: the pictures get what these leave
        over = len(page.html) - MAX_BYTES + 1
        room = max(sum(page.sizes.values()) - over, 100_000)
        page = _page(raw, classes, overview, facts, build_layers(raw, classes, overview, room=room))
    return page


def _page(raw: RawBands, classes: ClassMap, overview: Overview, facts: ReportFacts, layers: Layers) -> Report:
    control = control_points(layers.grid, classes.grid.resolution)
    length, label = _scale_bar(layers)
    style = "".join((template("base.css"), _scene_style(classes, layers, length), template("report.css")))
    script = template("report.js")
    page = Template(template("report.html")).substitute(
        policy=policy(style, script),
        title=escape(f"Land cover: {said.place_of_scene(raw)}, {said.day_of(raw)}"),
        style=style,
        place=escape(said.place_of_scene(raw)),
        day=escape(said.day_of(raw)),
        lede=escape(_lede(classes, layers)),
        width=layers.grid.width,
        height=layers.grid.height,
        colour=data_url("jpeg", layers.true_colour),
        classes=data_url("png", layers.classes),
        confidence=data_url("png", layers.confidence),
        scale=label,
        caption=escape(" ".join((said.shown_pixel(layers, classes.grid.resolution), _accuracy(control)))),
        legend=_legend(classes),
        histogram=_histogram(layers.histogram),
        confidence_note=escape(_confidence_note(layers)),
        scene=_rows(said.scene_rows(raw)),
        map=_rows(said.map_rows(classes, facts.contract)),
        files=_files(raw, classes, overview),
        model_name=escape(said.text(f"{facts.contract.name} {facts.contract.version}")),
        model=_model(facts),
        work=_work(facts),
        notice=_notice(raw, facts),
        data=_json(_data(classes, layers, control, label)),
        script=script,
    )
    grid = layers.grid
    return Report(page.encode(), layers.factor, grid.resolution, grid.width, grid.height, layers.sizes)


def _json(value: Any) -> str:
    """JSON that may stand in a script element."""
    written = json.dumps(value, allow_nan=False, separators=(",", ":"))  # ASCII only, so no U+2028 either
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(classes: ClassMap, layers: Layers, control: ControlPoints | None, label: str) -> dict[str, Any]:
    """What the script needs to know."""
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


def _scene_style(classes: ClassMap, layers: Layers, bar: float) -> str:
    """The rules that depend on the scene: the policy allows no style attributes."""
    grid = layers.grid
    entries = "".join(f".k{c.code}{{--c:#{c.hex};--w:{100 * classes.share(c.code):.2f}%}}" for c in ALL_CLASSES)
    shape = f".js .stage{{aspect-ratio:{grid.width}/{grid.height}}}.scale i{{width:{100 * bar:.3f}%}}"
    # Printed, a tall map is as narrow as it must be to leave room for the rest.
    printed = f"@media print{{.viewer{{max-width:{_PRINTED_HEIGHT * grid.width / grid.height:.1f}mm}}}}"
    return shape + printed + entries


def _scale_bar(layers: Layers) -> tuple[float, str]:
    """Length as a share of the map's width, and what it stands for."""
    across = layers.grid.width * layers.grid.resolution
    lengths = [n * 10**e for e in range(6) for n in (1, 2, 5)]
    metres = max((m for m in lengths if m <= _BAR_SHARE * across), default=lengths[0])
    return metres / across, f"{metres / 1000:g} km" if metres >= 1000 else f"{metres} m"


def _lede(classes: ClassMap, layers: Layers) -> str:
    present = sorted((c for c in ALL_CLASSES if c is not NO_DATA), key=lambda c: -classes.pixels[c.code])
    most = [f"{c.title.lower()} {said.percent(classes.share(c.code))}" for c in present[:3] if classes.pixels[c.code]]
    area = classes.grid.pixel_area * classes.grid.width * classes.grid.height / 100
    words = f"{area:,.0f} km²" if area >= 10 else f"{area:.1f} km²"
    listed = f", most of it {', '.join(most)}" if most else ""
    return f"{words}, {said.percent(said.classified_share(classes))} of it classified{listed}."


def _accuracy(control: ControlPoints | None) -> str:
    if control is None:
        return "Its projection gives no longitude and latitude."
    return f"Latitude and longitude (WGS 84) are interpolated, to within {max(control.error, 0.1):.1f} m."


def _confidence_note(layers: Layers) -> str:
    counts = layers.histogram
    total = int(counts.sum())
    if not total:
        return "No pixel has a class."
    mean = float((counts * np.arange(101)).sum()) / total
    median = int(np.searchsorted(np.cumsum(counts), total / 2))
    low = said.percent(float(counts[:50].sum()) / total)
    return (
        f"The mean probability that the model gave to the winning class: {mean:.0f} % on average, half of the shown "
        f"pixels above {median} %, {low} of them below 50 %."
    )


def _legend(classes: ClassMap) -> str:
    return "\n".join(_entry(classes, c.code, c.title) for c in ALL_CLASSES if classes.pixels[c.code])


def _entry(classes: ClassMap, code: int, title: str) -> str:
    area = classes.grid.pixel_area
    reasons = said.no_data_reasons(classes) if code == NO_DATA.code else []
    listed = "".join(f"<li><span>{name}</span><span>{_hectares(n * area)} ha</span></li>" for name, n in reasons if n)
    below = f'<ul class="reasons">{listed}</ul>' if listed else ""
    return (
        f'<li><button type="button" class="entry k{code}" data-code="{code}" aria-pressed="false">'
        f'<span class="swatch"></span><span>{escape(title)}</span>'
        f'<span class="amount"><span>{escape(said.percent(classes.share(code)))}</span>'
        f'<span class="ha">{_hectares(classes.pixels[code] * area)} ha</span></span><span class="bar"><i></i></span>'
        f"</button>{below}</li>"
    )


def _hectares(area: float) -> str:
    return f"{area:,.0f}" if area >= 100 else f"{area:,.1f}"


def _histogram(counts: np.ndarray) -> str:
    """Columns of five percent each, over the ramp that colours the map."""
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in ramp_colours()]
    total = max(int(counts.sum()), 1)
    shares = [float(counts[low : low + 5 if low < 95 else 101].sum()) / total for low in range(0, 100, 5)]
    most = max(*shares, 1e-9)
    columns = "".join(
        f'<rect class="column" x="{10 + 15 * n}" y="{82 - 72 * share / most:.1f}" width="14" '
        f'height="{72 * share / most:.1f}" fill="{colours[5 * n + 2]}"/>'
        for n, share in enumerate(shares)
        if share
    )
    ramp = "".join(f'<rect x="{10 + 3 * n}" y="86" width="3.2" height="9" fill="{colours[n]}"/>' for n in range(100))
    labels = "".join(
        f'<text x="{10 + 3 * value}" y="109" text-anchor="{anchor}">{value} %</text>'
        for value, anchor in ((0, "start"), (50, "middle"), (100, "end"))
    )
    peak = 5 * int(np.argmax(shares))
    told = f"Histogram of confidence; most frequent are {peak} to {peak + 5} percent"
    return (
        f'<svg class="histogram" viewBox="0 0 320 114" role="img" aria-label="{told}">{columns}'
        f'<path class="axis" d="M10 82.5H310"/><g shape-rendering="crispEdges">{ramp}</g>{labels}</svg>'
    )


def _rows(rows: Rows) -> str:
    inner = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="rows">{inner}</dl>'


def _list(entries: Iterable[str]) -> str:
    inner = "".join(f"<li>{entry}</li>" for entry in entries)
    return f'<ul class="plain">{inner}</ul>'


def _anchor(link: Link) -> str:
    if link.href is None:
        return escape(link.text)
    return f'<a href="{escape(link.href)}" rel="noopener noreferrer">{escape(link.text)}</a>'


def _files(raw: RawBands, classes: ClassMap, overview: Overview) -> str:
    """Links to what lies beside the page, and to where the scene came from."""
    beside = (
        ("Class map (GeoTIFF)", classes.path.name),
        ("Confidence (GeoTIFF)", classes.confidence.name),
        ("Overview (GeoTIFF)", overview.path.name),
        ("Picture with legend (PNG)", overview.thumbnail.name),
        ("STAC item", f"{raw.scene.id}_classified.json"),
        ("STAC catalog", CATALOG),
        ("STAC item of the source", f"{raw.folder.name}/{ITEM}"),
    )
    own = [f'<a href="./{escape(quote(name))}">{words}</a>' for words, name in beside]
    return _list([*own, *map(_anchor, said.links_of(raw))])


def _model(facts: ReportFacts) -> str:
    contract = facts.contract
    parts = [_rows(said.model_rows(contract, facts.model_document))]
    if contract.limitations:
        parts += [
            "<h3>What it cannot do</h3>",
            _list(escape(said.text(line)) for line in contract.limitations[: said.MOST_ROWS]),
        ]
    if contract.metrics:
        parts += ["<h3>How good it is</h3>", _rows(said.metric_rows(contract))]
    if contract.training_data:
        parts += ["<h3>What it has learnt from</h3>", _list(map(_source, contract.training_data[: said.MOST_ROWS]))]
    return "".join(parts)


def _source(source: Mapping[str, str]) -> str:
    link = _anchor(said.link_to(source.get("title", ""), source.get("href")))
    rest = [said.text(source[key]) for key in ("license", "attribution") if source.get(key)]
    return f"{link} ({escape('; '.join(rest))})" if rest else link


def _work(facts: ReportFacts) -> str:
    seconds = [(said.text(name), f"{spent:,.1f} s") for name, spent in facts.seconds.items()]
    software = [(said.text(name), said.text(version)) for name, version in facts.software.items()]
    total = [("together", f"{sum(facts.seconds.values()):,.1f} s")] if len(seconds) > 1 else []
    return "".join(("<h3>Seconds</h3>", _rows([*seconds, *total]), "<h3>Software</h3>", _rows(software)))


def _notice(raw: RawBands, facts: ReportFacts) -> str:
    version = facts.software.get("lc_assets", "")
    made = f"Made by lc_assets {version} on {said.moment(facts.created)}."
    return escape(f"Contains modified Copernicus Sentinel data {said.year_of(raw)}. {said.text(made)}")
