"""A season map is written into an object store as it is on a disk."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import shapely

from lc_assets.core.settings import Settings
from lc_assets.products.export import FORMATS
from lc_assets.products.export.write import export_map
from lc_assets.products.season_map.plan import read_plan
from lc_assets.products.season_map.write import make_season_map
from lc_assets.raster.polygons import Polygons
from lc_assets.store.layout import Store
from lc_assets.store.object_path import ObjectPath
from lc_assets_tests.conftest import Desk
from lc_assets_tests.defs.season_maps import Mapped
from lc_assets_tests.products.season_map.conftest import ZONE_32, Season, landscape
from loopback.gate import Gate

pytestmark = pytest.mark.xdist_group("object stores")

ALL = Polygons(("all",), np.array([shapely.box(*ZONE_32.bounds)]), ZONE_32.crs)
ITEMS = [f"S2B_MSIL2A_{day}T103629_R008_T32ULB_{day}T140000" for day in ("20240501", "20240511")]


@pytest.mark.slow
def test_a_season_map_is_the_same_in_an_object_store_and_on_a_disk(
    remote: tuple[ObjectPath, Gate], tmp_path: Path
) -> None:
    local = Season(Store.at(tmp_path / "store"), landscape())
    for number, item in enumerate(ITEMS):
        local.add(item, seed=number)
    root, _ = remote
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            (root / str(path.relative_to(tmp_path / "store"))).write_bytes(path.read_bytes())
    with dg.DagsterInstance.ephemeral() as instance:
        mapped = Mapped(Desk(Settings(store=str(root)), instance))
        mapped.plan("all", ALL, min_area=0.5)
        assert mapped.fuse("all").error is None
    assert Store(root).registered_maps() == ["all"]
    there = Store(root).map("all")
    here = make_season_map(local.store, "all", read_plan(Store(root), "all").area, ITEMS, min_area=0.5).layout
    for name in ("classified", "confidence", "observations", "stability", "probabilities", "overview", "areas", "area"):
        assert getattr(there, name).read_bytes() == getattr(here, name).read_bytes(), name
    for key, path in here.legends.items():
        assert there.legends[key].read_bytes() == path.read_bytes(), key
    assert there.catalog.exists() and there.polygons.exists() and there.thumbnail.exists()
    for store, layout, folder in ((local.store, here, "here"), (Store(root), there, "there")):
        export_map(store, layout, tmp_path / folder, FORMATS)
    exported = [path for path in sorted((tmp_path / "here").iterdir()) if path.suffix != ".gpkg"]
    assert len(exported) == 7
    for path in exported:
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes(), path.name
