"""What a report says in words and figures: the scene, the map, the model, the work. Plain text, not yet HTML.

Items and models are written by strangers: every text of theirs is cut to a length and freed of control characters here,
every link is http(s) and unsigned or is none. What makes the rest inert is the escaping in
`lc_assets.products.pages.scene_report`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pystac.utils import str_to_datetime

from lc_assets.core.errors import LandCoverError, printable
from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.core.urls import is_remote
from lc_assets.inference.class_map import ClassMap
from lc_assets.inference.contract import ModelContract
from lc_assets.products.pages.layers import Layers
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.item.hrefs import unsigned
from lc_assets.sentinel2.item.providers import catalog_of

_LONGEST = 300
MOST_ROWS = 40
_LONGEST_HREF = 2000
"""A foreign model may say much; the page has room for so many lines of a kind."""
_NARROW = "\u202f"
"""A space before a sign, at which no line breaks."""

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class ReportFacts:
    """What the rasters do not say.

    Attributes:
        seconds: asset name -> seconds that it took.
        software: name -> version.
        created: now, ISO 8601, UTC.
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
    """A text, and where it leads: an http(s) URL without query, or nowhere."""

    text: str
    href: str | None


def text(value: Any) -> str:
    """Any JSON value as one short line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        try:
            return f"{value:.12g}" if math.isfinite(value) else "not a number"
        except OverflowError:  # an integer beyond all measure
            return "not a number"
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    words = printable(" ".join(words[: 4 * _LONGEST].split()))
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def percent(share: float) -> str:
    """A share (0..1) in percent; what is there is never called 0.0."""
    return f"< 0.1{_NARROW}%" if 0 < share < 0.0005 else f"{100 * share:.1f}{_NARROW}%"


def day_of(raw: RawBands) -> str:
    """Day of acquisition, readable: `21 June 2024`."""
    time = _time(raw.scene.properties["datetime"])
    return f"{time.day} {time:%B %Y}" if time else text(raw.scene.properties["datetime"])


def year_of(raw: RawBands) -> str:
    """Year of acquisition, for the notice that Copernicus asks for."""
    time = _time(raw.scene.properties["datetime"])
    return f"{time:%Y}" if time else ""


def place_of_scene(raw: RawBands) -> str:
    """The tile, or the item's id where it names none."""
    tile = acquisition_of(raw.scene.document).tile
    return f"Tile {tile}" if tile else text(raw.scene.id)


def moment(value: Any) -> str:
    """A time of an item, readable: `21 June 2024, 10:36:29 UTC`."""
    time = _time(value)
    return f"{time.day} {time:%B %Y, %H:%M:%S} UTC" if time else text(value)


def _time(value: Any) -> datetime | None:
    try:
        return str_to_datetime(value).astimezone(timezone.utc)
    except (ValueError, TypeError, OverflowError):
        return None


def scene_rows(raw: RawBands) -> Rows:
    """The acquisition."""
    properties, kind = raw.scene.properties, catalog_of(raw.scene.document)
    cloud, empty = properties.get(kind.cloud_property), properties.get(kind.nodata_property)
    rows = [
        ("Acquired", moment(properties["datetime"])),
        ("Tile", acquisition_of(raw.scene.document).tile),
        ("Cloud cover", _percent_of_item(cloud)),
        ("No data in the scene", _percent_of_item(empty)),
        ("Platform", properties.get("platform")),
        ("Product level", raw.scene.product_level),
        ("Processing baseline", raw.scene.baseline),
        ("Offset taken off", f"{-raw.scene.offset} DN" if raw.scene.offset else "none"),
        ("Item", raw.scene.id),
    ]
    return [(name, text(value)) for name, value in rows if value is not None]


def _percent_of_item(value: Any) -> str | None:
    if value is None:
        return None
    return f"{value:.1f}{_NARROW}%" if isinstance(value, int | float) and math.isfinite(value) else text(value)


def map_rows(classes: ClassMap, contract: ModelContract) -> Rows:
    """The map: where it lies, what made it, how."""
    grid, tags = classes.grid, classes.tags
    rows = [
        ("Model", f"{contract.name} {contract.version}"),
        ("Extent", f"{grid.width:,} x {grid.height:,} pixels of {grid.resolution:g} m"),
        ("Projection", grid.crs if len(grid.crs) < 40 else "described in the raster"),
        ("Window", f"{contract.chip_size} pixels, every {tags['STRIDE']}" if "STRIDE" in tags else None),
        ("Clouds masked by SCL", tags.get("SCL_MASK")),
        ("Clouds grown by", f"{tags['SCL_DILATION']} m" if tags.get("SCL_DILATION", "0") != "0" else None),
        ("Resampling", tags.get("RESAMPLING")),
        ("Precision", tags.get("PRECISION")),
        ("Evaluation", tags.get("EVALUATION")),
    ]
    return [(name, text(value)) for name, value in rows if value is not None]


def no_data_reasons(classes: ClassMap) -> list[tuple[str, int]]:
    """Why pixels have no class, and how many."""
    reasons = (
        ("no data in the source", "NO_SOURCE_DATA"),
        ("hidden: cloud, shadow or saturation", "HIDDEN"),
        ("a DN that no sensor gives", "IMPOSSIBLE_DN"),
        ("too little valid ground around", "NO_VOTE"),
    )
    return [(name, int(classes.tags[tag])) for name, tag in reasons if classes.tags.get(tag, "").isdigit()]


def shown_pixel(layers: Layers, resolution: float) -> str:
    """What one pixel of the pictures is, and what was given up to keep the page small."""
    factor, size = layers.factor, layers.grid.resolution
    if factor == 1:
        words = f"A pixel shown is a pixel of the class raster, {resolution:g} m wide."
    else:
        words = (
            f"A pixel shown is {size:g} m wide and stands for {factor} x {factor} pixels of the class raster: "
            "their most frequent class, and the mean of their confidence and colour."
        )
    if layers.degradations:
        words += f" To keep the page small, {', '.join(layers.degradations)}."
    return words


def links_of(raw: RawBands) -> list[Link]:
    """The source item and its licence."""
    links = raw.scene.document.get("links") or []
    titles = {"self": "Source item", "license": "Licence of the source"}
    found = [link_to(titles[link["rel"]], link.get("href")) for link in links if _is_one_of(link, titles)]
    return [link for link in found if link.href][:4]


def _is_one_of(link: Any, rels: Mapping[str, str]) -> bool:
    return isinstance(link, dict) and isinstance(link.get("rel"), str) and link["rel"] in rels


def link_to(words: Any, href: Any) -> Link:
    """A link that leads nowhere unless `href` is an http(s) URL; it loses query, fragment and user."""
    try:
        bare = unsigned(href) if isinstance(href, str) else ""
        return Link(text(words), bare if is_remote(bare) and len(bare) <= _LONGEST_HREF else None)
    except LandCoverError:
        return Link(text(words), None)


def model_rows(contract: ModelContract, document: Mapping[str, Any]) -> Rows:
    """The model, as its card says."""
    properties = document.get("properties") or {}
    framework = " ".join(filter(None, (contract.framework, contract.framework_version)))
    rows = [
        ("Name", contract.name),
        ("Version", contract.version),
        ("What it is", contract.description or None),
        ("SHA-256", contract.sha256),
        ("Dated", moment(properties["datetime"]) if properties.get("datetime") else None),
        ("Architecture", properties.get("mlm:architecture")),
        ("Bands", " ".join(contract.bands)),
        ("Made for", ", ".join(contract.product_levels)),
        ("Input", f"{contract.chip_size} x {contract.chip_size} pixels, {contract.resampling}"),
        ("Parameters", f"{contract.total_parameters:,}" if contract.total_parameters else None),
        ("Framework", framework),
    ]
    return [(name, text(value)) for name, value in rows if value is not None]


def metric_rows(contract: ModelContract) -> Rows:
    """The model's measured figures: a row for each set of chips and, where it has figures per class, one for them."""
    titles = {c.name: c.title for c in CLASSES}
    rows: list[tuple[str, str]] = []
    for name, entry in contract.metrics.items():
        told = entry if isinstance(entry, Mapping) else {"accuracy": entry}
        plain = [(key, value) for key, value in told.items() if not isinstance(value, Mapping)]
        rows.append((_spaced(name), ", ".join(_figure(key, value) for key, value in plain)))
        rows += [
            (
                f"{_spaced(name)}, {_spaced(key)}",
                ", ".join(_figure(titles.get(part, part), value) for part, value in inner.items()),
            )
            for key, inner in told.items()
            if isinstance(inner, Mapping)
        ]
    return [(text(name), text(value)) for name, value in rows[:MOST_ROWS] if value]


def _figure(name: Any, value: Any) -> str:
    """`chips 261`, `accuracy 97.3 %`: shares lie between 0 and 1, counts are whole numbers."""
    if isinstance(value, float) and 0 <= value <= 1:
        return f"{_spaced(name)} {percent(value)}" if "error" not in str(name) else f"{_spaced(name)} {value:.3f}"
    return f"{_spaced(name)} {text(value)}"


def _spaced(name: Any) -> str:
    return str(name).replace("_", " ")


def classified_share(classes: ClassMap) -> float:
    """Share of the map that has a class, 0..1."""
    return 1 - classes.share(NO_DATA.code)
