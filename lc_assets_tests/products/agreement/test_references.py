"""The reference map that is found for a scene, and those that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.warp import transform

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import NO_DATA
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.agreement.references import find_reference
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets_tests.conftest import read
from lc_assets_tests.products.agreement.reference_maps import CATALOG, STEP, World, cog, published
from lc_assets_tests.rig.references import KNOWN, agreed, blocks
from loopback.faults import Fault
from loopback.stac_api import PUBLIC_HOST


def test_the_agreement_with_both_annual_maps_equals_a_count(world: World) -> None:
    outcome, _ = agreed(world.desk)
    assert outcome.error is None, outcome.error
    found = read(world.desk.folder(DEMO_ITEM_ID).classified)
    there = found != NO_DATA.code
    # The annual LULC of the scene's own zone has the scene's grid, so the figures are exact.
    ours = np.array([5, 2, 11, 7, 7, 11, -1, 7, 1, 1, -1])[found]
    scored = there & (ours >= 0)
    document = world.document("io-lulc-annual-v02")
    assert document["pixels"]["scored"] == scored.sum()
    assert document["full_count"]["overall"] == pytest.approx((ours == world.lulc[2023])[scored].mean(), abs=1e-6)
    # WorldCover has other pixels. Nearly always the class at the centre of a pixel covers most of it.
    columns, rows = np.meshgrid(np.arange(world.grid.width) + 0.5, np.arange(world.grid.height) + 0.5)
    x, y = (world.grid.transform.c + 10 * columns).ravel(), (world.grid.transform.f - 10 * rows).ravel()
    longitudes, latitudes = (np.array(v) for v in transform(world.grid.crs, "EPSG:4326", x, y))
    column = np.floor((longitudes - world.corner[0]) / STEP).astype(int)
    row = np.floor((world.corner[1] - latitudes) / STEP).astype(int)
    assert column.min() < world.border < column.max(), "the scene lies in one tile"
    theirs = world.worldcover[row, column].reshape(found.shape)
    groups = {10: 0, 20: 1, 30: 1, 40: 2, 50: 3, 80: 4}
    theirs = np.vectorize(groups.get)(theirs)
    ours = np.array([2, 0, 1, 3, 3, 1, -1, 3, 4, 4, -1])[found]
    scored = there & (ours >= 0)
    document = world.document("esa-worldcover")
    assert document["pixels"]["scored"] == scored.sum()
    assert document["full_count"]["overall"] == pytest.approx((ours == theirs)[scored].mean(), abs=0.01)
    shown = outcome.metadata["reference_agreement"]
    assert shown["esa_worldcover_agreement_percent"] == pytest.approx(100 * document["full_count"]["overall"], abs=0.01)
    assert 0 < shown["io_lulc_annual_v02_agreement_percent"] < 60


def test_the_nearest_year_is_used_and_documented_with_unsigned_hrefs(world: World) -> None:
    outcome, checks = agreed(world.desk)
    assert outcome.error is None, outcome.error
    worldcover, lulc = (world.document(name)["reference"] for name in ("esa-worldcover", "io-lulc-annual-v02"))
    assert (worldcover["year"], worldcover["version"], lulc["year"], lulc["version"]) == (2021, "2.0.0", 2023, None)
    assert [raster["item"] for raster in worldcover["rasters"]] == [
        *("ESA_WorldCover_10m_2021_v200_N51E003", "ESA_WorldCover_10m_2021_v200_N51E006")
    ]
    assert lulc["rasters"] == [
        {"item": "32U-2023", "href": world.pc.blobs.url("io-lulc-annual-v02/32U-2023.tif")},
    ]
    assert len(outcome.metadata["reference_agreement"]) <= 12
    assert not checks["agrees_enough"][0]  # they are noise


@pytest.mark.parametrize(
    ("acquired", "years"),
    [
        ("2016-05-01", (2020, 2017)),
        ("2020-12-30", (2020, 2022)),
        ("2021-01-02", (2021, 2022)),
        ("2022-12-30", (2021, 2022)),
        ("2023-01-02", (2021, 2023)),
        ("2026-08-01", (2021, 2023)),
    ],
)
def test_a_year_that_ends_on_the_first_day_of_the_next_year_is_the_earlier_year(
    acquired: str, years: tuple[int, int], world: World
) -> None:
    document = json.loads(json.dumps(world.scene.document))
    document["properties"]["datetime"] = f"{acquired}T10:00:00Z"
    scene = replace(world.scene, document=document)
    names = ("esa-worldcover", "io-lulc-annual-v02")
    assert tuple(find_reference(name, scene, CATALOG).year for name in names) == years


def test_an_unreachable_service_is_one_error(world: World) -> None:
    world.pc.relay.inject(Fault(rf"{PUBLIC_HOST}/api/stac/v1/search", "refuse", times=-1))
    with pytest.raises(
        LandCoverError, match=r"the search for the reference esa-worldcover failed: .* cannot be reached"
    ) as caught:
        find_reference("esa-worldcover", world.scene, CATALOG)
    assert caught.value.transient
    assert len(str(caught.value).splitlines()) == 1


def change(**asset: Any) -> Callable[[dict[str, Any]], None]:
    return lambda item: item["assets"]["map"].update(asset)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change(href="file:///etc/passwd"), "is a file of this machine"),
        (change(href="/vsicurl/http://a.example/b.tif"), "is a file of this machine"),
        (change(href="http://169.254.169.254/a.tif"), "where clouds keep a machine's credentials"),
        (change(href="http://10.0.0.7/a.tif"), "private address"),
        (change(href="https://a.example/a.vrt"), "a description of other files"),
        (change(href="s3://bucket/a.tif"), "s3://"),
        (lambda item: item["assets"].clear(), "it has no href"),
        (lambda item: item["properties"].update(start_datetime="soon"), "has no valid date"),
    ],
)
def test_the_raster_of_a_hostile_item_is_refused(
    spoil: Callable[[dict[str, Any]], None], message: str, world: World, tmp_path: Path
) -> None:
    path = cog(tmp_path, blocks((1200, 2400), 8, KNOWN), "EPSG:4326", world.corner, STEP)
    world.pc.api.clear()
    item = published(world.pc, path, "esa-worldcover", "evil", "map", "2021-01-01T00:00:00Z", "2021-12-31T23:59:59Z")
    spoil(item)
    if item["properties"]["start_datetime"] == "soon":  # pgstac would not take it
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(StacCatalogClient, "search", lambda self, query: iter([[item]]))
            with pytest.raises(LandCoverError, match=message):
                find_reference("esa-worldcover", world.scene, CATALOG)
        return
    world.pc.api.load(items=[item])
    with pytest.raises(LandCoverError) as caught:
        find_reference("esa-worldcover", world.scene, CATALOG)
    assert message in str(caught.value)
    assert "evil" in str(caught.value)


def test_a_scene_without_an_item_of_the_reference_is_an_error(world: World) -> None:
    world.pc.api.clear()
    with pytest.raises(LandCoverError, match="has no item of io-lulc-annual-v02 that intersects the scene"):
        find_reference("io-lulc-annual-v02", world.scene, CATALOG)


def test_a_truth_on_another_host_than_the_bands_is_refused(world: World) -> None:
    scene = world.scene
    assert [tile.shown for tile in find_reference("truth", scene, CATALOG).tiles] == [
        scene.document["assets"]["truth"]["href"]
    ]
    document = json.loads(json.dumps(scene.document))
    remote = replace(scene, document=document, hrefs={"B02": "https://a.example/B02.tif"})
    with pytest.raises(LandCoverError, match="a file of this machine"):
        find_reference("truth", remote, CATALOG)
    document["assets"]["truth"]["href"] = "http://10.0.0.7/truth.tif"
    with pytest.raises(LandCoverError, match="private address"):
        find_reference("truth", remote, CATALOG)
    del document["assets"]["truth"]
    with pytest.raises(LandCoverError, match="it has no asset truth"):
        find_reference("truth", remote, CATALOG)
