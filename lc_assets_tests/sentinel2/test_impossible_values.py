"""Dark pixels and values that no sensor gives: in the map, in interpolation, in checks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lc_assets.core.landcover import NO_DATA
from lc_assets.core.settings import SHIPPED
from lc_assets.defs.io_managers.resampled_stack import CogStackIOManager, VirtualStackIOManager
from lc_assets.defs.resources import StoreResource
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.bands.stack import KERNELS, Stack
from lc_assets.sentinel2.bands.strip_reader import StripReader
from lc_assets_tests.conftest import Desk
from lc_assets_tests.inference.maps import whole_map
from lc_assets_tests.rig.command import Shell
from lc_assets_tests.rig.marks import further
from lc_assets_tests.sentinel2.spoilt_scenes import INSIDE, PART, VEGETATION, WATER, Where, spoilt, window
from lc_assets_tests.sentinel2.stacks import recipe_for, stack_of


@pytest.mark.parametrize("bands", [("B08", "B11", "B12"), *further((("B12",),), (("B01", "B02"),))])
def test_a_zero_amid_data_is_the_darkest_value(part: Path, tmp_path: Path, bands: tuple[str, ...]) -> None:
    half: Where = (60, 96, 60, 78)
    maps = [
        whole_map(Classification(stack_of(path, path.parent / "store"), open_model(SHIPPED, "float32"), 16))
        for path in (
            spoilt(part, tmp_path / str(value), (("SCL",), PART, WATER), (bands, half, value)) for value in (0, 1)
        )
    ]
    assert_array_equal(maps[0][0], maps[1][0])
    assert_array_equal(maps[0][1], maps[1][1])
    assert (maps[0][0][window(half)] != NO_DATA.code).all()


def test_impossible_values_change_no_pixel_that_is_mapped(demo_item: Path, tmp_path: Path) -> None:
    """As if the scene classification had hidden them."""
    engine = open_model(SHIPPED, "float32")
    wrong, hidden = (
        whole_map(Classification(stack_of(path, path.parent / "store"), engine, 16, mask_dilation=0))
        for path in (
            spoilt(demo_item, tmp_path / "wrong", (("B02",), INSIDE, 65_000), (("SCL",), INSIDE, VEGETATION)),
            spoilt(demo_item, tmp_path / "hidden", (("SCL",), INSIDE, 1)),
        )
    )
    assert_array_equal(wrong[0], hidden[0])


def stacked(item: Path, store: Path, kernel: str, manager: type = VirtualStackIOManager) -> Stack:
    recipe, kept = recipe_for(item, store)
    io, scene = manager(store=StoreResource(root=str(store))), kept.scene(recipe.item)
    io.write(scene, dataclasses.replace(recipe, kernel=kernel))
    found: Stack = io.read(scene)
    return found


def dn_of(stack: Stack) -> np.ndarray:
    """(12, rows, columns) as the network would be shown them, before hidden pixels are filled."""
    height, width = stack.grid.shape
    out = np.empty((12, height, width), np.uint16)
    with StripReader(stack, mask_hidden=False, threads=1) as reader:
        reader.read(0, height).read_dn(out, 0, 0, tuple(range(12)))
    return out


@pytest.mark.parametrize(
    ("kernel", "manager"),
    [
        ("cubic", VirtualStackIOManager),
        *further(*((kernel, VirtualStackIOManager) for kernel in KERNELS if kernel != "cubic")),
        *further(("cubic", CogStackIOManager)),
    ],
)
def test_interpolation_takes_impossible_values_for_gaps_and_dark_ones_for_values(
    part: Path, tmp_path: Path, kernel: str, manager: type
) -> None:
    coarse, elsewhere = ("B01", "B05", "B11"), np.ones((132, 138), bool)
    elsewhere[window(PART)] = False
    gaps = [
        dn_of(stacked(spoilt(part, tmp_path / name, *changes), tmp_path / name / "store", kernel, manager))
        for name, changes in {
            "wrong": ((coarse, PART, 50_000), (("SCL",), PART, VEGETATION)),
            "empty": ((coarse, PART, 0), (("SCL",), PART, 0)),
        }.items()
    ]
    assert_array_equal(gaps[0][:, elsewhere], gaps[1][:, elsewhere])
    dark = [
        dn_of(
            stacked(
                spoilt(part, tmp_path / f"dn{value}", (coarse, PART, value), (("SCL",), PART, WATER)),
                tmp_path / f"dn{value}" / "store",
                kernel,
                manager,
            )
        )
        for value in (0, 1)
    ]
    assert_array_equal(dark[0], dark[1])
    assert dark[0][BAND_NAMES.index("B11"), 78, 78] <= 1


def test_impossible_values_are_a_failed_check_with_their_number(desk: Desk, demo_item: Path, tmp_path: Path) -> None:
    path = spoilt(demo_item, tmp_path, (("B04",), (150, 153, 150, 153), 65_000), (("SCL",), INSIDE, VEGETATION))
    desk.add(path)
    result = desk.materialize("raw_bands", "resampled_stack", "class_raster")
    assert result.success
    [record] = [check for check in result.get_asset_check_evaluations() if check.check_name == "possible_values"]
    assert not record.passed
    assert record.metadata["pixels"].value == 9


@pytest.mark.slow
def test_failed_checks_are_told_on_the_terminal(shell: Shell, demo_item: Path, tmp_path: Path) -> None:
    path = spoilt(demo_item, tmp_path / "item", (("B04",), (150, 153, 150, 153), 65_000))
    said = shell("classify", path, "--stride", "64", "--mask-dilation", "40").output
    assert "warning: possible_values: 9 pixels have a DN above 30,000 in a band and are No Data" in said
