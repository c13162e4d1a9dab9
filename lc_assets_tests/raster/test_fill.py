"""Masked pixels take the value of their nearest visible pixel, so small masked areas do not look like texture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lc_assets.core.landcover import NO_DATA
from lc_assets.core.settings import SHIPPED
from lc_assets.demo.scene import write_demo_scene
from lc_assets.inference import classify_chips
from lc_assets.inference.dense.evaluators import ChipEvaluator
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.raster.fill import nearest
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets_tests.conftest import copy_scene, edit_bands, read
from lc_assets_tests.inference.maps import whole_map
from lc_assets_tests.rig.marks import further, named
from lc_assets_tests.sentinel2.stacks import stack_of

Mask = Callable[[tuple[int, int], np.random.Generator], np.ndarray]
CLOUD = 9


def specks(share: float, side: int = 1) -> Mask:
    """A mask (20 m pixels) of random squares."""

    def make(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        coarse = rng.random((-(-shape[0] // side), -(-shape[1] // side))) < share
        return coarse.repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]]

    return make


MASKS = {
    "specks of 20 m over 5 %": specks(0.05),
    "specks of 20 m over 20 %": specks(0.2),
    "patches of 60 m over 5 %": specks(0.05, 3),
    "patches of 60 m over 20 %": specks(0.2, 3),
}


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_scene(tmp_path_factory.mktemp("landscape"), shape=(360, 420), seed=5)


def masked(item: Path, folder: Path, mask: Mask) -> Stack:
    """A stack whose scene classification has more cloud pixels."""
    path = copy_scene(item, folder)

    def spoil(_: str, scl: np.ndarray, __: object) -> np.ndarray:
        hidden = mask(scl.shape, np.random.default_rng(1)) & (scl != 0)
        return np.where(hidden, CLOUD, scl).astype(np.uint8)

    edit_bands(path, spoil, ("SCL",))
    return stack_of(path, folder / "store")


def share_correct(stack: Stack, truth: np.ndarray, *, densely: bool) -> float:
    """Share of the mapped pixels that have the true class."""
    classification = Classification(stack, open_model(SHIPPED, "float32"), 8 if densely else 32, mask_dilation=0)
    if not densely:
        engine = classification.engine
        classification.__dict__["evaluator"] = ChipEvaluator(engine.contract, engine.predict, 32, "for this test")
    classes, _ = whole_map(classification)
    known = (classes != NO_DATA.code) & (truth != NO_DATA.code)
    assert 0.5 < known.mean() < 1
    return float((classes == truth)[known].mean())


@pytest.mark.parametrize("densely", [True, *further(False)])
@pytest.mark.parametrize("mask", named(MASKS, ["specks of 20 m over 20 %", "patches of 60 m over 20 %"]))
def test_small_masked_areas_do_not_change_the_map_around_them(
    landscape: Path, tmp_path: Path, mask: Mask, densely: bool
) -> None:
    truth = read(landscape.parent / "truth.tif")
    without = share_correct(stack_of(landscape, tmp_path / "whole"), truth, densely=densely)
    assert without > 0.6
    assert abs(share_correct(masked(landscape, tmp_path, mask), truth, densely=densely) - without) < 0.02


@pytest.mark.parametrize("strip", [8, 64])
def test_filling_does_not_depend_on_strips_or_threads(demo_item: Path, tmp_path: Path, strip: int) -> None:
    stack, engine = masked(demo_item, tmp_path, specks(0.3, 4)), open_model(SHIPPED, "float32")
    whole = whole_map(Classification(stack, engine, 16, threads=1))
    cut = whole_map(Classification(stack, engine, 16, strip_pixels=strip, threads=2))
    assert (whole[0] == NO_DATA.code).mean() > 0.3
    for one, other in zip(whole, cut, strict=True):
        assert_array_equal(one, other)


def test_every_pixel_within_reach_gets_its_nearest_visible_pixel_by_city_block_distance() -> None:
    rng = np.random.default_rng(0)
    for share, reach in ((0.5, 3), (0.05, 6), (0.01, 9)):
        visible = rng.random((40, 50)) < share
        hidden, source = nearest(visible, reach, (slice(5, 35), slice(7, 41)))
        at = np.argwhere(visible)
        expected = {}
        for row, column in np.argwhere(~visible):
            distance = int(np.abs(at - (row, column)).sum(axis=1).min())
            if 5 <= row < 35 and 7 <= column < 41 and distance <= reach:
                expected[int(row) * 50 + int(column)] = distance
        found = {
            int(pixel): int(abs(pixel // 50 - by // 50) + abs(pixel % 50 - by % 50))
            for pixel, by in zip(hidden, source, strict=True)
        }
        assert found == expected
        assert visible.ravel()[source].all()


def test_a_part_of_a_scene_is_filled_like_the_whole_scene() -> None:
    """The part has a margin as wide as the largest distance."""
    visible, reach = np.random.default_rng(3).random((120, 130)) < 0.03, 12
    hidden, source = nearest(visible, reach, (slice(0, 120), slice(0, 130)))
    whole = dict(zip(hidden.tolist(), source.tolist(), strict=True))
    part = visible[18:92, 28:101]
    inner, by = nearest(part, reach, (slice(12, 62), slice(12, 61)))

    def place(at: int) -> int:
        return (at // part.shape[1] + 18) * 130 + at % part.shape[1] + 28

    assert {place(a): place(b) for a, b in zip(inner.tolist(), by.tolist(), strict=True)} == {
        pixel: by for pixel, by in whole.items() if 30 <= pixel // 130 < 80 and 40 <= pixel % 130 < 89
    }


def test_single_chips_are_filled_too(shared: Path) -> None:
    chips = read_chips(shared)
    spoilt = chips.copy()
    spoilt[np.random.default_rng(0).random(chips.shape[:3]) < 0.1] = 0
    whole, filled = classify_chips(chips, product_level="L1C"), classify_chips(spoilt, product_level="L1C")
    assert (whole.argmax(axis=1) == filled.argmax(axis=1)).mean() > 0.9


def read_chips(shared: Path) -> np.ndarray:
    """(40, 64, 64, 12) uint16."""
    import rasterio

    with rasterio.open(shared / "eurosat" / "eurosat_ms.tif") as dataset:
        rows = dataset.read(window=((0, 64 * 40), (0, 64)))
    return rows.reshape(12, 40, 64, 64).transpose(1, 2, 3, 0)
