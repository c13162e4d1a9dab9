"""The Planetary Computer on loopback, with both annual maps around the demo scene."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from lc_assets.core.settings import Settings
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets.raster.grid import Grid
from lc_assets.remote import signing
from lc_assets_tests.conftest import Desk, OnDisk
from lc_assets_tests.products.agreement.reference_maps import (
    LULC_CODES,
    QUICK,
    STEP,
    World,
    cog,
    collection_of,
    published,
)
from lc_assets_tests.rig.references import KNOWN, blocks
from loopback.planetary_computer import PlanetaryComputer
from loopback.stac_api import PUBLIC_ROOT


@pytest.fixture
def world(
    pc: PlanetaryComputer,
    classified_demo: tuple[Desk, RunResult],
    on_disk: OnDisk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    monkeypatch.setattr(signing, "SECONDS", 0.8)
    pc.api.load(collection_of("esa-worldcover"))
    pc.api.load(collection_of("io-lulc-annual-v02"))
    shared, _ = classified_demo
    store = tmp_path / "store"
    shutil.copytree(shared.settings.store, store, copy_function=shutil.copyfile)
    with rasterio.open(shared.folder(DEMO_ITEM_ID).classified) as dataset:
        grid = Grid.of(dataset)
    corner, border = (6.45, 52.0), 1100
    worldcover = blocks((1200, 2400), 8, KNOWN, seed=4)
    for year, version, codes in ((2020, "1.0.0", np.full_like(worldcover, 90)), (2021, "2.0.0", worldcover)):
        for name, first, last in (("N51E003", 0, border), ("N51E006", border, 2400)):
            path = cog(tmp_path, codes[:, first:last], "EPSG:4326", (corner[0] + first * STEP, corner[1]), STEP)
            published(
                *(pc, path, "esa-worldcover", f"ESA_WorldCover_10m_{year}_v{version[0]}00_{name}", "map"),
                *(f"{year}-01-01T00:00:00Z", f"{year}-12-31T23:59:59Z"),
                **{"esa_worldcover:product_version": version, "esa_worldcover:product_tile": name},
            )
    lulc = {year: blocks(grid.shape, 7, LULC_CODES, seed=year) for year in (2017, 2022, 2023)}
    for year, codes in lulc.items():
        around = np.zeros((grid.height + 600, grid.width + 500), np.uint8)
        around[300:-300, 200:-300] = codes
        place = (grid.transform.c - 2000, grid.transform.f + 3000)
        path = cog(tmp_path, around, grid.crs, place, 10)
        times = f"{year}-01-01T00:00:00Z", f"{year + 1}-01-01T00:00:00Z"
        published(pc, path, "io-lulc-annual-v02", f"32U-{year}", "data", *times, **{"io:supercell_id": "32U"})
    pc.relay.forget()
    with on_disk(tmp_path / "home") as instance:
        instance.add_dynamic_partitions("scenes", [DEMO_ITEM_ID])
        settings = Settings(store=store, stac_url=PUBLIC_ROOT, retry_policy=QUICK)
        yield World(pc, Desk(settings, instance), grid, worldcover, corner, border, lulc)
    pc.api.clear()
