"""The demo scene looks like an item of the Planetary Computer, and its files agree with each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASS_NAMES, NO_DATA
from lc_assets.demo.item_json import DEMO_ITEM_ID, TRUTH
from lc_assets.demo.landscape import make_landscape
from lc_assets.demo.materials import read_materials
from lc_assets.demo.scene import SHAPE, write_demo_scene
from lc_assets.raster.cog import cog_problems
from lc_assets.sentinel2.band_table import BAND_NAMES, BANDS, SCL
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets_tests.conftest import read


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    a, b = (write_demo_scene(tmp_path / name, shape=(120, 180), seed=5) for name in "ab")
    other = write_demo_scene(tmp_path / "c", shape=(120, 180), seed=6)
    names = sorted(path.name for path in a.parent.iterdir())
    assert len(names) == 15
    for name in names:
        assert (a.parent / name).read_bytes() == (b.parent / name).read_bytes()
    assert (a.parent / "B02.tif").read_bytes() != (other.parent / "B02.tif").read_bytes()


def test_the_item_has_the_form_of_the_planetary_computer(demo_item: Path) -> None:
    document = json.loads(demo_item.read_text())
    assert document["stac_version"] == "1.0.0"
    assert "proj:code" not in document["properties"]
    assert document["properties"]["s2:processing_baseline"] == "05.11"
    item = pystac.Item.from_file(str(demo_item))
    for name, asset in item.assets.items():
        assert Path(asset.get_absolute_href() or "").exists(), name
    for band in BANDS:
        with rasterio.open(demo_item.parent / f"{band.name}.tif") as dataset:
            assert dataset.dtypes == ("uint16",)
            assert dataset.nodata is None
            assert dataset.res == (band.gsd, band.gsd)
            dn = dataset.read(1)
        assert dn[dn > 0].min() > 1000  # the offset of baselines from 04.00 on


def test_all_bands_agree_on_where_there_is_no_data(demo_item: Path) -> None:
    outside = read(demo_item.parent / "B02.tif") == 0
    assert 0.01 < outside.mean() < 0.1
    for band in BANDS:
        dn = read(demo_item.parent / f"{band.name}.tif")
        assert ((dn == 0).repeat(band.factor, 0).repeat(band.factor, 1) == outside).all()


def test_coarse_bands_are_averages_of_fine_pixels(demo_item: Path) -> None:
    """B8A and B08 have nearly the same wavelengths, so B08 averaged to 20 m correlates with B8A."""
    fine, coarse = read(demo_item.parent / "B08.tif").astype(float), read(demo_item.parent / "B8A.tif").astype(float)
    averaged = fine.reshape(coarse.shape[0], 2, coarse.shape[1], 2).mean(axis=(1, 3))
    valid = coarse > 0
    assert np.corrcoef(averaged[valid], coarse[valid])[0, 1] > 0.95


@pytest.mark.slow
def test_the_landscape_has_every_class() -> None:
    classes = make_landscape(SHAPE, np.random.default_rng(7)).classes
    share = np.bincount(classes.ravel(), minlength=10) / classes.size
    assert len(share) == 10
    assert share.min() > 0.01
    assert SHAPE[0] % 64 and SHAPE[1] % 64


def test_pystac_finds_the_item_by_the_catalog(demo_item: Path) -> None:
    catalog = pystac.Catalog.from_file(str(demo_item.parent.parent / "catalog.json"))
    (found,) = catalog.get_items()
    assert found.id == DEMO_ITEM_ID == demo_item.stem


def test_the_item_is_a_scene_whose_offset_is_known(demo_item: Path) -> None:
    scene = parse_scene(read_document(demo_item), base=demo_item)
    assert (scene.product_level, scene.baseline, scene.offset) == ("L2A", "05.11", -1000)


def test_bands_are_cogs_that_share_the_corner(demo_item: Path) -> None:
    for band in BANDS:
        path = demo_item.parent / f"{band.name}.tif"
        assert cog_problems(path) == []
        with rasterio.open(path) as dataset:
            assert (dataset.transform.c, dataset.transform.f) == (330_000, 5_760_000)


def test_scene_classification_and_truth_have_no_data_in_the_same_corner_as_the_bands(demo_item: Path) -> None:
    outside = read(demo_item.parent / "B02.tif") == 0
    assert np.array_equal(read(demo_item.parent / f"{SCL}.tif") == 0, outside[::2, ::2])
    assert np.array_equal(read(demo_item.parent / f"{TRUTH}.tif") == NO_DATA.code, outside)


def test_the_percentages_of_the_item_match_the_scene_classification(demo_item: Path) -> None:
    scl = read(demo_item.parent / f"{SCL}.tif")
    assert {0, 3, 4, 5, 6, 8, 9} <= set(np.unique(scl).tolist())
    properties = read_document(demo_item)["properties"]
    assert properties["eo:cloud_cover"] == pytest.approx(100 * (scl >= 8).sum() / (scl > 0).sum(), abs=1e-5)
    assert properties["s2:nodata_pixel_percentage"] == pytest.approx(100 * (scl == 0).mean(), abs=1e-5)


def test_the_spectra_of_materials_fit_their_class() -> None:
    materials = read_materials()
    assert tuple(materials) == CLASS_NAMES
    assert all(m.spectra.shape == (len(m.share), len(BAND_NAMES)) for m in materials.values())
    assert materials["Forest"].ndvi.min() > 0.7 > materials["Industrial"].ndvi.mean()
    assert materials["SeaLake"].most_frequent.max() < 500


def test_a_shape_that_is_not_a_multiple_of_60_m_pixels_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LandCoverError, match="multiple of 6"):
        write_demo_scene(tmp_path, shape=(600, 601))
