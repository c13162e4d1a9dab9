"""The stack: twelve bands on one 10 m grid, virtual or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from lc_assets.core.errors import BadBand
from lc_assets.defs.io_managers.resampled_stack import CogStackIOManager, VirtualStackIOManager
from lc_assets.defs.resources import StoreResource
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.bands.stack import Stack, StackRecipe
from lc_assets_tests.conftest import copy_scene, edit_bands, edit_item
from lc_assets_tests.sentinel2.stacks import pixels, recipe_for, stack_of


def expected_bilinear(native: np.ndarray, factor: int) -> np.ndarray:
    """Centre-aligned bilinear upsampling, written out."""

    def axis(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        position = (np.arange(n * factor) + 0.5) / factor - 0.5
        low = np.floor(position).astype(int)
        return np.clip(low, 0, n - 1), np.clip(low + 1, 0, n - 1), position - low

    (r0, r1, rw), (c0, c1, cw) = axis(native.shape[0]), axis(native.shape[1])
    x = native.astype(float)
    x = x[r0] * (1 - rw)[:, None] + x[r1] * rw[:, None]
    return x[:, c0] * (1 - cw) + x[:, c1] * cw


@pytest.mark.parametrize("manager", [VirtualStackIOManager, CogStackIOManager])
def test_a_scene_of_no_baseline_has_its_declared_offset(demo_item: Path, tmp_path: Path, manager: type) -> None:
    def declare(document: dict[str, Any]) -> None:
        document["properties"] |= {"s2:processing_baseline": "99.99", "s2:product_uri": "S2B_N9999_.SAFE"}
        for band in BAND_NAMES:
            document["assets"][band]["raster:bands"] = [{"scale": 0.0001, "offset": -0.1}]

    path = copy_scene(demo_item, tmp_path)
    edit_item(path, declare)
    stack, plain = stack_of(path, tmp_path / "a", manager), stack_of(demo_item, tmp_path / "b", manager)
    assert (stack.baseline, stack.offset) == ("unknown", plain.offset) == ("unknown", -1000)
    assert (pixels(stack)[0] == pixels(plain)[0]).all()


def test_the_stack_describes_itself_to_any_gdal_tool(demo_item: Path, tmp_path: Path) -> None:
    stack = stack_of(demo_item, tmp_path)
    with rasterio.open(stack.path) as dataset:
        assert dataset.descriptions == BAND_NAMES
        assert dataset.dtypes == ("uint16",) * 12
        assert dataset.scales == (1e-4,) * 12
        assert dataset.offsets == pytest.approx((-0.1,) * 12)
        assert dataset.res == (10, 10)
    assert (
        "/"
        not in (stack.path.parent / "native_B02.vrt").read_text().split("relativeToVRT")[1].split("../raw_bands/")[0]
    )


def test_the_virtual_stack_moves_with_its_folder(demo_item: Path, tmp_path: Path) -> None:
    stack = stack_of(demo_item, tmp_path / "here")
    before, valid = pixels(stack)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = stack.path.as_posix().replace("/here/", "/there/")
    again, still = pixels(Stack.open(Path(moved), None, stack.item))
    assert (before == again).all()
    assert (valid == still).all()


def test_virtual_and_written_stack_have_the_same_pixels_and_mask(demo_item: Path, tmp_path: Path) -> None:
    virtual = stack_of(demo_item, tmp_path / "virtual")
    written = stack_of(demo_item, tmp_path / "written", CogStackIOManager)
    assert written.path.suffix == ".tif"
    (read, valid), (also, usable) = pixels(virtual), pixels(written)
    assert (valid == usable).all()
    assert (read[:, valid] == also[:, valid]).all()
    assert (also[:, ~valid] == 0).all()
    with rasterio.open(virtual.path) as v, rasterio.open(written.path) as w:
        assert (v.descriptions, v.scales, v.offsets) == (w.descriptions, w.scales, w.offsets)
    with rasterio.open(virtual.scl_path) as v, rasterio.open(written.scl_path) as w:
        assert (v.read() == w.read()).all()


@pytest.mark.parametrize(("band", "factor"), [("B05", 2), ("B01", 6), ("B03", 1)])
def test_coarse_bands_are_upsampled_about_their_centres(
    demo_item: Path, tmp_path: Path, band: str, factor: int
) -> None:
    stack = stack_of(demo_item, tmp_path)
    found, valid = pixels(stack)
    with rasterio.open(demo_item.parent / f"{band}.tif") as dataset:
        native = dataset.read(1)
    # Away from nodata, where weights are renormalised; GDAL rounds to whole DN.
    far = valid & (expected_bilinear((native > 0).astype(float), factor) == 1)
    difference = np.abs(found[BAND_NAMES.index(band)] - expected_bilinear(native, factor))[far]
    assert difference.max() <= 0.5 + 1e-6
    assert far.mean() > 0.8


def test_valid_pixels_beside_nodata_are_not_darkened_by_it(demo_item: Path, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path)
    edit_bands(item, lambda name, dn, profile: np.where(dn > 0, 3000, 0).astype(np.uint16))
    found, valid = pixels(stack_of(item, tmp_path / "store"))
    assert 0 < valid.mean() < 1
    assert (found[:, valid] == 3000).all()


def test_validity_is_that_of_all_twelve_native_bands(demo_item: Path, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path)

    def hole(name: str, dn: np.ndarray, profile: dict) -> np.ndarray:
        dn[20, 30] = 0
        return dn

    edit_bands(item, hole, ("B09",))
    _, valid = pixels(stack_of(item, tmp_path / "store"))
    assert not valid[120:126, 180:186].any()
    assert valid[120:126, 186:192].all()


@pytest.mark.parametrize(("kernel", "tolerance"), [("nearest", 0), ("bilinear", 0), ("cubic", 1), ("cubicspline", 1)])
def test_reading_window_by_window_equals_reading_whole(
    demo_item: Path, tmp_path: Path, kernel: str, tolerance: int
) -> None:
    recipe, store = recipe_for(demo_item, tmp_path)
    recipe = StackRecipe(**{**recipe.__dict__, "kernel": kernel})
    io = VirtualStackIOManager(store=StoreResource(root=str(tmp_path)))
    io.write(store.scene(recipe.item), recipe)
    stack = io.read(store.scene(recipe.item))
    whole, valid = pixels(stack)
    with rasterio.open(stack.path) as dataset:
        for step in (37, 64, 100):
            for row in range(0, stack.grid.height, step):
                for column in range(0, stack.grid.width, step):
                    window = Window(
                        column, row, min(step, stack.grid.width - column), min(step, stack.grid.height - row)
                    )
                    here = (slice(row, row + step), slice(column, column + step))
                    difference = dataset.read(window=window).astype(int) - whole[:, here[0], here[1]]
                    assert np.abs(difference).max() <= tolerance
                    assert ((dataset.read_masks(1, window=window) > 0) == valid[here]).all()


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "truncated|cannot be opened"),
        (lambda path: path.write_text("not a raster"), "cannot be opened as a raster"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.unlink(), "missing"),
    ],
)
def test_a_broken_band_is_named_before_anything_is_kept(demo_item: Path, tmp_path: Path, break_it, told: str) -> None:
    item = copy_scene(demo_item, tmp_path)
    break_it(item.parent / "B11.tif")
    with pytest.raises(BadBand, match=told) as caught:
        recipe_for(item, tmp_path / "store")
    assert caught.value.asset == "B11"
    assert caught.value.item == item.stem


def as_float(name: str, dn: np.ndarray, profile: dict) -> np.ndarray:
    profile.update(dtype="float32")
    return dn.astype(np.float32)


def one_row_short(name: str, dn: np.ndarray, profile: dict) -> np.ndarray:
    return dn[:-1]


def in_another_zone(name: str, dn: np.ndarray, profile: dict) -> np.ndarray:
    profile.update(crs="EPSG:32633")
    return dn


def half_a_pixel_off(name: str, dn: np.ndarray, profile: dict) -> np.ndarray:
    profile.update(transform=profile["transform"] @ Affine.translation(0.5, 0))
    return dn


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (as_float, "float32"),
        (one_row_short, "instead of"),
        (in_another_zone, "CRS EPSG:32633"),
        (half_a_pixel_off, "corner"),
    ],
)
def test_a_band_of_another_grid_or_dtype_is_refused(demo_item: Path, tmp_path: Path, change, told: str) -> None:
    item = copy_scene(demo_item, tmp_path)
    edit_bands(item, change, ("B06",))
    with pytest.raises(BadBand, match=told) as caught:
        recipe_for(item, tmp_path / "store")
    assert caught.value.asset == "B06"
