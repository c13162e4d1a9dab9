"""Other people's programs show the names of the classes: gdalinfo and QGIS."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.polygons import Polygons
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.product_layout import pam_file, style_file
from lc_assets_tests.conftest import Desk
from lc_assets_tests.products.season_map.conftest import ZONE_32, Season, landscape
from lc_assets_tests.rig.qgis import ask_qgis, environment

ALL = Polygons(("all",), np.array([shapely.box(*ZONE_32.bounds)]), ZONE_32.crs)
TITLES = [c.title for c in ALL_CLASSES]
_SHOWN = """
found = {}
for path in sys.argv[1:]:
    layer = QgsRasterLayer(path, "map")
    found[path] = [[each.value, each.label, each.color.name()] for each in layer.renderer().classes()]
answer(found)
"""


@pytest.fixture(scope="module")
def rasters(classified_demo: tuple[Desk, RunResult], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The class maps of a scene and of a season, and their overviews."""
    season = Season(Store.at(tmp_path_factory.mktemp("season") / "store"), landscape())
    item = "S2B_MSIL2A_20240501T103629_R008_T32ULB_20240501T140000"
    season.add(item, seed=1)
    made = make_season_map(season.store, "all", ALL, [item]).layout
    scene = classified_demo[0].folder(DEMO_ITEM_ID)
    return [Path(str(path)) for path in (scene.classified, scene.overview, made.classified, made.overview)]


def table_of(raster: Path) -> list[list[str]]:
    """The rows of the attribute table of a raster."""
    root = ElementTree.parse(pam_file(raster)).getroot()
    return [[field.text or "" for field in row] for row in root.iter("Row")]


def test_gdalinfo_lists_eleven_categories_and_their_hectares(rasters: list[Path]) -> None:
    if not shutil.which("gdalinfo"):
        pytest.skip("needs gdalinfo (install gdal-bin)")
    for raster in rasters:
        run = subprocess.run(
            ["gdalinfo", str(raster)], capture_output=True, text=True, env=environment(), timeout=300, check=True
        )
        lines = run.stdout.partition("Categories:\n")[2].splitlines()
        assert [line.split(": ") for line in lines[:11]] == [[f"{n:>7}", title] for n, title in enumerate(TITLES)]
        assert not lines[11].startswith("     11")
        assert run.stdout.count("<Row index=") == 11
        assert "<Name>Hectares</Name>" in run.stdout


def test_statistics_that_gdal_adds_leave_the_names_and_the_table(rasters: list[Path], tmp_path: Path) -> None:
    if not shutil.which("gdalinfo"):
        pytest.skip("needs gdalinfo (install gdal-bin)")
    copy = tmp_path / "map.tif"
    for source, target in ((rasters[0], copy), (pam_file(rasters[0]), pam_file(copy))):
        shutil.copyfile(source, target)
    before = table_of(copy)
    subprocess.run(["gdalinfo", "-stats", str(copy)], capture_output=True, env=environment(), timeout=300, check=True)
    assert "STATISTICS_MEAN" in pam_file(copy).read_text()
    after = table_of(copy)
    assert [row[:-1] for row in after] == [row[:-1] for row in before]
    assert [round(float(row[-1]), 2) for row in after] == [float(row[-1]) for row in before]
    assert [each.text for each in ElementTree.parse(pam_file(copy)).getroot().iter("Category")] == TITLES


def test_qgis_shows_exactly_the_eleven_classes_with_names_and_colours(rasters: list[Path]) -> None:
    expected = [[c.code, c.title, f"#{c.hex.lower()}"] for c in ALL_CLASSES]
    assert ask_qgis(_SHOWN, *rasters) == {str(raster): expected for raster in rasters}


def test_the_table_has_the_hectares_of_the_item_and_both_files_are_its_assets(
    classified_demo: tuple[Desk, RunResult],
) -> None:
    scene: SceneLayout = classified_demo[0].folder(DEMO_ITEM_ID)
    item = json.loads((Path(str(scene.folder)) / f"{DEMO_ITEM_ID}_classified.json").read_text())
    areas = list(item["properties"]["lc:hectares"].values())
    for raster, key in ((scene.classified, "classified"), (scene.overview, "overview")):
        rows = table_of(Path(str(raster)))
        assert [float(row[-1]) for row in rows] == pytest.approx(areas)
        for kind, path in (("names", pam_file(raster)), ("style", style_file(raster))):
            asset = item["assets"][f"{key}_{kind}"]
            assert asset["href"] == f"./{path.name}"
            assert asset.get("file:size") == (None if kind == "names" else path.stat().st_size)
            assert ("file:checksum" in asset) == (kind == "style"), "GDAL changes its file"


def test_a_new_map_replaces_the_table_of_the_old_one(classified: Desk) -> None:
    scene = classified.folder(DEMO_ITEM_ID)
    before = table_of(Path(str(scene.classified)))
    assert classified.materialize("class_raster", mask_clouds=False).success
    after = table_of(Path(str(scene.classified)))
    assert float(after[10][-1]) < float(before[10][-1])
