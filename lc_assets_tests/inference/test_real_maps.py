"""The maps of real scenes that no part of the training used show what a person sees on them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.features import rasterize

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.inference import classify_stack
from lc_assets.sentinel2.band_table import BANDS

RIVER, LAKE = CLASS_NAMES.index("River"), CLASS_NAMES.index("SeaLake")
PAGE = Path(__file__).parents[2] / "docs" / "your-own-model.md"
KINDS = {
    "fields": "AnnualCrop",
    "lakes": "SeaLake",
    "town": "Residential",
    "meadows": "Meadow",
    "main road": "Highway",
    "woods": "Forest",
    "industry": "Industrial",
    "narrow river": "River",
}
"""Word of the page -> kind of the polygons."""


def classes_of(folder: Path, shape: tuple[int, int], level: str) -> np.ndarray:
    stack = np.empty((*shape, len(BANDS)), np.uint16)
    for number, band in enumerate(BANDS):
        with rasterio.open(next(folder.glob(f"*/{band.name}.tif"))) as dataset:
            stack[..., number] = dataset.read(1, out_shape=shape, resampling=Resampling.bilinear)
    return classify_stack(stack, level).classes


def test_a_landscape_in_sweden_is_right_as_far_as_the_docs_say(shared: Path) -> None:
    """Polygons and lines that were drawn by eye, see the README of ../shared."""
    drawn = json.loads((shared / "maps/33UUB_photo.json").read_text())
    shapes = defaultdict(list)
    for kind, points in drawn["polygons"]:
        ring = [[x + 0.5, y + 0.5] for x, y in [*points, points[0]]]
        shapes[kind].append({"type": "Polygon", "coordinates": [ring]})
    for kind, points in drawn["lines"]:
        shapes[kind].append({"type": "LineString", "coordinates": [[x + 0.5, y + 0.5] for x, y in points]})
    classes = classes_of(shared / "scenes", (600, 600), "L1C")
    right = {}
    for kind, ones in shapes.items():
        accepted = [CLASS_NAMES.index(name) for name in drawn["accept"].get(kind, [kind])]
        right[kind] = 100 * np.isin(classes[rasterize(ones, classes.shape) == 1], accepted).mean()
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    said = {KINDS[word]: int(share) for share, word in re.findall(rf"(\d+) % of (?:the|a) ({'|'.join(KINDS)})", page)}
    assert right == pytest.approx(said, abs=2)  # also a change for the better is written there


def test_lakes_and_a_river_in_thailand_are_told_apart(shared: Path) -> None:
    with rasterio.open(shared / "maps/majortom_199U_1099R_ref.tif") as dataset:
        kind = dataset.read(1)
    classes = classes_of(shared / "scenes_l2a", kind.shape, "L2A")
    assert (classes[kind == LAKE] == LAKE).mean() > 0.83
    assert (classes[kind == RIVER] == RIVER).mean() > 0.85
