"""The season map is what the dates say together."""

from __future__ import annotations

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from rasterio.features import geometry_mask
from rasterio.warp import Resampling, reproject
from scipy import ndimage

from lc_assets.core.errors import BadReference, StoreError
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products import areas
from lc_assets.products.season_map import fusion, rasters
from lc_assets.products.season_map.write import make_season_map
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.cog import cog_problems
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons, box_polygon
from lc_assets_tests.conftest import Desk
from lc_assets_tests.products.season_map.conftest import ZONE_32, Clouds, Season

ALL = Polygons(("all",), np.array([shapely.box(*ZONE_32.bounds)]), ZONE_32.crs)
DATES = ("20240501", "20240511", "20240521", "20240610", "20240620", "20240710")


def item_of(day: str, tile: str = "32ULB", generation: str = "140000") -> str:
    return f"S2B_MSIL2A_{day}T103629_R008_T{tile}_{day}T{generation}"


def read(path: object) -> np.ndarray:
    with rasterio.open(str(path)) as dataset:
        return dataset.read(1)


def test_the_map_is_right_on_more_pixels_than_the_best_date_and_never_too_sure(season: Season, clouds: Clouds) -> None:
    right = []
    for number, day in enumerate(DATES):
        codes = season.add(item_of(day), seed=number, cloud=clouds(number), noise=1.4)
        right.append((codes == season.truth)[codes != 10].mean())
    made = make_season_map(season.store, "all", ALL, [item_of(day) for day in DATES])
    found, percent = read(made.layout.classified), read(made.layout.confidence)
    known = found != 10
    assert (found == season.truth)[known].mean() > max(right) + 0.1
    assert made.dates == 6
    assert known.mean() > 0.95
    # Never more sure than right: the noise of these dates is independent, so that the pool could be surer.
    assert percent[known].mean() / 100 <= (found == season.truth)[known].mean()


def test_each_pixel_counts_the_dates_that_see_it_and_those_that_agree(season: Season, clouds: Clouds) -> None:
    codes = np.stack([season.add(item_of(day), seed=n, cloud=clouds(n)) for n, day in enumerate(DATES)])
    made = make_season_map(season.store, "all", ALL, [item_of(day) for day in DATES])
    dates = (codes != 10).sum(axis=0)
    assert np.array_equal(read(made.layout.observations), dates)
    found, stability = read(made.layout.classified), read(made.layout.stability)
    assert np.array_equal(found == 10, dates == 0)
    agreeing = ((codes == found) & (codes != 10)).sum(axis=0)
    assert np.array_equal(stability, np.where(dates > 0, np.rint(100 * agreeing / np.maximum(dates, 1)), 255))


def test_the_map_of_one_scene_is_the_map_of_that_scene(classified: Desk) -> None:
    scene = classified.folder(DEMO_ITEM_ID)
    with rasterio.open(str(scene.classified)) as dataset:
        grid, codes = Grid.of(dataset), dataset.read(1)
    area = Polygons(("all",), np.array([shapely.box(*grid.bounds)]), grid.crs)
    made = make_season_map(classified.store, "one", area, [DEMO_ITEM_ID])
    found = read(made.layout.classified)[: grid.height, : grid.width]
    assert np.array_equal(found == 10, codes == 10)
    assert (found == codes).mean() > 0.999
    confidence = read(made.layout.confidence)[: grid.height, : grid.width].astype(int)
    inner = ~ndimage.binary_dilation(codes == 10, iterations=6)  # cells that are hidden as a whole do not count
    assert np.abs(confidence - read(scene.confidence))[inner].max() <= 1  # rounded twice
    own, fused = (read(path).astype(int)[:200, :200] for path in (scene.probabilities, made.layout.probabilities))
    assert np.abs(fused - own)[(fused != 255) & (own != 255)].max() <= 2, "the sum of all classes is 1"


def test_blocks_threads_and_open_files_leave_no_trace(
    season: Season, clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, day in enumerate(DATES[:3]):
        season.add(item_of(day), seed=number, cloud=clouds(number))
    items = [item_of(day) for day in DATES[:3]]
    whole = make_season_map(season.store, "whole", ALL, items)
    monkeypatch.setattr(fusion, "BLOCK_ROWS", 11)
    monkeypatch.setattr(fusion, "BLOCK_COLUMNS", 17)
    monkeypatch.setattr(rasters, "MAX_OPEN", 1)
    parts = make_season_map(season.store, "parts", ALL, items)
    for name in ("classified", "confidence", "observations", "stability"):
        assert np.array_equal(read(getattr(whole.layout, name)), read(getattr(parts.layout, name))), name
    for left, right in zip(
        Path(str(whole.layout.areas)).read_text().splitlines(),
        Path(str(parts.layout.areas)).read_text().splitlines(),
        strict=True,
    ):
        assert left == right


def test_tiles_of_two_zones_meet_without_a_seam(season: Season) -> None:
    west = Grid(ZONE_32.crs, ZONE_32.transform, 120, 200)
    # The eastern half as a tile of the neighbouring zone, which overlaps the western one by 200 m.
    x, y = (300_000 + 1000, 5_700_000)
    east = Grid("EPSG:32631", Affine(10, 0, 0, 0, -10, 0), 200, 260)
    left, bottom, right, top = rasterio.warp.transform_bounds(
        ZONE_32.crs, east.crs, x, ZONE_32.bounds[1], ZONE_32.bounds[2], y
    )
    corner = Affine(10, 0, left // 10 * 10, 0, -10, top // 10 * 10 + 10)
    east = Grid(east.crs, corner, int((right - left) // 40 + 2) * 4, int((top - bottom) // 40 + 2) * 4)
    season.add(item_of("20240501", "32ULB"), seed=1, grid=west, noise=0.8)
    season.add(item_of("20240501", "31UGS"), seed=2, grid=east, noise=0.8)
    made = make_season_map(season.store, "all", ALL, [item_of("20240501", t) for t in ("32ULB", "31UGS")])
    wrong = read(made.layout.classified) != season.truth
    inner = wrong[8:-8, 8:-8]
    # Errors where the tiles meet (columns 100 to 120) are those of elsewhere.
    at_border, elsewhere = inner[:, 88:116].mean(), np.delete(inner, np.s_[88:116], axis=1).mean()
    assert at_border < elsewhere + 0.03
    # One overpass is one date, in the overlap too.
    assert made.dates == 1
    assert read(made.layout.observations).max() == 1
    assert (read(made.layout.classified) != 10).all()


def test_a_reprocessed_twin_counts_once(season: Season) -> None:
    versions: dict[str, object] = {"s2:mgrs_tile": "32ULB", "platform": "Sentinel-2B", "s2:nodata_pixel_percentage": 0}
    versions["s2:datastrip_id"] = "S2B_OPER_MSI_L2A_DS_2BPS_20240501T140000_S20240501T103628"
    old, new = item_of("20240501"), item_of("20240501", generation="200000")
    season.add(
        old, seed=1, **versions, **{"s2:processing_baseline": "05.10", "s2:generation_time": "2024-05-01T14:00:00Z"}
    )
    season.add(
        new, seed=2, **versions, **{"s2:processing_baseline": "05.11", "s2:generation_time": "2024-05-01T20:00:00Z"}
    )
    made = make_season_map(season.store, "all", ALL, [old, new])
    assert made.scenes == (new,)
    assert made.replaced == {old: new}
    assert read(made.layout.observations).max() == 1


def test_hectares_of_each_polygon_are_those_of_an_independent_count(season: Season, clouds: Clouds) -> None:
    items = [item_of(day) for day in DATES[:2]]
    for number, item in enumerate(items):
        season.add(item, seed=number, cloud=clouds(number))
    left, bottom, *_ = ZONE_32.bounds
    shapes = {
        "triangle": shapely.Polygon(
            [(left + 33, bottom + 21), (left + 1500, bottom + 400), (left + 300, bottom + 1700)]
        ),
        "overlaps": shapely.Point(left + 700, bottom + 700).buffer(333),
        "half outside": shapely.box(left - 500, bottom - 500, left + 222, bottom + 333),
        "tiny": shapely.box(left + 12, bottom + 12, left + 18, bottom + 18),
    }
    area = Polygons(tuple(shapes), np.array(list(shapes.values())), ZONE_32.crs)
    made = make_season_map(season.store, "parts", area, items)
    with rasterio.open(str(made.layout.classified)) as dataset:
        codes, transform = dataset.read(1), dataset.transform
    rows = [line.split(",") for line in Path(str(made.layout.areas)).read_text().splitlines()[1:]]
    for name, shape in shapes.items():
        inside = geometry_mask([shape], codes.shape, transform, invert=True)
        counted = np.bincount(codes[inside], minlength=11)
        assert [int(row[3]) for row in rows if row[0] == name] == counted.tolist()
        hectares = [float(row[4]) for row in rows if row[0] == name]
        assert hectares == pytest.approx((counted / 100).tolist())
        expected = [float(row[5]) for row in rows if row[0] == name and row[5]]
        assert sum(expected) == pytest.approx(counted[:10].sum() / 100, abs=0.06)
    outside = geometry_mask(list(shapes.values()), codes.shape, transform)
    assert (codes[outside] == 10).all()


def test_the_map_is_described_as_stac_and_its_rasters_are_cogs(season: Season) -> None:
    items = [item_of(day) for day in DATES[:2]]
    for number, item in enumerate(items):
        season.add(item, seed=number, when=f"2024-0{5 + number}-01T10:30:00Z")
    layout = make_season_map(season.store, "all", ALL, items).layout
    for path in (layout.classified, layout.confidence, layout.observations, layout.stability, layout.probabilities):
        assert not cog_problems(str(path))
    document = json.loads((Path(str(layout.folder)) / "all_classified.json").read_text())
    assert not validate_offline(document)
    properties = document["properties"]
    assert (properties["start_datetime"], properties["end_datetime"]) == (
        "2024-05-01T10:30:00Z",
        "2024-06-01T10:30:00Z",
    )
    assert sorted(properties["lc:scenes"]) == items
    named = {link["href"] for link in document["links"] if link["rel"] == "derived_from"}
    assert named == {f"../../scenes/{item}/{item}_classified.json" for item in items}
    for asset in document["assets"].values():
        size = (Path(str(layout.folder)) / asset["href"]).stat().st_size
        assert asset.get("file:size", size) == size


@pytest.mark.parametrize("min_area", [0, 0.5])
def test_polygons_cover_what_the_map_covers_and_invent_no_class(
    season: Season, clouds: Clouds, min_area: float
) -> None:
    season.add(item_of("20240501"), seed=1, cloud=clouds(1))
    made = make_season_map(season.store, "all", ALL, [item_of("20240501")], min_area=min_area)
    codes, percent = read(made.layout.classified), read(made.layout.confidence)
    meta, _, encoded, columns = pyogrio.raw.read(Path(str(made.layout.polygons)))
    table = dict(zip(meta["fields"], columns, strict=True))
    assert table["hectares"].sum() == pytest.approx((codes != 10).sum() / 100)
    assert meta["crs"] == "EPSG:32632"
    shapes = shapely.from_wkb(encoded)
    assert shapely.is_valid(shapes).all()
    with rasterio.open(str(made.layout.classified)) as dataset:
        for number in range(0, len(shapes), 40):
            inside = geometry_mask([shapes[number]], codes.shape, dataset.transform, invert=True)
            if min_area == 0:
                assert set(codes[inside]) == {table["code"][number]}
            # The class is one that the area has, or one beside it.
            around = ndimage.binary_dilation(inside)
            assert table["code"][number] in codes[around]
            assert table["confidence"][number] == pytest.approx(percent[inside].mean(), abs=0.06)
    if min_area:
        assert np.median(table["hectares"]) >= 0.5
    document = json.loads((Path(str(made.layout.folder)) / "all_classified.json").read_text())
    assert not validate_offline(document)
    assert document["assets"]["polygons"]["href"] == "./polygons.gpkg"


def test_neighbouring_maps_meet(season: Season) -> None:
    season.add(item_of("20240501"), seed=1)
    left, bottom, right, top = ZONE_32.bounds
    middle = left + 1234
    halves = [
        Polygons(("half",), np.array([shapely.box(*box)]), ZONE_32.crs)
        for box in ((left, bottom, middle, top), (middle, bottom, right, top))
    ]
    whole = make_season_map(season.store, "whole", ALL, [item_of("20240501")])
    out = np.full(ZONE_32.shape, 10, np.uint8)
    for name, half in zip(("west", "east"), halves, strict=True):
        made = make_season_map(season.store, name, half, [item_of("20240501")])
        with rasterio.open(str(made.layout.classified)) as dataset:
            part = np.full(ZONE_32.shape, 10, np.uint8)
            reproject(
                dataset.read(1),
                part,
                src_transform=dataset.transform,
                src_crs=dataset.crs,
                dst_transform=ZONE_32.transform,
                dst_crs=ZONE_32.crs,
                resampling=Resampling.nearest,
                src_nodata=10,
                dst_nodata=10,
            )
        assert not ((part != 10) & (out != 10)).any()
        out = np.where(part != 10, part, out)
    assert np.array_equal(out, read(whole.layout.classified))


def test_rasterios_warning_of_its_own_rasters_is_not_shown(season: Season, monkeypatch: pytest.MonkeyPatch) -> None:
    """rasterio hides it with `warnings.catch_warnings`, which sometimes fails in several threads."""

    def warning(*args: Any, **options: Any) -> Any:
        warnings.warn("Dataset has no geotransform", NotGeoreferencedWarning, stacklevel=1)
        return rasterize(*args, **options)

    rasterize = areas.rasterize
    monkeypatch.setattr(areas, "rasterize", warning)
    season.add(item_of("20240501"), seed=1)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        make_season_map(season.store, "all", ALL, [item_of("20240501")])
    assert [str(one.message) for one in shown if one.category is NotGeoreferencedWarning] == []


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda season: None, "no classified scene touches the area"),
        (
            lambda season: season.add(
                item_of("20240501"), seed=1, grid=Grid("EPSG:32632", Affine(10, 0, 600_000, 0, -10, 5_700_000), 64, 64)
            ),
            "no classified scene touches",
        ),
    ],
)
def test_an_area_without_scenes_is_one_clear_error_and_writes_nothing(season: Season, arrange, message: str) -> None:
    arrange(season)
    with pytest.raises(StoreError, match=message):
        make_season_map(season.store, "all", ALL, season.store.folders())
    assert not Path(str(season.store.map("all").folder)).exists()


def test_two_maps_of_one_name_are_written_one_after_the_other(season: Season) -> None:
    season.add(item_of("20240501"), seed=1)
    left, bottom, right, top = ZONE_32.bounds
    halves = [
        Polygons((name,), np.array([shapely.box(*box)]), ZONE_32.crs)
        for name, box in (("west", (left, bottom, left + 900, top)), ("east", (left + 900, bottom, right, top)))
    ]
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda half: make_season_map(season.store, "one", half, [item_of("20240501")]), halves))
    layout = made[0].layout
    names = {line.split(",")[0] for line in Path(str(layout.areas)).read_text().splitlines()[1:]}
    with rasterio.open(str(layout.classified)) as dataset:
        is_west = dataset.bounds.left == left
    # All files are those of the map that was written last.
    assert names == ({"west"} if is_west else {"east"})
    document = json.loads((Path(str(layout.folder)) / "one_classified.json").read_text())
    for asset in document["assets"].values():
        size = (Path(str(layout.folder)) / asset["href"]).stat().st_size
        assert asset.get("file:size", size) == size


def test_maps_of_two_models_are_not_fused(season: Season) -> None:
    season.add(item_of("20240501"), seed=1)
    season.add(item_of("20240511"), seed=2, model="e" * 8)
    with pytest.raises(StoreError, match="or of other weights"):
        make_season_map(season.store, "all", ALL, [item_of("20240501"), item_of("20240511")])


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:999999", "nonsense"])
def test_a_crs_that_is_unknown_or_not_in_metres_is_refused_and_proj_prints_nothing(
    season: Season, crs: str, capfd: pytest.CaptureFixture[str]
) -> None:
    season.add(item_of("20240501"), seed=1)
    with pytest.raises(BadReference, match="the CRS"):
        make_season_map(season.store, "all", ALL, [item_of("20240501")], crs=crs)
    assert capfd.readouterr() == ("", "")


def test_a_map_may_have_another_crs(season: Season) -> None:
    season.add(item_of("20240501"), seed=1)
    made = make_season_map(season.store, "laea", ALL, [item_of("20240501")], crs="EPSG:3035")
    with rasterio.open(str(made.layout.classified)) as dataset:
        assert dataset.crs.to_epsg() == 3035
        assert dataset.transform.c % 10 == dataset.transform.f % 10 == 0
        inside = (dataset.read(1) != 10).sum()
    assert inside == pytest.approx(ZONE_32.width * ZONE_32.height, rel=0.02)


def test_an_area_over_the_antimeridian_is_small() -> None:
    from lc_assets.products.season_map.grid import grid_of, utm_zone

    area = box_polygon(179.9, -16.9, -179.9, -16.8)
    assert utm_zone(area) in ("EPSG:32760", "EPSG:32701")
    grid = grid_of(area.to(utm_zone(area)), 4).map
    assert grid.width * 10 < 25_000
