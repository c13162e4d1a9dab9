"""`<ID>_probabilities.tif`: the probability of each class at the step of the positions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from lc_assets.core.landcover import CLASS_NAMES, NO_DATA
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference.class_map import write_class_map
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.cog import cog_problems
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.conftest import Desk, cropped, read
from lc_assets_tests.inference.networks import position_model
from lc_assets_tests.rig.marks import further
from lc_assets_tests.sentinel2.stacks import stack_of

STEP = 4


def test_the_raster_has_ten_bands_with_sum_250_a_scale_and_names(classified: Desk, tmp_path: Path) -> None:
    classified.settings = dataclasses.replace(classified.settings, model=position_model(tmp_path / "model"))
    assert classified.materialize("class_raster", "overview", "report", "catalog").success
    folder = classified.folder(DEMO_ITEM_ID)
    classes, confidence = read(folder.classified), read(folder.confidence)
    with rasterio.open(folder.classified) as of_map, rasterio.open(folder.probabilities) as dataset:
        stored = dataset.read()
        assert dataset.descriptions == CLASS_NAMES
        assert set(dataset.scales) == {0.004}
        assert set(dataset.nodatavals) == {255}
        assert dataset.transform == of_map.transform @ rasterio.Affine.scale(STEP)
    assert cog_problems(folder.probabilities) == []
    height, width = classes.shape
    missing = (stored == 255).any(axis=0)
    assert (missing == (stored == 255).all(axis=0)).all()
    assert (abs(stored.sum(axis=0, dtype=int) - 250) <= 5)[~missing].all()
    # No data where the map has none in the whole cell.
    rows, columns = missing.shape
    mapped = np.zeros((rows * STEP, columns * STEP), bool)
    mapped[:height, :width] = classes != NO_DATA.code
    assert missing.any()
    assert (missing == ~mapped.reshape(rows, STEP, columns, STEP).any(axis=(1, 3))).all()
    # A pixel lies between four cells, so its probability is at most the highest of them.
    highest = np.where(missing, 0, stored.max(axis=0))
    around = np.pad(highest, 1)
    around = np.max([around[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0)
    limit = around.repeat(STEP, 0).repeat(STEP, 1)[:height, :width] / 2.5
    inside = (mapped[:height, :width]) & (limit > 0)
    assert (confidence[inside] <= limit[inside] + 1).mean() > 0.99  # cells without a mapped pixel are not stored
    item = json.loads((folder.folder / f"{folder.item}_classified.json").read_text())
    assert validate_offline(item) == []
    asset = item["assets"]["probabilities"]
    assert asset["file:size"] == folder.probabilities.stat().st_size
    assert asset["proj:shape"] == [rows, columns]
    assert [band["name"] for band in asset["bands"]] == list(CLASS_NAMES)
    assert f"{folder.item}_probabilities.tif" in folder.report.read_text()


@pytest.mark.parametrize("crop", [(102, 90), *further(None)])
def test_probabilities_do_not_depend_on_strips(demo_item: Path, tmp_path: Path, crop: tuple[int, int] | None) -> None:
    item = cropped(demo_item, tmp_path / "cropped", *crop) if crop else demo_item
    stack, engine = stack_of(item, tmp_path / "store"), open_model(position_model(tmp_path / "model"), "float32")
    found = []
    for strip in (999, 64, 97, 5):
        folder = tmp_path / str(strip)
        folder.mkdir()
        write_class_map(Classification(stack, engine, 8, strip_pixels=strip), folder)
        with rasterio.open(SceneLayout(stack.item, folder).probabilities) as dataset:
            found.append(dataset.read())
    assert all((other == found[0]).all() for other in found)
    assert found[0].shape == (10, *(-(-n // STEP) for n in stack.grid.shape))
