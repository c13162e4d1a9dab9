"""Plots over the scenes of a store: areas of the classes, cloud and seconds over the dates of each tile
(`templates/plots.html.j2`).

All tiles have the same axis of time. Positions across are percents of a chart's width, so a chart fits any column
without scaling its text. The page has no script.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import lc_assets
from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.products.csv_text import csv_text
from lc_assets.products.pages.formats import square_kilometres
from lc_assets.products.pages.gallery import present_classes, report_href, summary
from lc_assets.products.pages.gallery_items import Gallery, SceneCard
from lc_assets.products.pages.html import data_url, render

_LEFT, _RIGHT = 3.0, 97.0
"""Where the first and the last date are, in percent of a chart's width."""
_BAR = (0.5, 3.0)
"""Smallest and largest width of a bar, in the same percent."""
_TICKS = 3
"""Intervals of the axis of time at most: the labels fit a chart on a telephone."""
_HEIGHT = 120
"""Height of the bars, in pixels."""
_SMALL = 60
"""Height of the other charts."""


@dataclass(frozen=True)
class _TimeAxis:
    """The axis of time of all charts."""

    first: datetime
    last: datetime

    def at(self, moment: datetime) -> float:
        """Return the position of a time in percent; the middle if there is only one."""
        span = (self.last - self.first).total_seconds()
        share = (moment - self.first).total_seconds() / span if span else 0.5
        return _LEFT + share * (_RIGHT - _LEFT)

    def ticks(self) -> list[dict[str, Any]]:
        """Return up to `_TICKS` + 1 dates with their positions: years, months or days."""
        first, last = self.first, self.last
        months = 12 * (last.year - first.year) + last.month - first.month
        if months < 2:
            days = (last - first).days
            step = max(1, math.ceil(days / _TICKS))
            chosen = [(first + timedelta(days=n), "%d %b %Y") for n in range(0, days + 1, step)]
        else:
            step = next(n for n in (1, 2, 3, 6, 12, 24, 60, 120, 1200) if months / n <= _TICKS)
            begin = 12 * first.year + first.month - 1
            numbers = range(-(-(begin + 1) // step) * step, begin + months + 1, step)
            starts = [datetime(n // 12, n % 12 + 1, 1, tzinfo=timezone.utc) for n in numbers]
            chosen = [(start, "%Y" if step >= 12 else "%b %Y") for start in starts]
        return [{"at": self.at(time), "label": f"{time:{form}}"} for time, form in chosen]


def plots_page(gallery: Gallery, served: bool = False) -> bytes:
    """Return the HTML of the page. `served` is as in `gallery_page`."""
    cards = sorted(gallery.shown, key=lambda card: (card.moment, card.scene))
    by_tile: dict[str, list[SceneCard]] = defaultdict(list)
    for card in cards:
        by_tile[card.tile or ""].append(card)
    axis = _TimeAxis(cards[0].moment, cards[-1].moment) if cards else None
    longest = max((card.seconds for card in cards if card.seconds is not None), default=0.0)
    page = render(
        "plots.html.j2",
        scenes=len(cards),
        served=served,
        years=gallery.years,
        summary=summary(gallery),
        present=present_classes(gallery.shown),
        ticks=axis.ticks() if axis else [],
        tiles=_tiles(by_tile, cards, axis, longest) if axis else [],
        height=_HEIGHT,
        small=_SMALL,
        longest=f"{longest:,.0f} s" if longest >= 10 else f"{longest:.1f} s",
        untimed=sum(card.seconds is None for card in cards),
        table=data_url("text/csv", _csv(cards).encode()),
        version=lc_assets.__version__,
    )
    return page.encode()


def _tiles(
    by_tile: dict[str, list[SceneCard]], cards: Sequence[SceneCard], axis: _TimeAxis, longest: float
) -> list[dict[str, Any]]:
    """Return the charts of each tile; before them those of all scenes, without areas, if there are several tiles."""
    rows = [_tile(tile or "Scenes without a tile", by_tile[tile], axis, longest) for tile in sorted(by_tile)]
    return [{**_tile("All tiles", cards, axis, longest), "bars": []}, *rows] if len(rows) > 1 else rows


def _tile(name: str, cards: Sequence[SceneCard], axis: _TimeAxis, longest: float) -> dict[str, Any]:
    """Return the charts of a tile."""
    places = [axis.at(card.moment) for card in cards]
    gaps = [after - before for before, after in pairwise(places) if after > before]
    width = max(_BAR[0], min(_BAR[1], 0.8 * min(gaps, default=_BAR[1])))
    largest = max(card.hectares for card in cards)
    return {
        "name": name,
        "number": len(cards),
        "largest": square_kilometres(largest),
        "bars": [_bar(card, at - width / 2, width, largest) for card, at in zip(cards, places, strict=True)],
        "cloud": _points(cards, places, [card.cloud for card in cards], 100.0),
        "seconds": _points(cards, places, [card.seconds for card in cards], longest),
    }


def _bar(card: SceneCard, left: float, width: float, largest: float) -> dict[str, Any]:
    """Return the stacked areas of a scene: the class with the lowest code is lowest, No Data is on top."""
    parts, bottom = [], float(_HEIGHT)
    for code, share in sorted(card.shares.items()):
        height = _HEIGHT * share * card.hectares / largest if largest else 0.0
        bottom -= height
        parts.append({"code": code, "y": bottom, "height": height})
    return {
        "x": left,
        "width": width,
        "parts": parts,
        "href": report_href(card) if card.report else None,
        "label": ", ".join(filter(None, (card.title, card.most))),
    }


def _points(
    cards: Sequence[SceneCard], places: Sequence[float], values: Sequence[float | None], most: float
) -> list[dict[str, Any]]:
    """Return the points of the values that are known, in a chart from 0 to `most`."""
    return [
        {"x": at, "y": _SMALL * (1 - value / most) if most else _SMALL, "label": f"{card.title}: {value:,.1f}"}
        for card, at, value in zip(cards, places, values, strict=True)
        if value is not None
    ]


def _csv(cards: Sequence[SceneCard]) -> str:
    """Return the figures as CSV, a row per scene."""
    areas = [f"{c.name}_hectares" for c in ALL_CLASSES]
    rows = [["scene", "tile", "datetime", "cloud_percent", "confidence_percent", "seconds", *areas]]
    for card in cards:
        hectares = [f"{card.shares.get(c.code, 0.0) * card.hectares:.2f}" for c in ALL_CLASSES]
        figures = [f"{value:.2f}" if value is not None else "" for value in (card.cloud, card.confidence, card.seconds)]
        moment = f"{card.moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        rows.append([card.scene, card.tile or "", moment, *figures, *(hectares if card.hectares else [])])
    return csv_text(rows)
