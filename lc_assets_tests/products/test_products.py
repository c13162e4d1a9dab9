from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rio_cogeo.cogeo import cog_validate

from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA, colormap
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets.products.overview import choose_factor
from lc_assets.raster.cog import class_cog, cog_problems
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import mode_2x2, mode_nxn
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets_tests.conftest import Desk, read

Classified = tuple[Desk, RunResult]


def test_all_products_have_the_required_names(classified_demo: Classified) -> None:
    desk, _ = classified_demo
    names = {path.name for path in desk.folder(DEMO_ITEM_ID).folder.iterdir()}
    assert names == {
        "raw_bands",
        "resampled_stack",
        f"{DEMO_ITEM_ID}_classified.tif",
        f"{DEMO_ITEM_ID}_confidence.tif",
        f"{DEMO_ITEM_ID}_probabilities.tif",
        f"overview_{DEMO_ITEM_ID}_classified.tif",
        *(f"{DEMO_ITEM_ID}_classified{end}" for end in (".tif.aux.xml", ".qml")),
        *(f"overview_{DEMO_ITEM_ID}_classified{end}" for end in (".tif.aux.xml", ".qml")),
        f"{DEMO_ITEM_ID}_thumbnail.png",
        "report.html",
        "catalog.json",
        f"{DEMO_ITEM_ID}_classified.json",
    }


def test_the_rasters_are_valid_cogs(classified_demo: Classified) -> None:
    folder = classified_demo[0].folder(DEMO_ITEM_ID)
    for path in (folder.classified, folder.confidence, folder.probabilities, folder.overview):
        valid, errors, warnings = cog_validate(str(path), quiet=True)
        assert valid, errors
        assert not warnings


def test_raw_bands_are_stored_byte_for_byte(classified_demo: Classified, demo_item) -> None:
    folder = classified_demo[0].folder(DEMO_ITEM_ID).raw_bands
    for name in (*BAND_NAMES, "SCL"):
        assert (folder / f"{name}.tif").read_bytes() == (demo_item.parent / f"{name}.tif").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {*BAND_NAMES, "SCL"}


def test_the_class_map_has_class_names_colours_and_nodata_for_gdal_tools(classified_demo: Classified) -> None:
    folder = classified_demo[0].folder(DEMO_ITEM_ID)
    for path in (folder.classified, folder.overview):
        with rasterio.open(path) as dataset:
            assert dataset.dtypes == ("uint8",)
            assert dataset.nodata == NO_DATA.code
            palette = dataset.colormap(1)
            assert {c.code: palette[c.code] for c in CLASSES} == {c.code: colormap()[c.code] for c in CLASSES}
            tags = dataset.tags(1)
            assert [tags[f"CLASS_{c.code}"] for c in ALL_CLASSES] == [c.name for c in ALL_CLASSES]
            assert dataset.mask_flag_enums[0][0].name == "nodata"
        assert set(np.unique(read(path))) <= {c.code for c in ALL_CLASSES}


def test_overview_levels_have_no_class_that_the_map_does_not_have(classified_demo: Classified) -> None:
    path = classified_demo[0].folder(DEMO_ITEM_ID).overview
    present = set(np.unique(read(classified_demo[0].folder(DEMO_ITEM_ID).classified)))
    with rasterio.open(path) as dataset:
        levels = dataset.overviews(1)
    assert levels
    for level in range(len(levels)):
        with rasterio.open(path, OVERVIEW_LEVEL=level) as dataset:
            assert set(np.unique(dataset.read(1))) <= present


def test_an_overview_pixel_is_the_mode_of_the_pixels_below_it(classified_demo: Classified) -> None:
    folder = classified_demo[0].folder(DEMO_ITEM_ID)
    full, small = read(folder.classified), read(folder.overview)
    factor = 2
    assert small.shape == tuple(-(-n // factor) for n in full.shape)
    for row, column in np.ndindex(small.shape):
        cell = full[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        counts = np.bincount(cell.ravel(), minlength=11)
        assert counts[small[row, column]] == counts.max()


def test_mode_counts_no_data_and_the_lowest_of_equally_frequent_codes_wins() -> None:
    block = np.array([[1, 10, 3, 3], [10, 10, 5, 5]], np.uint8)
    assert mode_nxn(block, 2).tolist() == [[10, 3]]
    assert mode_nxn(np.array([[9, 9, 4]], np.uint8), 2).tolist() == [[9, 4]]


def test_mode_2x2_equals_mode_nxn() -> None:
    rng = np.random.default_rng(4)
    for shape in ((64, 64), (37, 50), (1, 1), (2, 3)):
        codes = rng.integers(0, 11, shape).astype(np.uint8)
        before = codes.copy()
        assert (mode_2x2(codes) == mode_nxn(codes, 2)).all()
        assert (codes == before).all()


def test_overview_levels_inside_the_class_map_are_made_by_mode(classified_demo: Classified, tmp_path: Path) -> None:
    codes = read(classified_demo[0].folder(DEMO_ITEM_ID).classified).repeat(5, 0).repeat(5, 1)
    grid = Grid("EPSG:32632", Affine(10, 0, 300_000, 0, -10, 5_800_000), codes.shape[1], codes.shape[0])
    path = tmp_path / "map.tif"
    with class_cog(path, grid, {}) as dataset:
        dataset.write(codes, 1)
    assert cog_problems(path) == []
    assert [p.name for p in tmp_path.iterdir()] == ["map.tif"]
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4]
    for level in range(2):
        codes = mode_2x2(codes)
        with rasterio.open(path, OVERVIEW_LEVEL=level) as dataset:
            assert (dataset.read(1) == codes).all()


@pytest.mark.parametrize(("side", "factor"), [(10980, 8), (600, 2), (64, 2), (1536, 2), (21960, 16)])
def test_the_overview_is_smaller_than_its_source(side: int, factor: int) -> None:
    from affine import Affine

    from lc_assets.raster.grid import Grid

    assert choose_factor(Grid("EPSG:32633", Affine.scale(10, -10), side, side)) == factor


def test_confidence_is_a_percentage_where_there_is_a_class(classified_demo: Classified) -> None:
    folder = classified_demo[0].folder(DEMO_ITEM_ID)
    classes, confidence = read(folder.classified), read(folder.confidence)
    known = classes != NO_DATA.code
    assert ((confidence == 255) == ~known).all()
    assert confidence[known].max() <= 100
    assert confidence[known].min() >= 10  # the best of ten classes


def test_the_thumbnail_shows_map_and_legend(classified_demo: Classified) -> None:
    path = classified_demo[0].folder(DEMO_ITEM_ID).thumbnail
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    shown = {tuple(map(int, colour)) for colour in np.unique(pixels.reshape(-1, 3), axis=0)}
    counts = np.bincount(read(classified_demo[0].folder(DEMO_ITEM_ID).classified).ravel(), minlength=11)
    for c in CLASSES:
        if counts[c.code] > 1000:
            assert min(sum(abs(a - b) for a, b in zip(c.rgb, s, strict=True)) for s in shown) <= 12
    assert len(path.read_bytes()) < 100_000
    assert Image.open(io.BytesIO(path.read_bytes())).format == "PNG"


def test_an_empty_scene_gives_a_valid_map_of_no_data(demo_item, desk: Desk, tmp_path) -> None:
    from lc_assets_tests.conftest import copy_scene, edit_bands

    item = copy_scene(demo_item, tmp_path)
    edit_bands(item, lambda name, dn, profile: np.zeros_like(dn))
    folder = desk.classify(item)
    assert (read(folder.classified) == NO_DATA.code).all()
    assert (read(folder.overview) == NO_DATA.code).all()
    assert folder.catalog.exists()
