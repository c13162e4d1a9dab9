from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES
from lc_assets.training.data.chips import COVER_NAMES, UNLABELLED, no_chips
from lc_assets.training.data.dynamic_world import read_scenes
from lc_assets.training.data.eurosat import (
    EUROSAT_ORDER,
    band_positions,
    read_eurosat_folder,
    read_packed,
    read_rgb,
    rgb_to_dn,
)
from lc_assets.training.data.splits import Splits, spatial
from lc_assets_tests.training.chips import coloured_chips


@pytest.mark.slow
def test_evaluation_chips_and_their_rgb_twins_are_not_used_for_training(shared: Path) -> None:
    from lc_assets.training.data.splits import read_splits

    splits = read_splits(shared / "eurosat")
    judged = set(splits.validation.names)
    assert len(judged) == 261
    assert not judged & set(splits.multispectral.names)
    assert not judged & set(splits.rgb.names)
    assert len(splits.rgb) == 21_600 - len(judged)
    # No L2A chip is used both for training and for evaluation.
    learnt = {chip.tobytes() for chip in splits.weak.dn}
    assert not learnt & {chip.tobytes() for chip in splits.weak_validation.dn}


def test_eurosats_bands_are_reordered_to_the_band_table(tmp_path: Path) -> None:
    folder = tmp_path / "Forest"
    folder.mkdir()
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 13, "dtype": "uint16"}
    with rasterio.open(folder / "Forest_1.tif", "w", **profile) as dataset:
        for position, name in enumerate(EUROSAT_ORDER, start=1):
            value = 100 * (BAND_INDEX[name] + 1) if name in BAND_INDEX else 9999
            dataset.write(np.full((64, 64), value, np.uint16), position)
    chips = read_eurosat_folder(tmp_path)
    assert chips.dn[0, :, 0, 0].tolist() == [100 * (n + 1) for n in range(12)]
    assert chips.labels.tolist() == [CLASS_NAMES.index("Forest")]
    with pytest.raises(LandCoverError, match="11 bands"):
        band_positions(11, (None,) * 11, tmp_path)


def test_rgb_levels_are_converted_back_to_dn() -> None:
    dn = np.array([1, 500, 1000, 2700])
    levels = np.rint(1 + dn * 254 / 2750)
    assert np.abs(rgb_to_dn(levels.astype(np.uint8)).astype(int) - dn).max() <= 6
    assert rgb_to_dn(np.array([0, 1], np.uint8)).min() >= 1


def test_only_the_left_part_of_a_scene_is_used_for_training(tmp_path: Path) -> None:
    for name in ("ssl4eo_1_L2A", "terramind_1_L2A"):  # the licence of the second does not allow training
        write(tmp_path / f"{name}.tif", np.broadcast_to(np.arange(264, dtype=np.uint16), (12, 100, 264)))
        write(
            tmp_path / f"{name}_dw.tif",
            np.broadcast_to(np.array([4, 200, 255], np.uint8)[:, None, None], (3, 100, 264)),
        )
    learnt, unseen = (read_scenes(tmp_path, learnt=which) for which in (True, False))
    assert learnt.dn.max() < 0.6 * 264 <= unseen.dn.min() + 1
    assert learnt.l2a.all() and (learnt.labels == UNLABELLED).all()
    assert (learnt.cover.argmax(-1) == COVER_NAMES.index("crops")).all()


def test_a_tile_with_only_water_is_labelled_sea_or_lake(tmp_path: Path) -> None:
    write(tmp_path / "ships_L2A.tif", np.full((12, 640, 128), 500, np.uint16))
    for shore, label in ((0, "SeaLake"), (20, None)):
        classes = np.full((3, 640, 128), 255, np.uint8)
        classes[0] = COVER_NAMES.index("water")
        classes[0, :, :shore] = classes[0, :, 64 : 64 + shore] = COVER_NAMES.index("trees")
        write(tmp_path / "ships_L2A_dw.tif", classes)
        code = CLASS_NAMES.index(label) if label else UNLABELLED
        assert (read_scenes(tmp_path, learnt=True).labels == code).all()


def write(path: Path, values: np.ndarray) -> None:
    count, height, width = values.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": count, "dtype": values.dtype.name}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(values)


def test_the_spatial_split_keeps_the_east_and_its_rgb_twins_out_of_training() -> None:
    chips = coloured_chips(80)
    first, second = chips.where(np.arange(80) % 4 != 0), chips.where(np.arange(80) % 4 == 0)
    western, eastern = spatial(Splits(first, chips, no_chips(), second, no_chips()))
    assert len(eastern) == 20
    assert eastern.longitudes.min() > western.multispectral.longitudes.max()
    held = set(eastern.names)
    assert not held & set(western.multispectral.names)
    assert not held & set(western.rgb.names)
    assert held & set(first.names) and held & set(second.names)  # of both official lists


def packed(folder: Path, chips: int = 2, rows: int = 2, name: str = "Forest") -> None:
    profile = {"driver": "GTiff", "width": 64, "height": 64 * chips, "count": 12, "dtype": "uint16"}
    with rasterio.open(folder / "eurosat_ms.tif", "w", **profile) as dataset:
        dataset.write(np.full((12, 64 * chips, 64), 500, np.uint16))
        dataset.descriptions = BAND_NAMES
    lines = "".join(f"{name}_{n},{name},train\n" for n in range(rows))
    (folder / "eurosat_ms.csv").write_text("name,class_name,official_split\n" + lines)


def test_the_error_for_broken_chips_names_the_file(tmp_path: Path) -> None:
    packed(tmp_path)
    assert len(read_packed(tmp_path, "eurosat_ms")[0]) == 2
    packed(tmp_path, rows=3)
    with pytest.raises(
        LandCoverError, match=r"64 x 128 px of uint16, but the 3 chips of eurosat_ms\.csv need 64 x 192"
    ):
        read_packed(tmp_path, "eurosat_ms")
    packed(tmp_path, name="Swamp")
    with pytest.raises(LandCoverError, match=r"eurosat_ms.csv cannot be read as chips.*Swamp"):
        read_packed(tmp_path, "eurosat_ms")
    (tmp_path / "eurosat_ms.csv").unlink()
    with pytest.raises(LandCoverError, match=r"eurosat_ms\.csv cannot be read as chips"):
        read_packed(tmp_path, "eurosat_ms")
    packed(tmp_path)
    (tmp_path / "eurosat_ms.tif").write_bytes(b"x" * 100)
    with pytest.raises(LandCoverError, match=r"eurosat_ms\.tif cannot be read as chips"):
        read_packed(tmp_path, "eurosat_ms")


def test_the_error_for_a_broken_picture_names_the_file(tmp_path: Path) -> None:
    archive = tmp_path / "eurosat_rgb.zip"
    archive.write_bytes(b"no zip")
    with pytest.raises(LandCoverError, match=r"eurosat_rgb\.zip cannot be read as chips"):
        read_rgb(archive)
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("train/Forest/Forest_1.jpg", b"no picture")
    with pytest.raises(LandCoverError, match=r"Forest_1\.jpg cannot be read as chips"):
        read_rgb(archive)
    assert len(read_rgb(archive, without=["Forest_1"])) == 0
    (tmp_path / "Forest").mkdir()
    (tmp_path / "Forest" / "Forest_1.tif").write_bytes(b"no raster")
    with pytest.raises(LandCoverError, match=r"Forest_1.tif cannot be read as chips"):
        read_eurosat_folder(tmp_path)
