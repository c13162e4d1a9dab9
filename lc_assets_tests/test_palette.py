"""The class table's colours are told apart, by normal eyes and by eyes that lack a kind of cone."""

from __future__ import annotations

from itertools import combinations

import colour
import numpy as np
import pytest
from colour.blindness import matrix_cvd_Machado2009
from colour.difference import delta_E_CIE2000

from lc_assets.landcover import ALL_CLASSES, LandCover

LEAST = 12.0
"""CIEDE2000 between any two colours, rounded. (The palette before this one had Forest and Residential at 2.4.)"""

VISION = {
    "normal": np.eye(3),
    **{name: matrix_cvd_Machado2009(name, 1.0) for name in ("Protanomaly", "Deuteranomaly", "Tritanomaly")},
}


def seen(c: LandCover, by: str) -> np.ndarray:
    """A colour in CIELAB, as it is seen: the simulation works on linear RGB."""
    linear = colour.models.eotf_sRGB(np.array(c.rgb) / 255)
    light = np.clip(VISION[by] @ linear, 0, 1)
    return colour.XYZ_to_Lab(colour.RGB_to_XYZ(light, "sRGB"))


def test_the_measure_tells_equal_from_different() -> None:
    red, green = (LandCover(0, "", "", rgb) for rgb in ((190, 60, 40), (105, 105, 30)))
    apart = {by: delta_E_CIE2000(seen(red, by), seen(green, by)) for by in VISION}
    assert apart["normal"] > 35 > 15 > apart["Deuteranomaly"]


@pytest.mark.parametrize("by", VISION)
def test_any_two_classes_are_told_apart(by: str) -> None:
    apart = {
        (a.name, b.name): float(delta_E_CIE2000(seen(a, by), seen(b, by))) for a, b in combinations(ALL_CLASSES, 2)
    }
    closest = min(apart, key=apart.__getitem__)
    assert round(apart[closest], 1) >= LEAST, (by, closest, apart[closest])
