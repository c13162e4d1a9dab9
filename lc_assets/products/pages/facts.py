"""The texts and numbers of a report: the scene, the map and the model. Plain text, which the templates escape.

Items and models come from third parties. Their texts are cut to a maximum length and control characters are removed. A
link is used only if it is http(s), and without its query.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from lc_assets.core.errors import LandCoverError, without_query
from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.core.stac import is_synthetic
from lc_assets.core.urls import is_remote
from lc_assets.inference.class_map import ClassMap
from lc_assets.inference.contract import ModelContract
from lc_assets.products.csv_text import csv_text
from lc_assets.products.pages.formats import day, percent, percentage, square_kilometres, text, utc
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.item.catalog_conventions import catalog_of

MAX_ROWS = 40
"""Largest number of lines of one kind that the page shows for a model."""
_MAX_HREF = 2000

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class ReportFacts:
    """The contents of a report that are not in the rasters.

    Attributes:
        seconds: asset name -> duration in seconds.
        software: name -> version.
        created: time of the report, ISO 8601, UTC.
        contract: the model that made the map.
        model_document: its MLM item.
    """

    seconds: Mapping[str, float]
    software: Mapping[str, str]
    created: str
    contract: ModelContract
    model_document: dict[str, Any]


@dataclass(frozen=True)
class Link:
    """A text and its address: an http(s) URL without query, or None; `rights` are a licence and an attribution."""

    text: str
    href: str | None
    rights: str = ""


def day_of(raw: RawBands) -> str:
    """Return the day of acquisition: `21 June 2024`."""
    time = _time(raw.scene.properties["datetime"])
    return day(time) if time else text(raw.scene.properties["datetime"])


def years_of(raw: RawBands) -> list[int]:
    """Return the year of acquisition, for the notice that Copernicus requires; none for a synthetic scene."""
    time = _time(raw.scene.properties["datetime"])
    return [time.year] if time and not is_synthetic(raw.scene.properties) else []


def place_of(raw: RawBands) -> str:
    """Return the MGRS tile, or the item's id if the item has no tile."""
    tile = acquisition_of(raw.scene.document).tile
    return f"Tile {tile}" if tile else text(raw.scene.id)


def moment(value: Any) -> str:
    """Return a time of an item: `21 June 2024, 10:36:29 UTC`."""
    time = _time(value)
    return f"{day(time)}, {time:%H:%M:%S} UTC" if time else text(value)


def _present(rows: Sequence[tuple[str, Any]]) -> Rows:
    """Return the rows that have a value, as text."""
    return [(name, text(value)) for name, value in rows if value is not None]


def _time(value: Any) -> datetime | None:
    try:
        return utc(value)
    except (ValueError, TypeError, OverflowError):
        return None


def scene_rows(raw: RawBands) -> Rows:
    """Return the rows about the acquisition."""
    properties, kind = raw.scene.properties, catalog_of(raw.scene.document)
    cloud, empty = kind.cloud(properties), kind.nodata(properties)
    rows = [
        ("Acquired", moment(properties["datetime"])),
        ("Tile", acquisition_of(raw.scene.document).tile),
        ("Cloud cover", _percent_of_item(cloud)),
        ("No data in the scene", _percent_of_item(empty)),
        ("Part of the scene", f"{raw.part}: around the area of the store" if raw.part else None),
        ("Platform", properties.get("platform")),
        ("Product level", raw.scene.product_level),
        ("Processing baseline", raw.scene.baseline),
        ("Offset removed", f"{-raw.scene.offset} DN" if raw.scene.offset else "none"),
        ("Item", raw.scene.id),
    ]
    return _present(rows)


def _percent_of_item(value: Any) -> str | None:
    if value is None:
        return None
    return percentage(value) if isinstance(value, int | float) and math.isfinite(value) else text(value)


def map_rows(classes: ClassMap, contract: ModelContract) -> Rows:
    """Return the rows about the map: its grid, its model and the settings of its run."""
    grid, tags = classes.grid, classes.tags
    rows = [
        ("Model", f"{contract.name} {contract.version}"),
        *grid_rows(grid),
        _step(classes, contract.chip_size),
        ("Clouds masked by SCL", tags.get("SCL_MASK")),
        ("Cloud mask grown by", f"{tags['SCL_DILATION']} m" if tags.get("SCL_DILATION", "0") != "0" else None),
        ("Judged from", ground_of_a_class(tags, grid.resolution)),
        ("Resampling", tags.get("RESAMPLING")),
        ("Precision", tags.get("PRECISION")),
        ("Evaluation", tags.get("EVALUATION")),
    ]
    return _present(rows)


def grid_rows(grid: Grid) -> Rows:
    """Return the rows about the grid of a map."""
    return [
        ("Extent", f"{grid.width:,} x {grid.height:,} pixels of {grid.resolution:g} m"),
        ("Projection", grid.crs if len(grid.crs) < 40 else "described in the raster"),
    ]


def _step(classes: ClassMap, chip: int) -> tuple[str, str | None]:
    tags = classes.tags
    if classes.probabilities:
        return "Positions", f"every {tags['STRIDE']} pixels"
    return "Window", f"{chip} pixels, every {tags['STRIDE']}" if "STRIDE" in tags else None


def ground_of_a_class(tags: Mapping[str, str], resolution: float) -> str | None:
    """Return how much ground a class was judged from; None for a map that was made before this was recorded.

    Args:
        resolution: its pixel size in metres.
    """
    if "RECEPTIVE_FIELD" not in tags:
        return None
    metres, step = (int(tags[name]) * resolution for name in ("RECEPTIVE_FIELD", "STRIDE"))
    return f"squares of {metres:g} m, one every {step:g} m"


def summary(pixels: np.ndarray, pixel_area: float) -> str:
    """Return a sentence with the area, the share that has a class, and the three most frequent classes.

    Args:
        pixels: (11,) pixels of each code, No Data last.
        pixel_area: area of a pixel in hectares.
    """
    total = int(pixels.sum())
    frequent = frequent_classes(pixels, total)
    listed = f", mostly {frequent}" if frequent else ""
    classified = percent(1 - pixels[NO_DATA.code] / max(total, 1))
    return f"{square_kilometres(pixel_area * total)}, {classified} of it classified{listed}."


def frequent_classes(pixels: np.ndarray, total: int) -> str:
    """Return the three most frequent classes with their shares of `total` pixels, as `forest 26.4 %, pasture 3.0 %`."""
    ordered = sorted(CLASSES, key=lambda c: -pixels[c.code])[:3]
    return ", ".join(f"{c.title.lower()} {percent(pixels[c.code] / total)}" for c in ordered if pixels[c.code])


def no_data_reasons(classes: ClassMap) -> list[tuple[str, int]]:
    """Return the reasons why pixels have no class, with the number of pixels; reasons without pixels are left out."""
    reasons = (
        ("no data in the source", "NO_SOURCE_DATA"),
        ("hidden: cloud, shadow or saturation", "HIDDEN"),
        ("impossible DN", "IMPOSSIBLE_DN"),
        ("too few valid pixels nearby", "NO_VOTE"),
    )
    counts = [(name, classes.tags.get(tag, "")) for name, tag in reasons]
    return [(name, int(pixels)) for name, pixels in counts if pixels.isdigit() and int(pixels)]


def areas_csv(classes: ClassMap) -> str:
    """Return pixels and hectares of each class that occurs, as CSV: columns that `lc-assets export` writes, too."""
    rows = [
        (classes.item, c.code, c.name, count, f"{count * classes.grid.pixel_area:.2f}")
        for c, count in zip(ALL_CLASSES, classes.pixels.tolist(), strict=True)
        if count
    ]
    return csv_text([("area", "code", "class", "pixels", "hectares"), *rows])


def links_of(raw: RawBands) -> list[Link]:
    """Return links to the source item and to its licence, four at most."""
    links = raw.scene.document.get("links") or []
    titles = {"self": "Source item", "license": "Licence of the source"}
    found = [link_to(titles[link["rel"]], link.get("href")) for link in links if _is_one_of(link, titles)]
    return [link for link in found if link.href][:4]


def _is_one_of(link: Any, rels: Mapping[str, str]) -> bool:
    return isinstance(link, dict) and isinstance(link.get("rel"), str) and link["rel"] in rels


def link_to(words: Any, href: Any) -> Link:
    """Return a link without query, fragment and user; its `href` is None unless it is an http(s) URL."""
    try:
        bare = without_query(href) if isinstance(href, str) else ""
        return Link(text(words), bare if is_remote(bare) and len(bare) <= _MAX_HREF else None)
    except LandCoverError:
        return Link(text(words), None)


def model_rows(contract: ModelContract, document: Mapping[str, Any]) -> Rows:
    """Return the rows about the model, from its contract and its MLM item."""
    properties = document.get("properties") or {}
    framework = " ".join(filter(None, (contract.framework, contract.framework_version)))
    rows = [
        ("Name", contract.name),
        ("Version", contract.version),
        ("Description", contract.description or None),
        ("SHA-256", contract.sha256),
        ("Date", moment(properties["datetime"]) if properties.get("datetime") else None),
        ("Architecture", properties.get("mlm:architecture")),
        ("Bands", " ".join(contract.bands)),
        ("Product levels", ", ".join(contract.product_levels)),
        ("Input", f"{contract.chip_size} x {contract.chip_size} pixels, {contract.resampling}"),
        ("Parameters", f"{contract.total_parameters:,}" if contract.total_parameters else None),
        ("Framework", framework),
    ]
    return _present(rows)


def metric_rows(contract: ModelContract) -> Rows:
    """Return the model's metrics: a row per set of chips, and another one for its metrics per class, if any."""
    titles = {c.name: c.title for c in CLASSES}
    rows: list[tuple[str, str]] = []
    for name, entry in contract.metrics.items():
        found = entry if isinstance(entry, Mapping) else {"accuracy": entry}
        plain = [(key, value) for key, value in found.items() if not isinstance(value, Mapping)]
        rows.append((_spaced(name), ", ".join(_figure(key, value) for key, value in plain)))
        rows += [
            (
                f"{_spaced(name)}, {_spaced(key)}",
                ", ".join(_figure(titles.get(part, part), value) for part, value in inner.items()),
            )
            for key, inner in found.items()
            if isinstance(inner, Mapping)
        ]
    return [(text(name), text(value)) for name, value in rows[:MAX_ROWS] if value]


def _figure(name: Any, value: Any) -> str:
    """Return `chips 261` or `accuracy 97.3 %`: a float from 0 to 1 is a share, unless it is an error."""
    if isinstance(value, float) and 0 <= value <= 1:
        return f"{_spaced(name)} {percent(value)}" if "error" not in str(name) else f"{_spaced(name)} {value:.3f}"
    return f"{_spaced(name)} {text(value)}"


def _spaced(name: Any) -> str:
    return str(name).replace("_", " ")


def training_data(contract: ModelContract) -> list[Link]:
    """Return the data sets that a model was trained on."""
    return [
        replace(
            link_to(source.get("title", ""), source.get("href")),
            rights="; ".join(text(source[key]) for key in ("license", "attribution") if source.get(key)),
        )
        for source in contract.training_data[:MAX_ROWS]
    ]


def seconds_rows(seconds: Mapping[str, float]) -> Rows:
    """Return the seconds per asset and, for more than one asset, their sum."""
    total = {"total": sum(seconds.values())} if len(seconds) > 1 else {}
    return [(text(name), f"{spent:,.1f} s") for name, spent in [*seconds.items(), *total.items()]]


def software_rows(software: Mapping[str, str]) -> Rows:
    """Return name and version of each program."""
    return [(text(name), text(version)) for name, version in software.items()]
