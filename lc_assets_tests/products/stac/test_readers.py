"""odc-stac and stackstac load a map by its Item alone: grid, classes and No Data."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio

from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets_tests.conftest import Desk

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def item(classified_demo: tuple[Desk, RunResult]) -> Path:
    """Path of the Item of a scene."""
    return Path(str(classified_demo[0].folder(DEMO_ITEM_ID).folder)) / f"{DEMO_ITEM_ID}_classified.json"


def test_odc_stac_loads_the_map_without_arguments(item: Path) -> None:
    odc_stac = pytest.importorskip("odc.stac", reason="needs odc-stac, which `make test-slow` installs")
    loaded = odc_stac.load([pystac.Item.from_file(str(item))])
    with rasterio.open(item.with_suffix(".tif")) as dataset:
        assert np.array_equal(loaded.classified.values[0], dataset.read(1))
        assert loaded.classified.odc.geobox.transform == dataset.transform
        assert loaded.classified.odc.geobox.crs == str(dataset.crs)
    assert (loaded.classified.dtype, loaded.classified.attrs["nodata"]) == (np.uint8, 10)
    assert (loaded.confidence.dtype, loaded.confidence.attrs["nodata"]) == (np.uint8, 255)


@pytest.mark.parametrize("as_written", [True, False])
def test_stackstac_stacks_the_map_without_arguments(item: Path, as_written: bool) -> None:
    """pystac removes `proj:epsg` when it reads a file, and stackstac 0.5 knows only this field."""
    stackstac = pytest.importorskip("stackstac", reason="needs stackstac, which `make test-slow` installs")
    if as_written:
        read = pystac.Item.from_dict(json.loads(item.read_text()), href=str(item), migrate=False)
    else:
        read = pystac.Item.from_file(str(item))
        read.properties["proj:epsg"] = read.ext.proj.epsg
    read.make_asset_hrefs_absolute()
    stack = stackstac.stack([read])
    with importlib.import_module("dask").config.set(scheduler="synchronous"):  # leaves no thread
        classes = stack.sel(band="classified")[0].values
    with rasterio.open(item.with_suffix(".tif")) as dataset:
        codes = dataset.read(1)
        assert stack.attrs["crs"] == f"epsg:{dataset.crs.to_epsg()}".lower()
        assert stack.attrs["transform"] == dataset.transform
    rows, columns = codes.shape
    map_alone = classes[:rows, :columns]
    assert np.array_equal(np.isnan(map_alone), codes == 10)
    assert np.array_equal(map_alone[codes != 10], codes[codes != 10])
    # The stack is as large as the overview, whose last cells extend beyond the map.
    assert np.isnan(classes[rows:]).all() and np.isnan(classes[:, columns:]).all()
