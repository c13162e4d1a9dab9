"""Which pixels show the ground: what the bands, their files and SCL say together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_array_equal

from lc_assets.defs.io_managers.resampled_stack import CogStackIOManager
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.bands.validity import IMPOSSIBLE, NO_SOURCE, USABLE
from lc_assets.sentinel2.radiometry import HIGHEST_DN
from lc_assets.sentinel2.scl import MASKED as HIDDEN_CODES
from lc_assets.sentinel2.scl import SCL_NAMES, is_hidden, is_no_data
from lc_assets_tests.conftest import copy_scene
from lc_assets_tests.rig.marks import further, named
from lc_assets_tests.sentinel2.spoilt_scenes import (
    FACTOR,
    INSIDE,
    LEFT_EDGE,
    VEGETATION,
    WATER,
    Where,
    before_the_offset,
    spoilt,
    state_of,
    window,
    without_scl,
)
from lc_assets_tests.sentinel2.stacks import stack_of

CASES: dict[str, tuple[Callable[[Path, Path], Path], Where, int]] = {
    "SCL says no data": (lambda i, f: spoilt(i, f, (("SCL",), INSIDE, 0)), INSIDE, NO_SOURCE),
    "SCL holds a code that there is not": (lambda i, f: spoilt(i, f, (("SCL",), INSIDE, 255)), INSIDE, NO_SOURCE),
    "all bands are 0": (lambda i, f: spoilt(i, f, (BAND_NAMES, INSIDE, 0)), INSIDE, NO_SOURCE),
    "0 less the offset, SCL no data": (
        lambda i, f: spoilt(i, f, (BAND_NAMES, INSIDE, 64_536), (("SCL",), INSIDE, 0)),
        INSIDE,
        NO_SOURCE,
    ),
    "0 less the offset, no SCL": (
        lambda i, f: without_scl(spoilt(i, f, (BAND_NAMES, INSIDE, 64_536))),
        INSIDE,
        IMPOSSIBLE,
    ),
    "one band beyond any sensor": (
        lambda i, f: spoilt(i, f, (("B11",), INSIDE, HIGHEST_DN + 1), (("SCL",), INSIDE, VEGETATION)),
        INSIDE,
        IMPOSSIBLE,
    ),
    "the brightest that a sensor gives": (
        lambda i, f: spoilt(i, f, (BAND_NAMES, INSIDE, HIGHEST_DN), (("SCL",), INSIDE, VEGETATION)),
        INSIDE,
        USABLE,
    ),
    "a dark lake": (
        lambda i, f: spoilt(i, f, (("B08", "B11", "B12"), INSIDE, 0), (("SCL",), INSIDE, WATER)),
        INSIDE,
        USABLE,
    ),
    "a dark lake at the scene's border": (
        lambda i, f: spoilt(i, f, (("B08", "B11", "B12"), LEFT_EDGE, 0), (("SCL",), LEFT_EDGE, WATER)),
        LEFT_EDGE,
        USABLE,
    ),
    "a dark lake without SCL": (
        lambda i, f: before_the_offset(without_scl(spoilt(i, f, (("B12",), INSIDE, 0)))),
        INSIDE,
        USABLE,
    ),
    "dark forest in the blue": (
        lambda i, f: before_the_offset(spoilt(i, f, (("B01", "B02"), INSIDE, 0), (("SCL",), INSIDE, VEGETATION))),
        INSIDE,
        USABLE,
    ),
    "land that an offset keeps from 0": (
        lambda i, f: spoilt(i, f, (("B08",), INSIDE, 0), (("SCL",), INSIDE, VEGETATION)),
        INSIDE,
        NO_SOURCE,
    ),
    "a lake that an offset keeps from 0, no SCL": (
        lambda i, f: without_scl(spoilt(i, f, (("B11", "B12"), INSIDE, 0))),
        INSIDE,
        NO_SOURCE,
    ),
    "a band ends before the scene, of an old baseline": (
        lambda i, f: before_the_offset(spoilt(i, f, (("B09",), LEFT_EDGE, 0), (("SCL",), LEFT_EDGE, VEGETATION))),
        LEFT_EDGE,
        NO_SOURCE,
    ),
    "a band ends, an old baseline, no SCL": (
        lambda i, f: before_the_offset(without_scl(spoilt(i, f, (("B05",), LEFT_EDGE, 0)))),
        LEFT_EDGE,
        NO_SOURCE,
    ),
    "a band ends before the scene": (
        lambda i, f: spoilt(i, f, (("B09",), LEFT_EDGE, 0), (("SCL",), LEFT_EDGE, VEGETATION)),
        LEFT_EDGE,
        NO_SOURCE,
    ),
    "a band ends, no SCL": (lambda i, f: without_scl(spoilt(i, f, (("B05",), LEFT_EDGE, 0))), LEFT_EDGE, NO_SOURCE),
    "all bands but one end": (
        lambda i, f: spoilt(i, f, (BAND_NAMES[1:], LEFT_EDGE, 0), (("SCL",), LEFT_EDGE, VEGETATION)),
        LEFT_EDGE,
        NO_SOURCE,
    ),
}


QUICK = (
    "SCL says no data",
    "0 less the offset, no SCL",
    "one band beyond any sensor",
    "a dark lake",
)


@pytest.mark.parametrize(("make", "where", "state"), named(CASES, QUICK))
def test_a_pixel_is_what_the_bands_and_scl_say_together(
    demo_item: Path,
    without_source: np.ndarray,
    tmp_path: Path,
    make: Callable[[Path, Path], Path],
    where: Where,
    state: int,
) -> None:
    path = make(demo_item, tmp_path)
    stack = stack_of(path, tmp_path / "virtual")
    found = state_of(stack)
    assert (found[window(where)] == state).all()
    # What else there is stays as it was.
    elsewhere = np.ones(found.shape, bool)
    elsewhere[window(where)] = False
    assert ((found == NO_SOURCE) == without_source)[elsewhere].all()
    for other in (state_of(stack, 7), state_of(stack_of(path, tmp_path / "cog", CogStackIOManager))):
        assert_array_equal(other, found)


def test_every_code_of_scl_is_no_data_hidden_or_ground() -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert is_no_data(codes).tolist() == [code == 0 or code not in SCL_NAMES for code in range(256)]
    assert is_hidden(codes).tolist() == [code in HIDDEN_CODES for code in range(256)]


def test_a_coarse_pixel_that_straddles_the_swaths_edge_is_no_data(demo_item: Path, tmp_path: Path) -> None:
    """B01 is 0 in the 60 m pixel whose left third lies beyond the swath; SCL calls the rest water."""
    outside, straddling = (120, 180, 0, 62), (120, 180, 60, 66)
    fine = tuple(name for name in BAND_NAMES if FACTOR[name] < 6)
    path = spoilt(
        demo_item,
        tmp_path,
        (("SCL",), (120, 180, 0, 90), WATER),
        (fine, outside, 0),
        (("B01", "B09"), (120, 180, 0, 66), 0),
        (("SCL",), outside, 0),
    )
    found = state_of(stack_of(path, tmp_path / "store"))
    assert (found[window(straddling)] == NO_SOURCE).all()
    assert (found[120:180, 66:90] == USABLE).all()


@pytest.mark.parametrize(
    ("how", "band"),
    [
        (65_535, "B02"),
        (7, "B01"),
        ("mask", "B05"),
        *further((65_535, "B05"), (65_535, "B01"), (7, "B02"), (7, "B05"), ("mask", "B02"), ("mask", "B01")),
    ],
)
def test_what_a_bands_file_declares_as_no_data_is_no_data(
    demo_item: Path, tmp_path: Path, band: str, how: int | str
) -> None:
    path = copy_scene(demo_item, tmp_path)
    file = path.parent / f"{band}.tif"
    with rasterio.open(file) as dataset:
        dn, profile = dataset.read(1), {**dataset.profile, "driver": "GTiff", "tiled": False}
    profile = {key: value for key, value in profile.items() if not key.startswith("block")}
    part = window(tuple(n // FACTOR[band] for n in INSIDE))  # type: ignore[arg-type]
    given = np.ones(dn.shape, bool)
    given[part] = False
    if how != "mask":
        dn[part], profile["nodata"] = how, how
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(file, "w", **profile) as dataset:
        dataset.write(dn, 1)
        if how == "mask":
            dataset.write_mask(given)
    for manager in ({}, {"manager": CogStackIOManager}):
        found = state_of(stack_of(path, tmp_path / f"store{len(manager)}", **manager))
        assert (found[window(INSIDE)] == NO_SOURCE).all()
        assert (found[185:, 120:180] != NO_SOURCE).all()
