"""An export gives other programs the map of a scene or of a season: polygons, areas, a QGIS project."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.windows import Window

from lc_assets.core.errors import LandCoverError, StoreError
from lc_assets.core.landcover import ALL_CLASSES, CLASS_NAMES, CLASSES
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference.class_map import ClassMap
from lc_assets.operations.runs import RunResult
from lc_assets.products.export import picture
from lc_assets.products.export.write import export_map
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.cog import cog_problems
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import box_polygon
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.store.layout import Store
from lc_assets_tests.conftest import Desk, read
from lc_assets_tests.rig.qgis import ask_qgis

_OPENED = """
project = QgsProject.instance()
assert project.read(sys.argv[1]), project.error()
layers = [node.layer() for node in project.layerTreeRoot().findLayers()]
view = project.viewSettings().defaultViewExtent()
answer({
    "crs": project.crs().authid(),
    "width": view.width(),
    "shown": [node.isVisible() for node in project.layerTreeRoot().findLayers()],
    "layers": {
        each.name(): [each.isValid(), each.source(), each.renderer().type(), each.crs().authid()] for each in layers
    },
    "classes": [each.label for each in layers[0].renderer().classes()],
})
"""


@pytest.fixture(scope="module")
def exported(classified_demo: tuple[Desk, RunResult], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo scene and a season map of it, exported into one folder, which was moved afterwards."""
    desk, _ = classified_demo
    folder = tmp_path_factory.mktemp("export")
    store = Store.at(folder / "store")
    shutil.copytree(str(desk.store.root), str(store.root))
    west, south, east, north = shapely.bounds(
        shapely.geometry.shape(json.loads(store.registered(DEMO_ITEM_ID).read_text("utf-8"))["geometry"])
    )
    make_season_map(store, "town", box_polygon(west, south, east, north), [DEMO_ITEM_ID], min_area=20)
    every = ("gpkg", "csv", "qgz")
    for layout in (store.scene(DEMO_ITEM_ID), store.map("town")):
        done = export_map(store, layout, folder / "first", every)
        assert not done.without_picture
        assert all(path.exists() for path in done.files)
    (folder / "first").rename(folder / "moved")
    return folder / "moved"


def test_an_export_has_these_files_and_no_others(exported: Path) -> None:
    ends = {"_areas.csv", "_polygons.gpkg", ".qgz", "_picture.tif", "_confidence.tif"}
    ends |= {f"_classified{end}" for end in (".tif", ".tif.aux.xml", ".qml")}
    assert {path.name for path in exported.iterdir()} == {f"{n}{end}" for n in (DEMO_ITEM_ID, "town") for end in ends}


@pytest.mark.parametrize("name", [DEMO_ITEM_ID, "town"])
def test_qgis_opens_map_confidence_and_picture_from_a_moved_folder(exported: Path, name: str) -> None:
    found = ask_qgis(_OPENED, exported / f"{name}.qgz")
    with rasterio.open(exported / f"{name}_classified.tif") as dataset:
        crs, width = str(dataset.crs), dataset.bounds.right - dataset.bounds.left
    assert found["crs"] == crs
    assert found["width"] == pytest.approx(1.1 * width)
    assert found["shown"] == [True, False, True]
    assert found["layers"] == {
        title: [True, str(exported / f"{name}_{kind}.tif"), renderer, crs]
        for title, kind, renderer in (
            ("Land cover", "classified", "paletted"),
            ("Confidence", "confidence", "singlebandpseudocolor"),
            ("Picture", "picture", "multibandcolor"),
        )
    }
    assert found["classes"] == [c.title for c in ALL_CLASSES]


def test_areas_and_polygons_of_a_scene_are_those_of_its_map(exported: Path) -> None:
    codes = read(exported / f"{DEMO_ITEM_ID}_classified.tif")
    with (exported / f"{DEMO_ITEM_ID}_areas.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["pixels"]) for row in rows] == np.bincount(codes.ravel(), minlength=11).tolist()
    known = sum(float(row["hectares"]) for row in rows[: len(CLASSES)])
    assert sum(float(row["expected_hectares"]) for row in rows[: len(CLASSES)]) == pytest.approx(known, abs=0.1)
    _, _, shapes, (code, name, _, hectares) = pyogrio.raw.read(exported / f"{DEMO_ITEM_ID}_polygons.gpkg")
    assert hectares.sum() == pytest.approx(known, abs=0.01)
    assert hectares == pytest.approx(shapely.area(shapely.from_wkb(shapes)) / 10_000)
    assert [CLASS_NAMES[number] for number in code] == list(name)


def test_a_season_map_keeps_its_own_polygons_unless_a_smallest_area_is_given(exported: Path, tmp_path: Path) -> None:
    store, polygons = Store.at(exported.parent / "store"), []
    for min_area in (None, 0.5):
        folder = tmp_path / str(min_area)
        export_map(store, store.map("town"), folder, ("gpkg",), min_area)
        polygons.append(pyogrio.read_info(folder / "town_polygons.gpkg")["features"])
    assert polygons[0] < polygons[1]


def test_the_picture_shows_the_ground_where_the_scene_has_data(exported: Path) -> None:
    for name in (DEMO_ITEM_ID, "town"):
        path = exported / f"{name}_picture.tif"
        assert cog_problems(path) == []
        with rasterio.open(path) as shown, rasterio.open(exported / f"{name}_classified.tif") as classes:
            assert shown.transform == classes.transform
            known, tones = shown.dataset_mask() > 0, shown.read()
            lake = classes.read(1) == 9
            assert known[classes.read(1) != 10].all()
        assert 0 < (~known).mean() < 0.5
        assert tones[:, known & ~lake].mean() > tones[:, known & lake].mean() + 20


def test_the_picture_needs_few_open_files_however_many_scenes_there_are(
    classified_demo: tuple[Desk, RunResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = classified_demo[0].folder(DEMO_ITEM_ID)
    classes = ClassMap.open(layout)
    sources = [picture.Source(RawBands.open(layout.raw_bands, DEMO_ITEM_ID), classes)] * 5
    with rasterio.open(str(layout.classified)) as dataset:
        grid = Grid.of(dataset)
    written = []
    for most in (60, 2):
        monkeypatch.setattr(picture, "_MOST_OPEN", most)
        monkeypatch.setattr(picture, "_ROWS", 300)
        picture.write_picture(tmp_path / f"{most}.tif", grid, sources)
        written.append((tmp_path / f"{most}.tif").read_bytes())
    assert written[0] == written[1]


def test_files_that_are_there_are_not_replaced_and_nothing_is_added(
    classified_demo: tuple[Desk, RunResult], tmp_path: Path
) -> None:
    desk, _ = classified_demo
    there = tmp_path / f"{DEMO_ITEM_ID}_areas.csv"
    there.write_text("mine")
    with pytest.raises(LandCoverError, match="exists already -> choose another folder"):
        export_map(desk.store, desk.folder(DEMO_ITEM_ID), tmp_path, ("gpkg", "csv"))
    assert [path.name for path in tmp_path.iterdir()] == [there.name]
    assert there.read_text() == "mine"


def test_a_scene_without_a_map_and_a_folder_that_cannot_be_written_are_one_line_and_leave_nothing(
    classified_demo: tuple[Desk, RunResult], tmp_path: Path
) -> None:
    desk, _ = classified_demo
    with pytest.raises(StoreError, match="its class map is not in the store"):
        export_map(desk.store, desk.store.scene("unheard_of"), tmp_path / "out", ("csv",))
    with pytest.raises(StoreError, match=r"season map unheard_of: its class map is not in the store.*lc-assets map"):
        export_map(desk.store, desk.store.map("unheard_of"), tmp_path / "out", ("csv",))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"name another folder \(--to\)"):
        export_map(desk.store, desk.folder(DEMO_ITEM_ID), tmp_path / "file" / "out", ("csv",))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_map_with_codes_of_no_class_is_an_error_that_names_it(classified: Desk, tmp_path: Path) -> None:
    layout = classified.folder(DEMO_ITEM_ID)
    with rasterio.open(layout.classified, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(np.full((1, 1), 77, np.uint8), 1, window=Window(5, 5, 1, 1))
    for formats in (["gpkg"], ["csv"]):
        with pytest.raises(StoreError, match=r"_classified.tif has the code 77, which no class has -> .*make it again"):
            export_map(classified.store, layout, tmp_path / "out", formats)
    assert not (tmp_path / "out").exists()


def test_without_raw_bands_the_project_has_no_picture(classified: Desk, tmp_path: Path) -> None:
    shutil.rmtree(str(classified.folder(DEMO_ITEM_ID).raw_bands))
    done = export_map(classified.store, classified.folder(DEMO_ITEM_ID), tmp_path / "out", ("qgz",))
    assert done.without_picture
    assert not (tmp_path / "out" / f"{DEMO_ITEM_ID}_picture.tif").exists()


def test_a_map_of_windows_has_counted_hectares_only(classified: Desk, tmp_path: Path) -> None:
    scene = classified.folder(DEMO_ITEM_ID)
    with rasterio.open(str(scene.classified), "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.update_tags(WINDOW="64")
    export_map(classified.store, scene, tmp_path, ("csv",))
    with (tmp_path / f"{DEMO_ITEM_ID}_areas.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["pixels"]) for row in rows) == read(Path(str(scene.classified))).size
    assert {row[name] for row in rows for name in ("expected_hectares", "low_hectares", "high_hectares")} == {""}
