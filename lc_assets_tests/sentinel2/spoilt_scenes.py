"""Copies of a scene with some pixels changed, and the state of its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.sentinel2.band_table import BANDS
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.sentinel2.bands.strip_reader import StripReader
from lc_assets_tests.conftest import copy_scene, edit_bands, edit_item

FACTOR = {**{band.name: band.factor for band in BANDS}, "SCL": 2}
Where = tuple[int, int, int, int]
"""top, bottom, left, right in 10 m pixels."""
INSIDE: Where = (120, 180, 120, 180)
LEFT_EDGE: Where = (120, 180, 0, 60)
PART: Where = (60, 96, 60, 96)
"""Inside of `part`."""
VEGETATION, WATER = 4, 6


def spoilt(item: Path, folder: Path, *changes: tuple[tuple[str, ...], Where, int]) -> Path:
    """A copy of a scene with one value in some bands' pixels (0: no change of others); the item's path."""
    path = copy_scene(item, folder)
    for names, (top, bottom, left, right), value in changes:

        def put(name: str, dn: np.ndarray, _: Any) -> np.ndarray:
            f = FACTOR[name]
            dn[top // f : -(-bottom // f), left // f : -(-right // f)] = value  # noqa: B023
            return dn

        edit_bands(path, put, names)
    return path


def without_scl(item: Path) -> Path:
    edit_item(item, lambda document: document["assets"].pop("SCL"))
    return item


def before_the_offset(item: Path) -> Path:
    """The same of baseline 02.14, whose DN carry no offset."""
    text = item.read_text()
    for new, old in (("05.11", "02.14"), ("N0511", "N0214")):
        text = text.replace(new, old)
    item.write_text(text)
    return item


def state_of(stack: Stack, strip: int = 246, dilation: int = 0) -> np.ndarray:
    """(rows, columns) of the whole scene."""
    height = stack.grid.height
    with StripReader(stack, mask_hidden=True, threads=2, dilation=dilation) as reader:
        strips = [(top, reader.read(top, min(top + strip, height))) for top in range(0, height, strip)]
    return np.concatenate([s.state[top - s.first :][: min(strip, height - top)] for top, s in strips])


def window(where: Where) -> tuple[slice, slice]:
    top, bottom, left, right = where
    return slice(top, bottom), slice(left, right)
