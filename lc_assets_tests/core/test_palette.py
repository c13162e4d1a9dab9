"""The colours of the class table can be distinguished, with normal and with colour-blind vision."""

from __future__ import annotations

from itertools import combinations

import pytest
from coloraide import Color

from lc_assets.core.landcover import ALL_CLASSES, LandCover

MIN_DIFFERENCE = 12.0
"""Smallest allowed CIEDE2000 difference of two colours, rounded to one decimal."""

VISION = ("normal", "protan", "deutan", "tritan")


def as_seen(c: LandCover, by: str) -> Color:
    """Return the colour as seen with a kind of vision, simulated after Machado et al. (2009)."""
    color = Color("srgb", [value / 255 for value in c.rgb])
    return color if by == "normal" else color.filter(by, 1.0, method="machado").clip("srgb")


def difference(a: LandCover, b: LandCover, by: str) -> float:
    """Return the CIEDE2000 difference of two colours as seen with a kind of vision."""
    return float(as_seen(a, by).delta_e(as_seen(b, by), method="2000"))


def test_the_difference_depends_on_the_kind_of_vision() -> None:
    red, green = (LandCover(0, "", "", rgb) for rgb in ((190, 60, 40), (105, 105, 30)))
    assert difference(red, green, "normal") > 35 > 15 > difference(red, green, "deutan")


@pytest.mark.parametrize("by", VISION)
def test_any_two_class_colours_can_be_distinguished(by: str) -> None:
    distances = {(a.name, b.name): difference(a, b, by) for a, b in combinations(ALL_CLASSES, 2)}
    closest = min(distances, key=distances.__getitem__)
    assert round(distances[closest], 1) >= MIN_DIFFERENCE, (by, closest, distances[closest])
