"""The halo around clouds and shadows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.testing import assert_array_equal

from lc_assets.sentinel2.bands.validity import HIDDEN
from lc_assets.sentinel2.scl import MASKED as HIDDEN_CODES
from lc_assets_tests.conftest import cropped, edit_bands
from lc_assets_tests.sentinel2.spoilt_scenes import VEGETATION, Where, spoilt, state_of, window
from lc_assets_tests.sentinel2.stacks import stack_of


def test_clouds_have_a_halo_and_specks_have_none(demo_item: Path, tmp_path: Path) -> None:
    cloud, speck = (120, 160, 120, 160), (200, 202, 200, 202)
    path = spoilt(
        demo_item, tmp_path, (("SCL",), (90, 246, 90, 258), VEGETATION), (("SCL",), cloud, 9), (("SCL",), speck, 9)
    )
    stack = stack_of(path, tmp_path / "store")
    row, column = np.mgrid[:246, :258] // 2
    far_row, far_column = (np.maximum(np.maximum(60 - at, at - 79), 0) for at in (row, column))
    for metres in (0, 40, 100):
        found = state_of(stack, dilation=metres)
        expected = far_row**2 + far_column**2 <= (metres // 20) ** 2
        expected[window(speck)] = True
        assert_array_equal((found == HIDDEN)[90:, 90:], expected[90:, 90:])
        assert_array_equal(state_of(stack, 9, metres), found)


def test_a_small_scene_with_a_wide_halo_is_all_hidden(demo_item: Path, tmp_path: Path) -> None:
    path = cropped(demo_item, tmp_path, 60, 66)
    edit_bands(
        path, lambda _, scl, __: np.pad(np.full((8, 8), 9, np.uint8), ((0, 22), (0, 25)), constant_values=4), ("SCL",)
    )
    assert (state_of(stack_of(path, tmp_path / "store"), dilation=2000) == HIDDEN).all()


def test_shadow_grows_and_saturation_does_not(demo_item: Path, tmp_path: Path) -> None:
    where: Where = (150, 180, 150, 180)
    grown = {}
    for code in HIDDEN_CODES:
        path = spoilt(
            demo_item, tmp_path / str(code), (("SCL",), (90, 246, 90, 258), VEGETATION), (("SCL",), where, code)
        )
        found = state_of(stack_of(path, tmp_path / str(code) / "store"), dilation=60)
        grown[code] = bool((found[150:180, 185] == HIDDEN).all())
    assert grown == {1: False, 3: True, 8: True, 9: True, 10: True}
