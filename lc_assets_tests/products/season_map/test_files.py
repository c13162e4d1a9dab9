"""The files of a season map agree with each other, and belong to one map."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from arro3.io import read_parquet

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import StoreError
from lc_assets.core.landcover import CLASSES
from lc_assets.products.season_map.write import Made, make_season_map
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.polygons import Polygons
from lc_assets.store import atomic
from lc_assets.store.layout import Store
from lc_assets_tests.products.season_map.conftest import ZONE_32, Season, landscape

LEFT, BOTTOM, RIGHT, TOP = ZONE_32.bounds
AREA = Polygons(
    ("west", "a pond, beside it"),
    np.array([shapely.box(LEFT, BOTTOM, LEFT + 900, TOP), shapely.Point(LEFT + 1100, BOTTOM + 700).buffer(300)]),
    ZONE_32.crs,
)
ITEM = "S2B_MSIL2A_20240501T103629_R008_T32ULB_20240501T140000"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    season = Season(Store.at(tmp_path_factory.mktemp("season")), landscape())
    season.add(ITEM, seed=1)
    return season.store


@pytest.fixture(scope="module")
def made(store: Store) -> Made:
    return make_season_map(store, "whole", AREA, [ITEM], min_area=0.2)


def columns_of(path: object) -> dict[str, np.ndarray]:
    table = read_parquet(Path(str(path))).read_all()
    return {name: np.array(table[name].to_pylist(), object) for name in table.column_names}


def folder_of(made: Made) -> Path:
    return Path(str(made.layout.folder))


def test_areas_are_the_same_in_csv_and_geoparquet(made: Made) -> None:
    found = columns_of(made.layout.areas_parquet)
    with Path(str(made.layout.areas)).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert found["area"].tolist() == list(AREA.names)
    for row in rows:
        number, name = AREA.names.index(row["area"]), row["class"].replace(" ", "")
        for part in ("hectares", "expected_hectares", "low_hectares", "high_hectares"):
            if row[part]:
                assert found[f"{name}_{part}"][number] == pytest.approx(float(row[part]), abs=0.0051)
            else:
                assert f"{name}_{part}" not in found
    assert shapely.equals(shapely.from_wkb(list(found["geometry"])), AREA.shapes).all()


def test_polygons_are_the_same_in_geopackage_and_geoparquet(made: Made) -> None:
    meta, _, encoded, columns = pyogrio.raw.read(Path(str(made.layout.polygons)))
    found = columns_of(made.layout.polygons_parquet)
    assert len(encoded) > 20
    assert list(found["geometry"]) == list(encoded)
    for name, values in zip(meta["fields"], columns, strict=True):
        assert found[name].tolist() == values.tolist()
    assert {CLASSES[code].name for code in found["code"]} == set(found["class"])


def test_the_item_names_every_file_with_its_checksum(made: Made) -> None:
    document = json.loads((folder_of(made) / "whole_classified.json").read_text())
    assert not validate_offline(document)
    files = {asset["href"].removeprefix("./"): asset for asset in document["assets"].values()}
    described = {"catalog.json", "whole_classified.json"}
    assert {path.name for path in folder_of(made).iterdir()} == {*files, *described}
    for name, asset in files.items():
        path = folder_of(made) / name
        if not name.endswith(".aux.xml"):  # to which GDAL adds statistics
            assert asset["file:size"] == path.stat().st_size
            assert asset["file:checksum"].endswith(sha256_of(path))
        assert asset["roles"] and asset["type"] and asset["title"]


@pytest.fixture
def second(store: Store) -> Iterator[Made]:
    """A map that is replaced, with polygons."""
    made = make_season_map(store, "second", AREA, [ITEM], min_area=0.2)
    yield made
    for path in folder_of(made).iterdir():
        path.unlink()


def test_polygons_of_an_earlier_map_are_removed(store: Store, second: Made) -> None:
    make_season_map(store, "second", AREA, [ITEM])
    assert not list(folder_of(second).glob("polygons.*"))
    assert second.layout.catalog.exists()


def test_a_map_that_was_replaced_in_part_has_no_catalog_until_it_is_made_again(
    store: Store, second: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder_of(second).glob("*.tif")}
    move, moved = atomic.move_into_place, []

    def move_three(source: Path, target: Path) -> None:
        if len(moved) == 3:
            raise OSError("the machine was switched off")
        moved.append(target.name)
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "move_into_place", move_three)
        with pytest.raises(StoreError, match="switched off"):
            make_season_map(store, "second", AREA, [ITEM], min_area=0.2)
    assert len(moved) == 3
    assert not second.layout.catalog.exists()
    make_season_map(store, "second", AREA, [ITEM], min_area=0.2)
    assert second.layout.catalog.exists()
    assert {path.name: path.read_bytes() for path in folder_of(second).glob("*.tif")} == before
