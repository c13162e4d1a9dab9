"""Which item covers the ground of which: real footprints, cut in two, drawn as squares, split, or left out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from rasterio.warp import transform

from lc_assets.core.errors import BadItem
from lc_assets.operations.discovery import plan_runs
from lc_assets.operations.watch import ReprocessingPolicy
from lc_assets.sentinel2.acquisition import acquisition_of, is_newer_version, is_older_version
from lc_assets.sentinel2.item.coverage import covers
from lc_assets.sentinel2.item.footprint import settle_place_and_time
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.store.layout import Store
from lc_assets_tests.rig.command import NOBODY

TILE, EPSG, LEFT, TOP = "33UUB", 32633, 300_000.0, 5_900_040.0
SHARE = "s2:nodata_pixel_percentage"


def ring(*corners: tuple[float, float]) -> list[list[float]]:
    """A closed ring in degrees; corners in shares of the tile, from its upper left corner to the right and down."""
    x, y = zip(*((LEFT + 109_800 * right, TOP - 109_800 * down) for right, down in (*corners, corners[0])), strict=True)
    longitudes, latitudes = transform(f"EPSG:{EPSG}", "EPSG:4326", x, y)
    return [list(point) for point in zip(longitudes, latitudes, strict=True)]


def box(left: float, right: float, up: float = 0.0, down: float = 1.0) -> list[list[float]]:
    return ring((left, up), (right, up), (right, down), (left, down))


def polygon(*rings: list[list[float]]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def item(geometry: Any, nodata: Any = None) -> dict[str, Any]:
    properties = {} if nodata is None else {SHARE: nodata}
    return {"id": "x", "geometry": geometry, "properties": properties}


WHOLE = polygon(box(0, 1))


def both(a: dict[str, Any], b: dict[str, Any]) -> tuple[bool, bool]:
    """Whether `a` covers `b`, and `b` covers `a`."""
    return covers(a, b, TILE), covers(b, a, TILE)


def test_two_versions_cover_each_other_and_two_halves_do_not() -> None:
    version, again = item(polygon(box(0.1, 0.7)), 40.0), item(polygon(box(0.101, 0.701)), 40.05)
    assert both(version, again) == (True, True)
    left, right = item(polygon(box(0, 0.6)), 40.0), item(polygon(box(0.6, 1)), 60.0)
    assert both(left, right) == (False, False)
    # Half of each lies on the other too.
    assert both(item(polygon(box(0, 0.6)), 40.0), item(polygon(box(0.3, 0.9)), 40.0)) == (False, False)


def test_a_number_that_no_float_holds_is_no_footprint() -> None:
    huge = 10**400
    odd = item(polygon([[huge, 50], [1, 1], [2, 2], [huge, 50]]))
    assert both(odd, item(WHOLE, 0.0)) == (False, False)


def test_what_covers_more_takes_the_place_and_what_covers_less_does_not() -> None:
    whole, part = item(WHOLE, 0.0), item(polygon(box(0, 1, 0, 0.9)), 10.0)
    assert both(whole, part) == (True, False)


@pytest.mark.parametrize(("left_out", "covered"), [(0.01, True), (0.015, True), (0.03, False), (0.1, False)])
def test_two_percent_of_the_ground_may_be_left_out(left_out: float, covered: bool) -> None:
    a, b = item(polygon(box(0, 0.5 * (1 - left_out)))), item(polygon(box(0, 0.5)))
    assert covers(a, b, TILE) is covered


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (60.0, 40.0, (False, False)),  # halves
        (50.0, 50.2, (False, False)),  # halves, or versions
        (20.5, 20.55, (True, True)),  # versions
        (75.0, 75.02, (True, True)),
        (75.0, 75.2, (False, False)),
        (0.4, 75.0, (True, False)),  # who has data everywhere
        (0.0, 0.0, (True, True)),
        (100.0, 100.0, (True, True)),
        (None, None, (False, False)),
        (20.0, None, (False, False)),
        ("20", "20", (False, False)),
        (True, True, (False, False)),
        (-5.0, -5.0, (False, False)),
        (float("nan"), float("nan"), (False, False)),
    ],
)
@pytest.mark.parametrize("geometry", [WHOLE, None, {}, {"type": "Point", "coordinates": [12, 53]}])
def test_where_no_footprint_tells_the_nodata_shares_do_or_nobody(
    first: Any, second: Any, told: tuple[bool, bool], geometry: Any
) -> None:
    a, b = item(geometry, first), item(geometry, second)
    assert both(a, b) == told
    for document in (a, b):
        document.pop("geometry")
    assert both(a, b) == told


def test_footprints_that_lie_apart_are_no_versions_whatever_the_shares_say() -> None:
    assert both(item(polygon(box(0, 0.5)), 20.0), item(polygon(box(0.5, 1)), 20.0)) == (False, False)
    assert both(item(polygon(box(0, 0.5)), 0.0), item(polygon(box(0.5, 1)), 0.0)) == (False, False)


def test_a_part_of_the_tile_is_a_footprint_without_a_nodata_share_and_the_square_is_none() -> None:
    part, again = item(polygon(box(0.2, 1))), item(polygon(box(0.2, 1)))
    assert both(part, again) == (True, True)
    assert both(item(WHOLE), item(WHOLE)) == (False, False)
    assert both(item(WHOLE), part) == (False, False)


def test_shapes_of_every_kind_are_measured_by_what_they_enclose() -> None:
    plain = item(polygon(box(0, 0.6)), 40.0)
    parts = item({"type": "MultiPolygon", "coordinates": [[box(0, 0.25)], [box(0.25, 0.6)]]}, 40.0)
    assert both(plain, parts) == (True, True)
    holed = item(polygon(box(0, 0.6), box(0.2, 0.4, 0.25, 0.75)), 50.0)
    assert both(plain, holed) == (True, False)
    # Two squares that touch in one point, drawn in one stroke.
    eight = item(polygon(ring((0, 0), (0.5, 0), (0.5, 1), (1, 1), (1, 0.5), (0, 0.5))), 50.0)
    assert both(eight, copy.deepcopy(eight)) == (True, True)
    assert covers(item(WHOLE, 0.0), eight, TILE) and not covers(eight, item(WHOLE, 0.0), TILE)


def test_a_footprint_is_whole_on_both_sides_of_the_antimeridian() -> None:
    # The footprint of S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP, as stactools-sentinel2 splits it.
    west = [[180.0, 66.685634], [178.474107, 66.653756], [178.646507, 65.67165], [180.0, 65.699713]]
    east = [[-180.0, 65.699713], [-178.96619, 65.721148], [-179.0443, 66.7056], [-180.0, 66.685634]]
    for part in (west, east):
        part.append(part[0])
    split = item({"type": "MultiPolygon", "coordinates": [[west], [east]]}, 7e-06)
    half = item(polygon(east), 57.0)
    assert covers(split, copy.deepcopy(split), "01WCP")
    assert covers(split, half, "01WCP") and not covers(half, split, "01WCP")
    document = {"geometry": split["geometry"], "bbox": None, "properties": {"datetime": "2023-06-25T23:46:21Z"}}
    assert settle_place_and_time(document) and document["bbox"] == [178.474107, 65.67165, -178.96619, 66.7056]


@pytest.mark.parametrize("tile", ["00UUB", "61UUB", "33AUB", "", "33UU"])
def test_a_tile_that_there_is_not_has_no_footprints(tile: str) -> None:
    part = item(polygon(box(0, 0.5)))
    assert not covers(part, part, tile)


def test_a_footprint_somewhere_else_is_none() -> None:
    part = item(polygon(box(0, 0.5)))
    for west in (100.0, 20.0, -170.0):
        corners = [[west, 52.0], [west + 1, 52.0], [west + 1, 53.0], [west, 53.0], [west, 52.0]]
        assert both(part, item(polygon(corners))) == (False, False)


@pytest.fixture(scope="module")
def real_items(shared: Path) -> list[dict[str, Any]]:
    return [read_document(path) for path in sorted(shared.glob("pc_items/items/*.json"))]


def test_every_real_item_covers_itself_and_by_its_footprint_alone_where_it_is_no_square(
    real_items: list[dict[str, Any]],
) -> None:
    assert len(real_items) == 12
    for document in real_items:
        tile = acquisition_of(document).tile or ""
        assert covers(document, copy.deepcopy(document), tile)
        bare = copy.deepcopy(document)
        del bare["properties"][SHARE]
        assert covers(bare, copy.deepcopy(bare), tile) is (document["properties"][SHARE] > 1)


def test_of_two_real_halves_the_small_one_is_covered_and_the_large_one_is_not(real_items: list[dict[str, Any]]) -> None:
    large, small = (d for d in real_items if "20240820T173901_R098_T13TDE" in d["id"])
    assert covers(large, small, "13TDE") and not covers(small, large, "13TDE")


@pytest.mark.parametrize("seconds", ["00", "10", "30"])
def test_a_half_that_begins_seconds_later_is_no_version(real_items: list[dict[str, Any]], seconds: str) -> None:
    half = next(d for d in real_items if d["id"].startswith("S2A_MSIL2A_20240823"))
    left, right = (copy.deepcopy(half) for _ in range(2))
    strip = half["properties"]["s2:datastrip_id"]
    (west, south, east, north), cut = half["bbox"], -105.6
    for document, edges, nodata in ((left, (west, cut), 44.8), (right, (cut, east), 55.2)):
        corners = [[edges[i], (south, north)[j]] for i, j in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))]
        document["geometry"] = polygon(corners)
        document["properties"][SHARE] = nodata
    right["properties"] |= {
        "s2:datastrip_id": strip.replace("T175543", f"T1755{int(seconds) + 13}" if seconds != "00" else "T175543"),
        "s2:generation_time": "2024-08-25T00:00:00Z",
    }
    assert acquisition_of(left).is_same(acquisition_of(right))
    assert not is_newer_version(right, left) and not is_older_version(left, right)
    # Of the same ground it is one.
    right["geometry"], right["properties"][SHARE] = left["geometry"], left["properties"][SHARE]
    assert is_newer_version(right, left) and is_older_version(left, right)


# --- what the sensor makes of it --------------------------------------------------------------------------------------


def made(real: dict[str, Any], hour: int, baseline: str, *, seconds: int = 0, **shape: Any) -> dict[str, Any]:
    """The real item processed at an hour of the next day; `left`, `right`: what it has of the tile, in shares."""
    document = copy.deepcopy(real)
    stamp, begin = f"20240824T{hour:02}0000", f"T1755{43 - seconds:02}"
    document["id"] = f"{real['id'].rsplit('_', 1)[0]}_{stamp}"
    properties = document["properties"]
    for key in ("s2:datatake_id", "s2:granule_id"):
        properties[key] = properties[key].replace("N05.11", f"N{baseline}")
    properties |= {
        "s2:processing_baseline": baseline,
        "s2:product_uri": properties["s2:product_uri"].replace("N0511", f"N{baseline.replace('.', '')}"),
        "s2:generation_time": f"2024-08-24T{hour:02}:00:00Z",
        "s2:datastrip_id": properties["s2:datastrip_id"].replace("T175543", begin).replace("N05.11", f"N{baseline}"),
    }
    left, right = shape.get("left", 0.0), shape.get("right", 1.0)
    x = [399_960.0 + 109_800 * share for share in (left, right, right, left, left)]
    y = [4_500_000.0 - 109_800 * down for down in (0, 0, 1, 1, 0)]
    longitudes, latitudes = transform("EPSG:32613", "EPSG:4326", x, y)
    document["geometry"] = polygon([list(point) for point in zip(longitudes, latitudes, strict=True)])
    properties[SHARE] = 100 * (1 - right + left)
    return document


def launched(
    folder: Path, rule: ReprocessingPolicy, documents: list[dict[str, Any]], known: list[dict[str, Any]] | None = None
) -> tuple[set[str], dict[str, str]]:
    """Ids that are run, and which they replace; of `known` the partitions and maps are there."""
    registry = RegisteredItems(Store(folder), StacCatalogClient(f"{NOBODY}/stac", "sentinel-2-l2a"))
    for document in known or ():
        registry.register(registry.catalog.parse(document))
    decision = plan_runs(
        {document["id"]: document for document in documents},
        [document["id"] for document in documents],
        {document["id"] for document in known or ()},
        rule=rule,
        most=50,
        registry=registry,
    )
    assert not {document["id"] for document in documents} - {s.id for s in decision.run} - decision.skipped.keys()
    return {scene.id for scene in decision.run}, decision.replacing


@pytest.fixture(scope="module")
def full(real_items: list[dict[str, Any]]) -> dict[str, Any]:
    return next(d for d in real_items if d["id"].startswith("S2A_MSIL2A_20240823"))


@pytest.mark.parametrize("rule", list(ReprocessingPolicy))
@pytest.mark.parametrize("seconds", [0, 10, 30])
@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_both_halves_are_run_under_every_rule_however_close_they_begin(
    full: dict[str, Any], tmp_path: Path, rule: ReprocessingPolicy, seconds: int, order: tuple[int, int]
) -> None:
    first = made(full, order[0], "05.11", left=0, right=0.6)
    second = made(full, order[1], "05.11", left=0.6, right=1, seconds=seconds)
    assert launched(tmp_path, rule, [first, second]) == ({first["id"], second["id"]}, {})
    assert launched(tmp_path, rule, [second], [first]) == ({second["id"]}, {})


def test_a_version_with_more_ground_replaces_and_is_not_kept_out_by_one_with_less(
    full: dict[str, Any], tmp_path: Path
) -> None:
    less, more = made(full, 2, "05.10", right=0.6), made(full, 3, "05.11")
    assert launched(tmp_path, ReprocessingPolicy.REPLACE, [more], [less]) == ({more["id"]}, {less["id"]: more["id"]})
    assert launched(tmp_path, ReprocessingPolicy.FIRST, [more], [less]) == ({more["id"]}, {})
    less, more = made(full, 4, "05.12", right=0.6), more
    assert launched(tmp_path, ReprocessingPolicy.REPLACE, [less], [more]) == ({less["id"]}, {})
    assert launched(tmp_path, ReprocessingPolicy.FIRST, [less], [more]) == (set(), {})


def test_a_registered_item_that_is_refused_today_stops_no_tick(full: dict[str, Any], tmp_path: Path) -> None:
    old, new = made(full, 2, "05.10"), made(full, 3, "05.11")
    RegisteredItems(Store(tmp_path), StacCatalogClient(f"{NOBODY}/stac")).register(parse_scene(old))
    path = Store(tmp_path).registered(old["id"])
    path.write_text(path.read_text().replace("05.10", "99.99").replace("N0510", "N9999"))
    with pytest.raises(BadItem, match="none of ESA's"):
        parse_scene(read_document(path))
    decision = plan_runs(
        {new["id"]: new},
        [new["id"]],
        {old["id"]},
        rule=ReprocessingPolicy.REPLACE,
        most=50,
        registry=RegisteredItems(Store(tmp_path), StacCatalogClient(f"{NOBODY}/stac")),
    )
    assert ([scene.id for scene in decision.run], decision.replacing) == ([new["id"]], {})
