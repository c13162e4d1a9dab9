"""The asset `reference_agreement`: its figures, files and checks."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.agreement.crosswalk import FOLDER
from lc_assets.products.agreement.references import Reference, Tile
from lc_assets.products.agreement.scene import compare_scene
from lc_assets.raster.cog import cog_problems
from lc_assets.raster.grid import Grid
from lc_assets.store import atomic
from lc_assets_tests.conftest import Desk, read
from lc_assets_tests.products.agreement.crosswalk_files import without_roads
from lc_assets_tests.rig.references import EUROSAT, GRID, agreed, raster


def test_the_agreement_with_the_demos_truth_equals_a_count(classified: Desk, demo_item: Path) -> None:
    outcome, checks = agreed(classified, references=["truth"])
    assert outcome.error is None, outcome.error
    found, truth = read(classified.folder(DEMO_ITEM_ID).classified), read(demo_item.parent / "truth.tif")
    both = (found != NO_DATA.code) & (truth != NO_DATA.code)
    shown = outcome.metadata["reference_agreement"]
    assert shown["truth_agreement_percent"] == pytest.approx(100 * (found == truth)[both].mean(), abs=0.006)
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"
    document = json.loads((folder / "agreement.json").read_text())
    matrix = np.array(document["full_count"]["matrix"])
    assert matrix.sum() == both.sum() == document["pixels"]["scored"]
    assert (matrix == np.bincount(10 * found[both].astype(int) + truth[both], minlength=100).reshape(10, 10)).all()
    for code, row in enumerate(document["full_count"]["groups"]):
        mine, right = truth[both] == code, (found == truth)[both]
        assert row["producers"] == (None if not mine.any() else pytest.approx(right[mine].mean(), abs=1e-6))
        assert row["reference_hectares"] == pytest.approx(mine.sum() / 100)
    assert document["crosswalk"]["sha256"] == EUROSAT.sha256
    assert document["map"]["model"]
    passed, _, numbers = checks["agrees_enough"]
    assert passed == (shown["truth_agreement_percent"] >= 60)
    assert numbers["truth_percent"] == shown["truth_agreement_percent"]


def test_the_files_are_a_valid_cog_with_names_a_sample_and_small_pictures(classified: Desk, demo_item: Path) -> None:
    outcome, _ = agreed(classified, references=["truth"], samples=500, seed=3)
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("agreement.json", "confusion.png", "disagreement.png", "disagreement.tif", "sample.csv")
    ]
    assert [p for p in folder.parent.iterdir() if p != folder] == []
    found, truth = read(classified.folder(DEMO_ITEM_ID).classified), read(demo_item.parent / "truth.tif")
    scored = (found != NO_DATA.code) & (truth != NO_DATA.code)
    assert (read(folder / "disagreement.tif") == np.where(scored, np.where(found == truth, 0, 1), 2)).all()
    assert cog_problems(folder / "disagreement.tif") == []
    with rasterio.open(folder / "disagreement.tif") as dataset:
        assert dataset.nodata == 2
        assert len({dataset.colormap(1)[code] for code in (0, 1, 2)}) == 3
        assert [dataset.tags(1)[f"CLASS_{code}"] for code in (0, 1, 2)] == ["agree", "disagree", "not scored"]
    rows = list(csv.DictReader(io.StringIO((folder / "sample.csv").read_text())))
    document = json.loads((folder / "agreement.json").read_text())
    assert len(rows) == document["sample"]["pixels"] == 500
    titles = [c.title for c in CLASSES]
    for row in rows[::25]:
        at = int(row["row"]), int(row["column"])
        assert (row["map"], row["reference"]) == (titles[found[at]], titles[truth[at]])
        assert (row["agree"] == "yes") == (found[at] == truth[at])
        with rasterio.open(classified.folder(DEMO_ITEM_ID).classified) as dataset:
            assert dataset.index(float(row["x"]), float(row["y"])) == at
    for name in ("confusion.png", "disagreement.png"):
        with Image.open(folder / name) as picture:
            assert max(picture.size) <= 500
        assert (folder / name).stat().st_size < 20_000
    shown = outcome.metadata["reference_agreement"]
    assert len(shown["truth_where"]) < 1000
    assert shown["truth_confusion"].startswith("![confusion with truth](data:image/png;base64,")


def test_the_same_seed_writes_the_same_bytes(classified: Desk) -> None:
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"

    def written(seed: int) -> dict[str, bytes]:
        assert agreed(classified, references=["truth"], seed=seed)[0].error is None
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    first, again, other = written(1), written(1), written(2)
    assert first == again
    assert {name for name in first if first[name] != other[name]} == {"agreement.json", "sample.csv"}


def test_a_users_raster_is_scored_by_a_crosswalk_and_the_unscored_classes_are_listed(
    classified: Desk, tmp_path: Path
) -> None:
    scene = classified.folder(DEMO_ITEM_ID)
    found = read(scene.classified)
    with rasterio.open(scene.classified) as dataset:
        grid = Grid.of(dataset)
    codes = np.where(found == 1, 10, 40).astype(np.uint8)  # trees where the map has forest, else cropland
    codes[:20], codes[20:40], codes[40:50] = 70, 0, 123  # snow, no data, a code that no crosswalk lists
    path = tmp_path / "my map (2021).tif"
    raster(path, codes, grid.crs, grid.transform)
    outcome, _ = agreed(classified, references=[str(path)], crosswalk=str(without_roads(tmp_path)))
    assert outcome.error is None, outcome.error
    document = json.loads((scene.folder / "agreement" / "my-map-2021" / "agreement.json").read_text())
    there, road, orchard = found != NO_DATA.code, found == 3, found == 6
    scored = there & ~road & ~orchard
    scored[:50] = False
    assert document["pixels"]["scored"] == scored.sum()
    assert document["pixels"]["reference_nodata"] == there[20:40].sum()
    left = {row["class"]: row["pixels"] for row in document["not_scored"]}
    compared = there.copy()
    compared[20:40] = False
    assert left == {
        "Highway": (road & compared).sum(),
        "PermanentCrop": (orchard & compared).sum(),
        "Snow and ice": there[:20].sum(),
        "code 123": there[40:50].sum(),
    }
    assert all(row["why"] for row in document["not_scored"])
    right = np.isin(found, (0, 1))[scored]
    assert document["full_count"]["overall"] == pytest.approx(right.mean(), abs=1e-6)
    water = next(row for row in document["full_count"]["groups"] if row["group"] == "water")
    assert (water["users"], water["producers"], water["reference_hectares"]) == (0.0, None, 0.0)
    shown = outcome.metadata["reference_agreement"]
    assert shown["my_map_2021_not_scored_percent"] == pytest.approx(
        100 * (1 - scored.sum() / compared.sum()), abs=0.006
    )


def test_the_check_fails_if_no_pixel_can_be_scored(classified: Desk, tmp_path: Path) -> None:
    scene = classified.folder(DEMO_ITEM_ID)
    with rasterio.open(scene.classified) as dataset:
        grid = Grid.of(dataset)
    for name, code in (("snow", 70), ("nothing", 0)):
        raster(tmp_path / f"{name}.tif", np.full(grid.shape, code, np.uint8), grid.crs, grid.transform)
        outcome, checks = agreed(
            classified, references=[str(tmp_path / f"{name}.tif")], crosswalk=str(FOLDER / "esa-worldcover.csv")
        )
        assert outcome.error is None, outcome.error
        passed, words, _ = checks["agrees_enough"]
        assert not passed
        assert f"nothing could be scored against {name}" in words
        document = json.loads((scene.folder / "agreement" / name / "agreement.json").read_text())
        assert document["full_count"]["overall"] is document["sample"]["overall"]["value"] is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"references": ["nonsense"]}, "there is no reference 'nonsense' -> name one of esa-worldcover"),
        ({"references": ["{tmp}/far.tif"], "crosswalk": "{worldcover}"}, "the reference far does not intersect it"),
        ({"references": ["{tmp}/far.tif"]}, "there is no crosswalk for the reference 'far'"),
        ({"references": ["truth"], "crosswalk": "{tmp}/none.csv"}, "none.csv cannot be read"),
        (
            {"references": ["{tmp}/real.tif"], "crosswalk": "{worldcover}"},
            "is not a raster of class codes: its data type is float32",
        ),
        ({"references": ["{tmp}/text.tif"], "crosswalk": "{worldcover}"}, "it is damaged, or not a GeoTIFF"),
        ({"references": ["{tmp}/map.vrt"], "crosswalk": "{worldcover}"}, "it names a description of other files"),
        ({"references": ["/vsicurl/http://a.example/b.tif"]}, "it is an instruction to GDAL"),
        ({"references": ["GTIFF_DIR:1:{tmp}/far.tif"]}, "it is an instruction to GDAL"),
        ({"references": ["https://169.254.169.254/a.tif"]}, "where clouds keep a machine's credentials"),
        ({"references": ["https://a.example/b.tif?sig=secret"]}, "has a query or a user in its URL"),
        ({"references": ["{tmp}/truth.tif"]}, "would get the name truth, which another reference has"),
        ({"references": ["{tmp}/a-b.tif", "{tmp}/a_b.tif"]}, "would get the same name"),
        (
            {"references": ["{tmp}/rgb.tif"], "crosswalk": "{worldcover}"},
            "is not a raster of class codes: it has 3 bands",
        ),
        ({"references": ["{tmp}/flat.tif"], "crosswalk": "{worldcover}"}, "its geotransform has no inverse"),
        ({"references": ["{tmp}/fine.tif"], "crosswalk": "{worldcover}"}, "by mode to 0.25 m or coarser"),
    ],
)
def test_a_reference_that_cannot_be_used_is_an_error_of_one_line(
    config: dict[str, Any], message: str, classified: Desk, tmp_path: Path
) -> None:
    raster(tmp_path / "far.tif", np.full((9, 9), 10, np.uint8), "EPSG:32632", Affine(10, 0, 5e5, 0, -10, 1e6))
    raster(tmp_path / "real.tif", np.ones(GRID.shape, np.float32), GRID.crs, GRID.transform)
    for name in ("truth", "a-b", "a_b"):
        raster(tmp_path / f"{name}.tif", np.ones(GRID.shape, np.uint8), GRID.crs, GRID.transform)
    raster(tmp_path / "flat.tif", np.ones((9, 9), np.uint8), GRID.crs, Affine(10, 0, 330_000, 0, 0, 5_760_000))
    raster(tmp_path / "fine.tif", np.ones((9, 9), np.uint8), GRID.crs, Affine(0.1, 0, 330_000, 0, -0.1, 5_760_000))
    profile = {"driver": "GTiff", "crs": GRID.crs, "transform": GRID.transform, "dtype": "uint8", "count": 3}
    with rasterio.open(tmp_path / "rgb.tif", "w", width=9, height=9, **profile) as dataset:
        dataset.write(np.ones((3, 9, 9), np.uint8))
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "map.vrt").write_text("<VRTDataset/>")
    places = {"{tmp}": str(tmp_path), "{worldcover}": str(FOLDER / "esa-worldcover.csv")}
    text = json.dumps(config)
    for name, place in places.items():
        text = text.replace(name, place)
    outcome, _ = agreed(classified, **json.loads(text))
    assert message in str(outcome.error)
    assert len(str(outcome.error).splitlines()) == 1
    assert "secret" not in str(outcome.error)
    assert not (classified.folder(DEMO_ITEM_ID).folder / "agreement").exists() or not list(
        (classified.folder(DEMO_ITEM_ID).folder / "agreement").iterdir()
    )


def test_a_scene_without_a_map_is_an_error(desk: Desk, demo_item: Path) -> None:
    scene = desk.add(demo_item)
    outcome, _ = agreed(desk, scene.id, references=["truth"])
    assert "its class map is not in the store, or is damaged -> materialise class_raster of this item" in str(
        outcome.error
    )


def test_the_asset_depends_on_the_map_and_has_its_partitions() -> None:
    graph = build_definitions().resolve_asset_graph()
    node, chain = graph.get(dg.AssetKey("reference_agreement")), graph.get(dg.AssetKey("class_raster"))
    assert node.parent_keys == {chain.key}
    assert node.partitions_def == chain.partitions_def
    assert "Agreement is not accuracy" in (node.description or "")


def test_a_reference_can_be_passed_as_an_object(classified: Desk, demo_item: Path) -> None:
    reference = Reference("mine", "Mine", (Tile(demo_item.parent / "truth.tif"),), EUROSAT)
    agreement = compare_scene(classified.folder(DEMO_ITEM_ID), reference, samples=300)
    assert agreement.compared.scored == agreement.compared.compared > 50_000
    assert agreement.document["reference"]["rasters"] == [{"href": str(demo_item.parent / "truth.tif")}]


def test_a_killed_comparison_leaves_no_document_beside_files_of_another_run(
    classified: Desk, demo_item: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed(classified, references=["truth"])
    folder = classified.folder(DEMO_ITEM_ID).folder / "agreement" / "truth"
    before = (folder / "sample.csv").read_bytes()
    original = atomic.move_into_place

    def dying(path: Path, target: Path) -> None:
        if target.name == "agreement.json":
            raise KeyboardInterrupt
        original(path, target)

    monkeypatch.setattr(atomic, "move_into_place", dying)
    with suppress(KeyboardInterrupt):
        agreed(classified, references=["truth"], seed=5)
    assert (folder / "sample.csv").read_bytes() != before
    assert not (folder / "agreement.json").exists()
