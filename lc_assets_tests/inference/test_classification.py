"""The class map: the mean of all windows that contain a pixel."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from lc_assets.core.landcover import NO_DATA
from lc_assets.core.settings import SHIPPED
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference import classify_chips
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.sentinel2.band_table import BANDS
from lc_assets_tests.conftest import Desk, copy_scene, cropped, edit_bands, read
from lc_assets_tests.inference.maps import by_hand, whole_map
from lc_assets_tests.sentinel2.stacks import stack_of


@pytest.mark.parametrize("size", [(90, 132), (60, 54)])
def test_the_map_is_the_mean_of_all_windows_that_contain_a_pixel(
    demo_item: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    stack = stack_of(cropped(demo_item, tmp_path, *size), tmp_path / "store")
    classes, confidence = whole_map(
        Classification(stack, open_model(SHIPPED, "float32"), 16, mask_hidden=False, window=64)
    )
    expected, probability = by_hand(stack, 16)
    assert classes.shape == size
    assert (classes == expected).all()
    known = classes != NO_DATA.code
    assert known.any()
    assert np.abs(confidence[known] - 100 * probability[known]).max() <= 0.501
    assert (confidence[~known] == 255).all()


@pytest.mark.parametrize("stride", [8, 32])
def test_the_map_does_not_depend_on_how_the_scene_is_cut_into_strips(
    demo_item: Path, tmp_path: Path, stride: int
) -> None:
    stack = stack_of(demo_item, tmp_path)
    maps = [
        whole_map(Classification(stack, open_model(SHIPPED, "float32"), stride, strip_pixels=rows, window=64))
        for rows in (64, 100, 320, 10_000)
    ]
    for classes, confidence in maps[1:]:
        assert (classes == maps[0][0]).all()
        assert (confidence == maps[0][1]).all()


def test_every_valid_pixel_of_a_full_scene_is_predicted(real_item: Path, tmp_path: Path) -> None:
    classes, _ = whole_map(Classification(stack_of(real_item, tmp_path), open_model(SHIPPED, "float32"), 64, window=64))
    assert classes.shape == (600, 600)  # 600 is not a multiple of 64
    assert (classes < NO_DATA.code).all()


def test_a_window_with_less_than_half_of_its_pixels_valid_has_no_vote(demo_item: Path, tmp_path: Path) -> None:
    item = cropped(demo_item, tmp_path, 96, 96)

    def corner_only(name: str, dn: np.ndarray, profile: dict) -> np.ndarray:
        factor = {b.name: b.factor for b in BANDS}[name]
        out = np.zeros_like(dn)
        out[: 36 // factor, : 36 // factor] = np.maximum(dn[: 36 // factor, : 36 // factor], 1200)
        return out

    edit_bands(item, corner_only)
    classification = Classification(
        stack_of(item, tmp_path / "store"), open_model(SHIPPED, "float32"), 32, mask_hidden=False, window=64
    )
    classes, _ = whole_map(classification)
    assert (classes == NO_DATA.code).all()  # 36 x 36 of 64 x 64 is 32 %
    assert classification.statistics.no_vote == 36 * 36
    assert classification.statistics.voting == 0


@pytest.mark.slow
def test_adding_the_offset_of_a_newer_baseline_changes_nothing(
    demo_item: Path, tmp_path: Path, desk: Desk, real_item: Path
) -> None:
    plain = desk.classify(real_item)
    before = plain.classified.read_bytes(), read(plain.confidence)
    name = "S2A_MSIL1C_20170527T102031_N0511_R065_T33UUB_20170527T102301.SAFE"
    newer = copy_scene(real_item, tmp_path, **{"s2:processing_baseline": "05.11", "s2:product_uri": name})
    edit_bands(newer, lambda name, dn, profile: np.where(dn > 0, dn + 1000, 0).astype(np.uint16))
    again = desk.classify(newer)
    # A tag of the file names its baseline; all other bytes are the same.
    assert again.classified.read_bytes().replace(b">05.11<", b">02.05<") == before[0]
    assert (read(again.confidence) == before[1]).all()


def test_clouds_are_masked_unless_masking_is_off(demo_item: Path, classified: Desk) -> None:
    folder = classified.folder(DEMO_ITEM_ID)
    masked = read(folder.classified)
    assert classified.materialize("class_raster", mask_clouds=False).success
    seen = read(folder.classified)
    scl = read(demo_item.parent / "SCL.tif").repeat(2, 0).repeat(2, 1)
    hidden = np.isin(scl, (1, 3, 8, 9, 10))
    valid = read(demo_item.parent / "B02.tif") > 0
    assert (masked[hidden] == NO_DATA.code).all()
    assert (seen[hidden & valid] != NO_DATA.code).mean() > 0.9
    assert (masked[~valid] == NO_DATA.code).all()
    assert (seen[~valid] == NO_DATA.code).all()


def test_repeated_runs_write_the_same_bytes(classified: Desk) -> None:
    folder = classified.folder(DEMO_ITEM_ID)
    products = [folder.classified, folder.confidence, folder.overview, folder.thumbnail]
    first = [hashlib.sha256(path.read_bytes()).hexdigest() for path in products]
    assert classified.run(DEMO_ITEM_ID).error is None
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in products] == first


def test_most_of_a_synthetic_landscape_is_recognised(tmp_path: Path, desk: Desk) -> None:
    from lc_assets.demo.scene import write_demo_scene

    item = write_demo_scene(tmp_path, shape=(480, 510))
    scene = desk.add(item)
    assert desk.materialize("raw_bands", "resampled_stack", "class_raster").success
    folder = desk.folder(scene.id)
    found, truth = read(folder.classified), read(item.parent / "truth.tif")
    known = (found != NO_DATA.code) & (truth != NO_DATA.code)
    assert (found == truth)[known].mean() > 0.6
    assert folder.item == DEMO_ITEM_ID


def test_classify_chips_recognises_real_chips(shared: Path) -> None:
    from lc_assets.training.data.eurosat import read_packed

    chips, split = read_packed(shared / "eurosat", "eurosat_ms")
    chips = chips.where(split == "val")
    found = classify_chips(chips.dn.transpose(0, 2, 3, 1), product_level="L1C")
    assert found.shape == (len(chips), 10)
    assert found.dtype == np.float32
    assert np.allclose(found.sum(axis=1), 1, atol=1e-4)
    assert (found.argmax(axis=1) == chips.labels).mean() >= 0.94
