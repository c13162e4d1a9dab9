"""`lc-assets map` on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import dagster as dg
import pytest

from lc_assets.defs.check_results import scene_result
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets_tests.products.season_map.conftest import Season, landscape
from lc_assets_tests.rig.command import Shell
from lc_assets_tests.rig.marks import further

ITEM = "S2B_MSIL2A_20240501T103629_R008_T32ULB_20240501T140000"
BOX = "6.12,51.41,6.14,51.42"
"""In the scenes of `season`."""
DEMO_BOX = "6.53,51.945,6.56,51.96"


@pytest.fixture
def stored(shell: Shell) -> Shell:
    """A store with one mapped scene."""
    from lc_assets.store.layout import Store

    Season(Store.at(shell.store), landscape()).add(ITEM, seed=1)
    return shell


def test_a_box_is_mapped_from_all_scenes_of_the_store(stored: Shell) -> None:
    output = stored("map", "--bbox", BOX, "--name", "here").output
    assert "1 scene of 1 date" in output
    assert "store/maps/here/here_classified.tif" in output
    with (stored.store / "maps" / "here" / "areas.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["area"] for row in rows} == {"area"}
    printed = sum(float(line.split(" ha ")[0].split()[-1]) for line in output.splitlines() if " ha " in line)
    assert printed == pytest.approx(sum(float(row["hectares"]) for row in rows), abs=0.6)


def test_a_map_is_named_after_its_area_and_has_a_row_for_each_polygon(stored: Shell) -> None:
    ring = [[6.12, 51.41], [6.13, 51.41], [6.13, 51.42], [6.12, 51.41]]
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for name in ("north", "south")
    ]
    area = stored.folder / "my district.geojson"
    area.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    stored("map", "--area", area)
    with (stored.store / "maps" / "my_district" / "areas.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["area"] for row in rows] == ["north"] * 11 + ["south"] * 11
    assert [row["pixels"] for row in rows[:11]] == [row["pixels"] for row in rows[11:]]


def test_scenes_without_a_map_are_classified_first(shell: Shell, demo_item: Path) -> None:
    output = shell("map", demo_item, "--bbox", DEMO_BOX, "--name", "demo").output
    assert "classifying 1 scene of 1" in output
    assert (shell.store / "scenes" / DEMO_ITEM_ID / "catalog.json").exists()
    assert (shell.store / "maps" / "demo" / "demo_classified.json").exists()


@pytest.mark.slow
def test_outdated_scenes_are_named_and_one_that_lacks_a_band_is_left_out(
    shell: Shell, demo_item: Path, tmp_path: Path
) -> None:
    shell("map", demo_item, "--bbox", DEMO_BOX, "--name", "demo")
    again = shell("map", demo_item, "--bbox", DEMO_BOX, "--name", "demo").output
    assert "classifying" not in again and "outdated" not in again
    again = shell("map", "--name", "demo", LC_ASSETS_WINDOW="64").output
    assert "1 scene of the map is outdated (lc-assets stale) -> lc-assets stale | lc-assets classify --from -" in again
    document = json.loads(demo_item.read_text())
    del document["assets"]["B05"]
    incomplete = tmp_path / "incomplete.json"
    incomplete.write_text(json.dumps({**document, "id": DEMO_ITEM_ID.replace("20240621", "20240626")}))
    (shell.store / "maps" / "demo" / "demo_classified.json").unlink()
    output = shell("map", incomplete, demo_item, "--bbox", DEMO_BOX, "--name", "demo", code=1).output
    assert "B05" in output and "1 scene of 1 date" in output
    assert (shell.store / "maps" / "demo" / "demo_classified.json").exists()


@pytest.mark.parametrize(
    "content", [None, b'{"properties": null}', *further(b"", b"[]", b'{"properties": {"datetime": 5}}', b"\xff")]
)
def test_a_damaged_registered_item_is_one_line(stored: Shell, content: bytes | None) -> None:
    registered = stored.store / "items" / f"{ITEM}.json"
    registered.unlink() if content is None else registered.write_bytes(content)
    output = stored("map", "--bbox", BOX, code=1).output
    assert f"item {ITEM}" in output and "its registered item is missing or damaged" in output
    assert not (stored.store / "maps").exists()


def test_a_damaged_raster_is_named_with_its_scene(stored: Shell) -> None:
    path = stored.store / "scenes" / ITEM / f"{ITEM}_classified.tif"
    path.write_bytes(path.read_bytes()[:2500])
    output = stored("map", "--bbox", BOX, code=1).output
    assert f"item {ITEM}" in output and "class_raster" in output
    assert not (stored.store / "maps").exists() or not list((stored.store / "maps").iterdir())


def test_scenes_elsewhere_make_no_difference(stored: Shell) -> None:
    from affine import Affine

    from lc_assets.raster.grid import Grid
    from lc_assets.store.layout import Store

    far = Grid("EPSG:32618", Affine(10, 0, 600_000, 0, -10, 4_500_000), 64, 64)
    Season(Store.at(stored.store), landscape()).add(ITEM.replace("32ULB", "18TWL"), seed=2, grid=far, model="another")
    (stored.store / "scenes" / "my notes").mkdir()
    assert "1 scene of 1 date" in stored("map", "--bbox", BOX).output


@pytest.mark.slow
def test_a_map_of_the_same_name_leaves_nothing_of_the_earlier_one(stored: Shell) -> None:
    stored("map", "--bbox", BOX, "--name", "m", "--polygons")
    assert (stored.store / "maps" / "m" / "polygons.gpkg").exists()
    stored("map", "--bbox", BOX, "--name", "m")
    assert not (stored.store / "maps" / "m" / "polygons.gpkg").exists()


def test_a_map_that_fails_keeps_its_earlier_registration(stored: Shell) -> None:
    stored("map", "--bbox", BOX, "--name", "m")
    registered = stored.store / "areas" / "m.json"
    before = registered.read_bytes()
    assert "no classified scene touches" in stored("map", "--bbox", "13,55,13.1,55.1", "--name", "m", code=1).output
    assert registered.read_bytes() == before
    assert "failed    season map m" in stored("status").output
    stored("map", "--name", "m")
    assert "done      season map m" in stored("status").output


@pytest.mark.slow
def test_a_map_that_was_made_keeps_its_registration_whatever_fails_then(
    stored: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("lc_assets.defs.assets.season_map.stac_result", failing)
        output = stored("map", "--bbox", BOX, "--name", "m", code=1).output
    assert "its check stac_valid failed" in output
    told = stored("status").output
    assert "failed    season map m" in told and "stac_valid of season_map failed: broken" in told
    smaller = BOX.rsplit(",", 1)[0] + ",51.415"
    stored("map", "--bbox", smaller, "--name", "m")
    registered = stored.store / "areas" / "m.json"
    assert "done      season map m" in stored("status").output
    registered.write_text(registered.read_text().replace("51.415", "51.42"))
    told = stored("status").output
    assert "stale     season map m" in told and "another part of its registration was changed since" in told
    stored("map", "--name", "m")
    assert "done      season map m" in stored("status").output


def failing(item: str, _: object) -> dg.AssetCheckResult:
    return scene_result(item, "stac_valid", passed=False, description="broken", metadata={})


@pytest.mark.slow
def test_a_map_may_have_a_crs_without_a_code(stored: Shell) -> None:
    stored("map", "--bbox", BOX, "--name", "m", "--crs", "+proj=laea +lat_0=51.4 +lon_0=6.1 +units=m")
    properties = json.loads((stored.store / "maps" / "m" / "m_classified.json").read_text())["properties"]
    assert properties["proj:code"] is None and properties["proj:wkt2"].startswith("PROJCRS[")
    stored("map", "--bbox", BOX, "--name", "n", "--crs", "EPSG:3035")
    properties = json.loads((stored.store / "maps" / "n" / "n_classified.json").read_text())["properties"]
    assert properties["proj:code"] == "EPSG:3035"
    stored("change", "m", "n")


@pytest.mark.slow
def test_a_name_that_was_not_chosen_never_replaces_the_map_of_another_area(stored: Shell) -> None:
    stored("map", "--bbox", BOX)
    stored("map", "--bbox", BOX)
    smaller = BOX.rsplit(",", 1)[0] + ",51.415"
    told = stored("map", "--bbox", smaller, code=1).output
    assert "map of another area under the name area -> choose another name (--name)" in " ".join(told.split())
    stored("map", "--bbox", smaller, "--name", "area")
    (stored.store / "areas" / "area.json").write_text("{")
    told = stored("map", "--bbox", BOX, code=1).output
    assert "the store has a map area, but its registration area.json cannot be read" in " ".join(told.split())


def test_two_maps_are_compared(stored: Shell) -> None:
    for name in ("before", "after", "third"):
        stored("map", "--bbox", BOX, "--name", name)
    output = stored("change", "before", "after").output
    assert "0.0 ha    0.0 %" in next(line for line in output.splitlines() if "changed  " in line)
    assert "differ even where nothing changed" in output
    assert "before--after_transitions.tif" in output
    output = stored("change", "before", "after", "--baseline", "third").output
    assert "Where both maps are sure, 0.0 % of the pixels differ." in output
    assert "Where before and third are sure, 0.0 % of the pixels differ." in output
    assert "third and before have 1 scene in common" in output
    assert "season map other: there is no such map" in stored("change", "before", "other", code=1).output


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "give the area: --area or --bbox"),
        (("--bbox", BOX, "--area", "-"), 2, "give --area or --bbox, not both"),
        (("--bbox", "6,51"), 1, "is no box"),
        (("--bbox", BOX, "--name", "../up"), 1, "is not a valid name of a map"),
        (("--bbox", BOX, "--crs", "EPSG:4326"), 1, "is not in metres"),
        (("--bbox", "13,55,14,56"), 1, "touches the area (13.00 to 14.00 degrees east, 55.00 to 56.00 north)"),
        (("--bbox", "-10,40,30,60"), 1, "km long"),
        (("--bbox", "13,56,14,55"), 1, "is not a box on the Earth"),
        (("--bbox", "13,55,13,56"), 1, "is not a box on the Earth"),
        (("--bbox", "nan,51,7,52"), 1, "is not a box on the Earth"),
        (("--bbox", "366.12,51.41,366.14,51.42"), 1, "is not a box on the Earth"),
        (("--bbox", "6.13,51.415,6.1300001,51.4150001"), 1, "holds no centre of a pixel"),
        (("--bbox", BOX, "--crs", "EPSG:3857"), 1, "differ from those on the ground"),
        (("--bbox", BOX, "--crs", "+proj=geos +h=35785831 +lon_0=180"), 1, "cannot be transformed"),
        (("--bbox", BOX, "--crs", ""), 1, "is not known"),
        (("--bbox", BOX, "--name", ""), 1, "is not a valid name of a map"),
        (("--bbox", BOX, "--name", "a--b"), 1, "contains '--'"),
        (("--bbox", BOX, "--period", ""), 1, "is no date"),
        (("--bbox", BOX, "--polygons", "--min-area", "inf"), 1, "is not possible"),
        (("--bbox", BOX, "--polygons", "--min-area", "-1"), 1, "is not possible"),
        (("--bbox", BOX, "--period", "2024", ITEM), 2, "not both"),
        (("--bbox", BOX, "--max-cloud", "10"), 2, "give --period"),
        (("--bbox", BOX, "--period", "yesterday"), 1, "yesterday"),
        (("--area", "missing.geojson"), 2, "does not exist"),
        (("--name", "other"), 1, "season map other: no map of this name is registered"),
        (("--name", "other", "--period", "2024"), 2, "give the area"),
    ],
)
def test_what_cannot_be_mapped_is_one_line_and_leaves_nothing(
    stored: Shell, arguments: tuple[str, ...], code: int, told: str
) -> None:
    assert told in stored("map", *arguments, code=code).output
    assert not [path for path in stored.store.glob("maps/*") if not path.name.endswith(".lock")]
    assert not list(stored.store.glob("areas/*"))
