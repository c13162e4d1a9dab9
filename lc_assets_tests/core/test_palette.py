"""The class table's colours are told apart, by normal eyes and by eyes that lack a kind of cone."""

from __future__ import annotations

from itertools import combinations

import pytest
from coloraide import Color

from lc_assets.core.landcover import ALL_CLASSES, LandCover

LEAST = 12.0
"""CIEDE2000 between any two colours, rounded. (The palette before this one had Forest and Residential at 2.4.)"""

VISION = ("normal", "protan", "deutan", "tritan")


def seen(c: LandCover, by: str) -> Color:
    """A colour as it is seen: Machado's simulation (2009) of eyes without one kind of cone."""
    color = Color("srgb", [value / 255 for value in c.rgb])
    return color if by == "normal" else color.filter(by, 1.0, method="machado").clip("srgb")


def apart(a: LandCover, b: LandCover, by: str) -> float:
    """CIEDE2000 between two colours as they are seen."""
    return float(seen(a, by).delta_e(seen(b, by), method="2000"))


def test_the_measure_tells_equal_from_different() -> None:
    red, green = (LandCover(0, "", "", rgb) for rgb in ((190, 60, 40), (105, 105, 30)))
    assert apart(red, green, "normal") > 35 > 15 > apart(red, green, "deutan")


@pytest.mark.parametrize("by", VISION)
def test_any_two_classes_are_told_apart(by: str) -> None:
    distances = {(a.name, b.name): apart(a, b, by) for a, b in combinations(ALL_CLASSES, 2)}
    closest = min(distances, key=distances.__getitem__)
    assert round(distances[closest], 1) >= LEAST, (by, closest, distances[closest])
