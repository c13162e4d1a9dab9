"""`lc_assets.open_scene` and `lc_assets.open_map`. The arrays need rioxarray, which `make test-slow` installs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely

import lc_assets
from lc_assets.core.errors import BadReference, LandCoverError
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.arrays import OpenedMap
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.polygons import Polygons
from lc_assets.store.layout import Store
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import parse_path
from lc_assets_tests.conftest import Desk, read
from lc_assets_tests.products.season_map.conftest import ZONE_32, Season, landscape
from lc_assets_tests.rig.object_stores import s3_store


@pytest.fixture
def opened(classified_demo: tuple[Desk, Any]) -> OpenedMap:
    return lc_assets.open_scene(classified_demo[0].settings.store, DEMO_ITEM_ID)


def with_rioxarray(test: Any) -> Any:
    """Mark of tests that need the extra `xarray`: slow, because only `make test-slow` installs it."""
    missing = importlib.util.find_spec("rioxarray") is None
    return pytest.mark.slow(pytest.mark.skipif(missing, reason="needs rioxarray (pip install '.[xarray]')")(test))


def test_the_hectares_are_those_of_the_pixels(opened: OpenedMap) -> None:
    pixels = np.bincount(read(opened.layout.classified).ravel(), minlength=11)  # type: ignore[arg-type]
    assert opened.areas() == pytest.approx(dict(zip((*CLASS_NAMES, "NoData"), pixels * 0.01, strict=True)))


def test_a_scene_is_opened_by_words_of_its_name(classified_demo: tuple[Desk, Any]) -> None:
    store = classified_demo[0].settings.store
    for words in ("32ulc", "32ULC 2024-06-21", DEMO_ITEM_ID[4:]):
        assert lc_assets.open_scene(store, words).layout.item == DEMO_ITEM_ID
    with pytest.raises(BadReference, match=r"no scene in .* is '33UUB' -> see what is there"):
        lc_assets.open_scene(store, "33UUB")
    with pytest.raises(BadReference, match="a list is given as a scene"):
        lc_assets.open_scene(store, ["32ULC"])  # type: ignore[arg-type]
    with pytest.raises(BadReference, match="a NoneType is given as a season map"):
        lc_assets.open_map(store, None)  # type: ignore[arg-type]


def test_without_rioxarray_the_arrays_name_the_extra(opened: OpenedMap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rioxarray", None)
    with pytest.raises(LandCoverError, match=r"need rioxarray .* -> install the extra xarray: pip install"):
        _ = opened.classes


def test_a_scene_without_a_map_is_an_error_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(LandCoverError, match=rf"no finished map in .* -> lc-assets classify {DEMO_ITEM_ID}"):
        lc_assets.open_scene(tmp_path, DEMO_ITEM_ID)
    with pytest.raises(LandCoverError, match=r"no finished map in .* -> make it: lc-assets map --name scania"):
        lc_assets.open_map(tmp_path, "scania")


@with_rioxarray
def test_the_arrays_are_the_rasters_with_names_units_and_crs(opened: OpenedMap) -> None:
    classes, confidence, probabilities = opened.classes, opened.confidence, opened.probabilities
    assert not any(array.variable._in_memory for array in (classes, confidence, probabilities))
    with rasterio.open(opened.layout.classified) as dataset:
        codes = dataset.read(1)
        assert classes.rio.crs == dataset.crs
        assert classes.rio.transform() == dataset.transform
    assert np.array_equal(classes, codes)
    assert classes.dims == confidence.dims == ("y", "x")
    assert (classes.dtype, classes.rio.nodata) == (np.uint8, 10)
    assert classes.flag_values.dtype == classes.dtype
    assert classes.flag_meanings.split() == list(CLASS_NAMES)
    assert np.array_equal(np.isnan(confidence), codes == 10)
    assert (confidence.units, float(confidence.max()) <= 100) == ("%", True)
    assert probabilities.dims == ("class", "y", "x")
    assert probabilities["class"].values.tolist() == list(CLASS_NAMES)
    total = probabilities.sum("class", skipna=False)
    assert float(abs(total - 1).max()) < 0.02
    # The most probable class of the positions is that of nearly all pixels nearest to them.
    near = probabilities.fillna(0).argmax("class").sel(x=classes.x, y=classes.y, method="nearest")
    sure = (codes != 10) & (confidence.values > 80)
    assert (near.values == codes)[sure].mean() > 0.95


@with_rioxarray
def test_a_map_of_windows_says_that_it_has_no_probabilities(classified: Desk) -> None:
    opened = lc_assets.open_scene(classified.settings.store, DEMO_ITEM_ID)
    Path(str(opened.layout.probabilities)).unlink()
    with pytest.raises(LandCoverError, match="a map of windows has no probabilities"):
        _ = opened.probabilities


@with_rioxarray
def test_a_season_map_has_the_arrays_of_a_scene_and_its_dates(tmp_path: Path) -> None:
    season = Season(Store.at(tmp_path / "store"), landscape())
    items = [f"S2B_MSIL2A_{day}T103629_R008_T32ULB_{day}T140000" for day in ("20240501", "20240511")]
    for number, item in enumerate(items):
        season.add(item, seed=number)
    everywhere = Polygons(("all",), np.array([shapely.box(*ZONE_32.bounds)]), ZONE_32.crs)
    layout = make_season_map(season.store, "all", everywhere, items, min_area=0.5).layout
    opened = lc_assets.open_map(str(season.store.root), "all")
    assert np.array_equal(opened.classes, read(layout.classified))  # type: ignore[arg-type]
    assert opened.observations.max() == 2
    assert opened.stability.min() >= 0 and opened.stability.max() == 100
    assert opened.probabilities.shape[0] == len(opened.areas()) - 1 == len(CLASS_NAMES)


@with_rioxarray
def test_a_map_in_an_object_store_is_opened_as_one_on_a_disk(opened: OpenedMap, tmp_path: Path) -> None:
    folder = Path(str(opened.layout.folder))
    with s3_store(tmp_path / "scratch") as server:
        root = parse_path(server.url)
        assert isinstance(root, ObjectPath)
        for path in (*folder.glob("*.tif"), *folder.glob("*.json")):
            (Store(root).scene(DEMO_ITEM_ID).folder / path.name).write_bytes(path.read_bytes())
        remote = lc_assets.open_scene(server.url, DEMO_ITEM_ID)
        assert remote.areas() == opened.areas()
        assert np.array_equal(remote.classes[40:80, 100:], opened.classes[40:80, 100:])
