"""Which pixels show the ground: ways to say "no data", dark pixels, values that no sensor gives, halos of clouds."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import rasterio
from numpy.testing import assert_array_equal

from lc_assets.core.errors import BadModel
from lc_assets.core.landcover import NO_DATA
from lc_assets.core.settings import SHIPPED
from lc_assets.defs.io_managers import CogStackIOManager, VirtualStackIOManager
from lc_assets.defs.resources import StoreResource
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.sentinel2.band_table import BAND_NAMES, BANDS
from lc_assets.sentinel2.bands.stack import KERNELS, Stack
from lc_assets.sentinel2.bands.strip_reader import StripReader
from lc_assets.sentinel2.bands.validity import HIDDEN, IMPOSSIBLE, NO_SOURCE, USABLE
from lc_assets.sentinel2.radiometry import HIGHEST_DN
from lc_assets.sentinel2.scl import MASKED as HIDDEN_CODES
from lc_assets.sentinel2.scl import SCL_NAMES, is_hidden, is_no_data
from lc_assets_tests.conftest import Desk, copy_scene, cropped, edit_bands, edit_item
from lc_assets_tests.inference.test_classification import whole_map
from lc_assets_tests.products.test_stac import CONTRACT
from lc_assets_tests.rig.command import Shell
from lc_assets_tests.sentinel2.test_stack import recipe_for, stack_of

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


@pytest.fixture(scope="module")
def part(demo_item: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """132 x 138 px of the demo scene, all ground."""
    return cropped(demo_item, tmp_path_factory.mktemp("part"), 132, 138)


@pytest.fixture(scope="module")
def without_source(demo_item: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """(rows, columns) bool: the demo scene's own pixels without source data."""
    folder = tmp_path_factory.mktemp("plain")
    return state_of(stack_of(without_scl(copy_scene(demo_item, folder)), folder / "store")) == NO_SOURCE


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


@pytest.mark.parametrize(("make", "where", "state"), CASES.values(), ids=CASES.keys())
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


@pytest.mark.parametrize("band", ["B02", "B05", "B01"])
@pytest.mark.parametrize("how", [65_535, 7, "mask"])
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


@pytest.mark.parametrize("bands", [("B08", "B11", "B12"), ("B12",), ("B01", "B02")], ids="-".join)
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
    ("kernel", "manager"), [*((kernel, VirtualStackIOManager) for kernel in KERNELS), ("cubic", CogStackIOManager)]
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
    outcome = desk.run(DEMO_ITEM_ID)
    assert outcome.error is None
    checks = {
        check.check_name: check
        for event in desk.instance.all_logs(outcome.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if event.dagster_event and (check := event.dagster_event.asset_check_evaluation_data)
    }
    record = checks["possible_values"]
    assert not record.passed
    assert record.metadata["pixels"].value == 9


def test_a_scene_without_scl_says_that_clouds_are_mapped(desk: Desk, demo_item: Path, tmp_path: Path) -> None:
    desk.add(without_scl(copy_scene(demo_item, tmp_path)))
    outcome = desk.run(DEMO_ITEM_ID, stride=64)
    said = [entry.user_message for entry in desk.instance.all_logs(outcome.run_id)]
    assert any(f"{DEMO_ITEM_ID} has no scene classification (SCL)" in line for line in said)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--mask-dilation", "50"), "in steps of 20"),
        (("--mask-dilation", "-20"), "give 0 to 2000 m"),
        (("--mask-dilation", "4000"), "give 0 to 2000 m"),
        (("--mask-dilation", "60", "--no-mask-clouds"), "clouds are not masked"),
    ],
)
def test_a_dilation_that_cannot_be_applied_is_refused(
    shell: Shell, demo_item: Path, arguments: tuple[str, ...], told: str
) -> None:
    assert told in shell("classify", demo_item, *arguments, code=1).output


@pytest.mark.parametrize("config", [{"mask_dilation": -20}, {"mask_dilation": 30}, {"strip_pixels": -1}])
def test_a_run_whose_config_is_out_of_range_says_which_value(
    desk: Desk, demo_item: Path, config: dict[str, int]
) -> None:
    desk.add(demo_item)
    error = desk.run(DEMO_ITEM_ID, **config).error
    assert error is not None
    assert error.startswith(f"asset class_raster: its config {next(iter(config))} is wrong: Input should be")


@pytest.mark.parametrize("highest", [(1.0,) * 12, (900.0,) * 12, (9000.0,) * 11, ("a",) * 12, 5, (1e9,) * 12])
def test_a_contract_whose_highest_dn_say_nothing_is_refused(highest: Any) -> None:
    with pytest.raises(BadModel, match="its highest DN are"):
        dataclasses.replace(CONTRACT, highest=highest)


def test_the_network_sees_no_dn_above_the_highest_that_it_was_trained_on(tmp_path: Path, demo_item: Path) -> None:
    model = SHIPPED.parent
    shutil.copytree(model, tmp_path / "model")
    document = json.loads((tmp_path / "model" / "model.json").read_text())
    for scaling in document["properties"]["mlm:input"][0]["value_scaling"]:
        scaling["maximum"] = 4000
    (tmp_path / "model" / "model.json").write_text(json.dumps(document))
    engine = open_model(tmp_path / "model" / "model.json", "float32")
    maps = [
        whole_map(Classification(stack_of(path, path.parent / "store"), engine, 16))
        for path in (
            spoilt(demo_item, tmp_path / str(dn), (BAND_NAMES, INSIDE, dn), (("SCL",), INSIDE, VEGETATION))
            for dn in (5000, 29_000)
        )
    ]
    ring = np.ones((246, 258), bool)
    ring[114:186, 114:186] = False  # interpolation ends within a pixel of 60 m
    assert (maps[0][0] == maps[1][0])[ring].mean() > 0.99
    plain = open_model(SHIPPED, "float32")
    assert engine.contract.fingerprint != plain.contract.fingerprint


def test_failed_checks_are_told_on_the_terminal(shell: Shell, demo_item: Path, tmp_path: Path) -> None:
    path = spoilt(demo_item, tmp_path / "item", (("B04",), (150, 153, 150, 153), 65_000))
    said = shell("classify", path, "--stride", "64", "--mask-dilation", "40").output
    assert "warning: possible_values: 9 pixels hold a DN above 30,000 in a band and are No Data" in said


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
