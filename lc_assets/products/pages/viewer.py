"""The viewer of a page: pictures of a map, what the script reads from them, and their histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.products.pages.control_points import control_points
from lc_assets.raster.grid import Grid
from lc_assets.raster.render import scale_bar

_MAX_BAR = 30
"""Largest length of the scale bar, in percent of the map's width."""
_EMPTY = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
"""A transparent pixel."""


@dataclass(frozen=True)
class View:
    """A picture of the viewer.

    Attributes:
        key: `classes`, `confidence`, ...
        title: its name in the lists.
        alt: text for those who do not see it.
        src: its `data:` URL.
        reading: name of the value under the pointer, which is the palette index; empty if there is none.
        unit: `class`, or the unit that follows a number.
        most: largest number that is a value.
        step: step to which numbers are rounded.
        coarser: shown pixels of the map per pixel of the picture, along an axis.
    """

    key: str
    title: str
    alt: str
    src: str = _EMPTY
    reading: str = ""
    unit: str = "class"
    most: int = 0
    step: int = 1
    coarser: int = 1


def viewer(views: Sequence[View], grid: Grid, source: Grid) -> dict[str, Any]:
    """Return what `viewer.html.j2` and `report.js` need.

    Args:
        views: the pictures; the first one is shown on the left, the second one on the right.
        grid: grid of the pictures.
        source: grid of the map.
    """
    control = control_points(grid, source.resolution)
    length, label = scale_bar(grid.width * grid.resolution / 100_000, _MAX_BAR * 1000)  # in thousandths of a percent
    # The class comes first.
    read = sorted((view for view in views if view.reading), key=lambda view: view.key != "classes")
    data = {
        "width": grid.width,
        "height": grid.height,
        "factor": round(grid.resolution / source.resolution),
        "pixel": grid.resolution,
        "rows": source.height,
        "columns": source.width,
        "transform": list(grid.transform)[:6],
        "classes": [{"code": c.code, "title": c.title} for c in ALL_CLASSES],
        "scale": label,
        "values": {
            f"layer-{view.key}": {
                "at": f"at-{view.key}",
                "unit": view.unit,
                "most": view.most,
                "step": view.step,
                "coarser": view.coarser,
            }
            for view in read
        },
        "control": control
        and {"cells": control.cells, "vectors": [round(float(v), 9) for v in control.vectors.ravel()]},
    }
    return {
        "views": views,
        "readings": [(view.key, view.reading) for view in read],
        "grid": grid,
        "scale": {"percent": length / 1000, "label": label},
        "error": max(control.error, 0.1) if control else None,
        "data": data,
    }


def percent_histogram(counts: np.ndarray, name: str, colours: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    """Return a histogram in columns of 5 percent.

    Args:
        counts: (101,) shown pixels per percent.
        name: what is in percent.
        colours: (101,) colour of each percent.
    """
    total = max(int(counts.sum()), 1)
    shares = [float(counts[low : low + 5 if low < 95 else 101].sum()) / total for low in range(0, 100, 5)]
    peak = 5 * int(np.argmax(shares))
    return {
        **_histogram(shares, colours[:100], colours[2::5]),
        "label": f"Histogram of {name}; most frequent are {peak} to {peak + 5} percent",
        "ticks": (("start", "0 %"), ("middle", "50 %"), ("end", "100 %")),
        "mean": float((counts * np.arange(101)).sum()) / total,
        "median": int(np.searchsorted(np.cumsum(counts), counts.sum() / 2)),
        "low": float(counts[:50].sum()) / total,
    }


def number_histogram(counts: np.ndarray, name: str, colours: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    """Return a histogram with a column for each number from 1.

    Args:
        counts: (N + 1,) shown pixels per number, from 0.
        name: what is counted.
        colours: (N + 1,) colour of each number.
    """
    total, most = max(int(counts[1:].sum()), 1), len(counts) - 1
    shares = [float(count) / total for count in counts[1:]]
    return {
        **_histogram(shares, colours[1:], colours[1:]),
        "label": f"Histogram of {name}, from 1 to {most}; most frequent is {1 + int(np.argmax(shares))}",
        "ticks": (("start", "1"), *([("end", str(most))] if most > 1 else [])),
        "mean": float((counts * np.arange(most + 1)).sum()) / total,
    }


def _histogram(
    shares: Sequence[float], colours: Sequence[tuple[int, ...]], fills: Sequence[tuple[int, ...]]
) -> dict[str, Any]:
    return {
        "is_empty": not sum(shares),
        "shares": shares,
        "highest": max(*shares, 1e-9),
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours],
        "fills": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in fills],
    }
