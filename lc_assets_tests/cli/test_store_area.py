"""A store of an area on the command line: LC_ASSETS_AREA."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from shapely.geometry import box, shape

from lc_assets.cli.query import parse_query
from lc_assets.cli.session import Session
from lc_assets.core.errors import StoreError
from lc_assets.core.settings import Settings
from lc_assets.defs.resources import ModelResource
from lc_assets.raster.polygons import box_polygon
from lc_assets.sentinel2.search.store_area import area_of
from lc_assets.store.layout import Store
from lc_assets_tests.products.season_map.conftest import Season, landscape
from lc_assets_tests.rig.command import Shell

BOX = (6.5, 51.8, 6.7, 51.9)


def write_area(path: Path, *box: float) -> Path:
    path.write_text(json.dumps(box_polygon(*box).degrees()))
    return path


@pytest.fixture
def area(tmp_path: Path) -> Path:
    return write_area(tmp_path / "district.geojson", *BOX)


def test_a_store_keeps_its_area_and_refuses_another_one(area: Path, tmp_path: Path) -> None:
    store = Store.at(tmp_path / "store")
    assert area_of(store, area) is not None
    assert not store.area.exists(), "looking changes nothing"
    kept = area_of(store, area, keep=True)
    assert kept is not None
    content = store.area.read_bytes()
    assert json.loads(content)["features"][0]["properties"] == {"name": "district"}
    for same in (None, area, shutil.copy(area, tmp_path / "renamed.geojson")):
        again = area_of(store, same and Path(same), keep=True)
        assert again is not None
        assert (again.names, again.degrees()) == (("district",), kept.degrees())
    other = write_area(tmp_path / "county.geojson", 6.5, 51.8, 6.7, 51.95)
    with pytest.raises(StoreError) as caught:
        area_of(store, other, keep=True)
    assert str(caught.value) == (
        f"the area of the store {store.root} is district, and {other} (LC_ASSETS_AREA) is another one "
        "-> unset LC_ASSETS_AREA, or use another store for it; "
        f"while the store has no map, you can remove {store.area}"
    )
    assert store.area.read_bytes() == content


def test_every_command_refuses_another_area(area: Path, shell: Shell, tmp_path: Path) -> None:
    area_of(Store.at(shell.store), area, keep=True)
    other = write_area(tmp_path / "county.geojson", 6.5, 51.8, 6.7, 51.95)
    result = shell("status", LC_ASSETS_AREA=str(other), code=1)
    assert "district" in result.output
    assert "county.geojson" in result.output
    assert len(result.output.splitlines()) == 1
    shell("status", LC_ASSETS_AREA=str(area))
    missing = shell("status", LC_ASSETS_AREA=str(tmp_path / "no.geojson"), code=1)
    assert "no.geojson cannot be read (No such file or directory) -> correct LC_ASSETS_AREA" in missing.output


def test_a_search_without_a_place_is_of_the_area_of_the_store(area: Path, tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store")
    area_of(Store.at(settings.store), area, keep=True)
    nothing = {"bbox": None, "geometry": None, "tiles": (), "datetime": None, "max_cloud": None, "max_nodata": None}
    query = parse_query(Session(settings), **{**nothing, "datetime": "2024"})
    assert query is not None
    assert shape(query.geometry).equals(box(*BOX))
    elsewhere = parse_query(Session(settings), **{**nothing, "tiles": ("33UUB",)})
    assert elsewhere is not None
    assert elsewhere.geometry is None
    assert parse_query(Session(settings), **nothing) is None


def test_a_scene_beside_the_area_is_one_line(
    demo_item: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelResource, "_warm_up", lambda _: None)  # its thread would outlive the test
    scania = write_area(tmp_path / "scania.geojson", 13.0, 55.0, 13.1, 55.1)
    result = shell("classify", demo_item, LC_ASSETS_AREA=str(scania), code=1)
    assert "it does not touch the store's area, scania -> choose a scene of the area, or another store" in result.output
    assert (shell.store / "area.geojson").exists()
    assert not list(shell.store.glob("scenes/*/raw_bands"))


@pytest.fixture
def stored(shell: Shell) -> Shell:
    """A store with one mapped scene, whose area is a part of that scene."""
    Season(Store.at(shell.store), landscape()).add("S2B_MSIL2A_20240501T103629_R008_T32ULB_20240501T140000", seed=1)
    area_of(Store.at(shell.store), write_area(shell.folder / "district.geojson", 6.12, 51.41, 6.14, 51.42), keep=True)
    return shell


def test_a_map_without_an_area_is_of_the_stores_area_and_has_its_name(stored: Shell) -> None:
    output = stored("map").output
    assert "store/maps/district/district_classified.tif" in output and "warning" not in output
    assert "maps/district" in stored("map", "--name", "district").output  # the same map again
    assert "maps/other" in stored("map", "--name", "other").output
    corners = [
        json.loads((stored.store / "maps" / name / "area.geojson").read_text()) for name in ("district", "other")
    ]
    assert shape(corners[0]["features"][0]["geometry"]).equals_exact(
        box(6.12, 51.41, 6.14, 51.42), 1e-6, normalize=True
    )
    assert corners[0] == corners[1]


def test_a_map_of_another_area_than_the_stores_is_told(stored: Shell) -> None:
    output = stored("map", "--bbox", "6.13,51.41,6.15,51.42", "--name", "half").output
    assert "warning: 50.0 % of the area are outside that of the store, district: scenes are classified in" in output
    for bbox in ("7.12,51.41,7.14,51.42", "6.14,51.41,6.15,51.42"):
        output = stored("map", "--bbox", bbox, code=1).output
        assert output.startswith("error: the area is outside that of the store, district -> ")
    assert not (stored.store / "maps" / "area").exists()
