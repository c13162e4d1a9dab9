"""Maps are compared with the references of scenes: metrics computed by hand, the card, the asset, wrong input."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import rasterio
from PIL import Image

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASS_NAMES, CLASSES
from lc_assets.core.settings import Settings
from lc_assets.defs.assets.model_evaluation import model_evaluation
from lc_assets.defs.build import build_definitions
from lc_assets.inference import classify_stack
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.training.data.chips import COVER_NAMES
from lc_assets.training.evaluation import synthetic
from lc_assets.training.evaluation.map_charts import LARGEST, maps_chart
from lc_assets.training.evaluation.map_evaluation import GROUPS_KIND, MapEvaluation, MapPicture, evaluate_maps
from lc_assets.training.evaluation.map_metrics import (
    UNKNOWN,
    compare_groups,
    groups_of,
    season_agreement,
    water_kinds,
)
from lc_assets.training.evaluation.map_section import map_section
from lc_assets.training.evaluation.markdown import rounded_percent
from lc_assets.training.evaluation.model_card import write_card
from lc_assets.training.evaluation.scenes import find_scenes, read_scene
from lc_assets_tests.conftest import own_model
from lc_assets_tests.inference.networks import position_model, position_network
from lc_assets_tests.rig.command import invoke

WATER, TREES, _, CROPS, _, BARE = range(6)
SIDE = 128


def write(path: Path, layers: np.ndarray, *descriptions: str) -> Path:
    """Write (bands, rows, columns) as a GeoTIFF with band descriptions."""
    count, height, width = layers.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": layers.dtype}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(layers)
        dataset.descriptions = descriptions or (None,) * count
    return path


def write_scene(folder: Path, stem: str, shape: tuple[int, int] = (SIDE, SIDE)) -> Path:
    """Write a scene of random pixels, coarser than one pixel."""
    rng = np.random.default_rng(len(stem) + sum(map(ord, stem)))
    rough = rng.integers(200, 4000, (len(BAND_NAMES), shape[0] // 16, shape[1] // 16))
    return write(folder / f"{stem}.tif", rough.repeat(16, 1).repeat(16, 2).astype(np.uint16), *BAND_NAMES)


def write_reference(folder: Path, name: str, codes: np.ndarray, description: str = "group") -> Path:
    return write(folder / f"{name}_ref.tif", codes[None].astype(np.uint8), description)


def write_dynamic_world(folder: Path, stem: str, classes: np.ndarray) -> Path:
    """Write Dynamic World's classes. They are certain except in the first row."""
    layers = np.stack([classes, np.full_like(classes, 200), np.full_like(classes, 255)]).astype(np.uint8)
    layers[2, 0] = 200
    return write(folder / f"{stem}_dw.tif", layers)


def halves(left: int, right: int, side: int = SIDE) -> np.ndarray:
    return np.repeat([[left] * (side // 2) + [right] * (side // 2)], side, axis=0).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return position_model(tmp_path_factory.mktemp("maps") / "model")


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A scene with two references, a place on three dates, and a reference without a scene."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    write_scene(folder, "town_L2A")
    write_reference(folder, "town", halves(TREES, CROPS))
    write_dynamic_world(folder, "town_L2A", halves(COVER_NAMES.index("trees"), COVER_NAMES.index("bare")))
    for day in (1, 2, 3):
        write_scene(folder, f"lake_2020060{day}_L2A")
    kinds = halves(CLASS_NAMES.index("River"), CLASS_NAMES.index("SeaLake"))
    write_reference(folder, "lake_20200601", kinds, "water kind: 8 River 9 SeaLake")
    write_reference(folder, "absent", halves(TREES, CROPS))
    return folder


@pytest.fixture
def chips(tmp_path: Path) -> Path:
    """Two validation chips."""
    folder = tmp_path / "chips"
    folder.mkdir()
    write(folder / "eurosat_ms.tif", np.full((len(BAND_NAMES), 128, 64), 1000, np.uint16), *BAND_NAMES)
    rows = "".join(f"{name},{name},val\n" for name in ("Forest", "SeaLake"))
    (folder / "eurosat_ms.csv").write_text("name,class_name,official_split\n" + rows)
    return folder


def test_every_class_has_a_group() -> None:
    groups = groups_of(np.arange(11, dtype=np.uint8))
    assert groups.tolist() == [3, 1, 4, 2, 2, 4, 3, 2, 0, 0, UNKNOWN]


def test_metrics_of_a_border_that_is_two_pixels_off() -> None:
    """Trees in columns 0 to 19 of 40, crops in the others; the map has crops from column 18 on."""
    reference = halves(TREES, CROPS, 40)
    groups = reference.copy()
    groups[:, 18:] = CROPS
    found = compare_groups(groups, reference)
    assert found.pixels == 1600
    assert found.right == pytest.approx(0.95)
    assert found.recall == {"trees": pytest.approx(0.9), "crops": 1}
    assert found.mean_recall == pytest.approx(0.95)
    assert found.f1 == {"trees": pytest.approx(2 * 720 / (800 + 720)), "crops": pytest.approx(2 * 800 / (800 + 880))}
    assert found.near_borders == pytest.approx(0.5)  # columns 18 to 21
    assert found.small == {"water": (0, 0), "trees": (0, 0)}


def test_bare_and_unknown_pixels_are_not_counted() -> None:
    reference = halves(TREES, CROPS, 40)
    reference[:10], reference[10:20] = BARE, UNKNOWN
    counted = np.ones((40, 40), bool)
    counted[20:30] = False
    found = compare_groups(np.full((40, 40), TREES, np.uint8), reference, counted)
    assert (found.pixels, found.right) == (400, 0.5)
    assert found.recall == {"trees": 1, "crops": 0}
    nothing = compare_groups(reference, np.full((40, 40), UNKNOWN, np.uint8))
    assert (nothing.pixels, nothing.right, nothing.near_borders, nothing.mean_recall) == (0, None, None, None)


def test_a_group_of_few_pixels_has_no_recall() -> None:
    reference = np.full((40, 40), TREES, np.uint8)
    reference[0, :40], reference[1, :40] = WATER, WATER
    assert set(compare_groups(reference, reference).recall) == {"trees"}


def test_small_objects_are_found_if_half_of_them_is_right() -> None:
    """Lakes of 16 px with 8 and 7 px right, one of 9 px (too small) and one of 441 px (too large)."""
    reference = np.full((64, 64), CROPS, np.uint8)
    for corner, side in (((2, 2), 4), ((2, 12), 4), ((2, 22), 3), ((30, 30), 21)):
        reference[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = WATER
    groups = reference.copy()
    groups[2:4, 2:6] = CROPS
    groups[2:4, 12:16], groups[4, 12] = CROPS, CROPS
    assert compare_groups(groups, reference).small == {"water": (1, 2), "trees": (0, 0)}


def test_shares_of_river_and_sea_lake_in_each_kind_of_water() -> None:
    river, sea = CLASS_NAMES.index("River"), CLASS_NAMES.index("SeaLake")
    kinds = halves(river, sea, 40)
    kinds[:20] = UNKNOWN
    classes = np.full((40, 40), sea, np.uint8)
    classes[30:, :20] = river
    classes[20:25, 20:] = CLASS_NAMES.index("Forest")
    assert water_kinds(classes, kinds) == {
        "River": {"River": 0.5, "SeaLake": 0.5, "pixels": 400},
        "SeaLake": {"River": 0.0, "SeaLake": 0.75, "pixels": 400},
    }


def test_season_agreement_is_the_mean_share_of_the_most_frequent_group() -> None:
    """Of four pixels one is the same on all three dates, one on two, one on none, and one has no data on one date."""
    dates = [np.array([codes], np.uint8) for codes in ((0, 1, 1, 3), (0, 1, 2, UNKNOWN), (0, 4, 3, 3))]
    assert season_agreement(dates) == pytest.approx((3 + 2 + 1) / 9)
    assert season_agreement([np.full((2, 2), UNKNOWN, np.uint8)] * 2) is None


def test_maps_are_compared_with_all_references_of_their_scenes(model: Path, scenes: Path) -> None:
    found = evaluate_maps(model, scenes)
    with rasterio.open(scenes / "town_L2A.tif") as dataset:
        stack = np.ascontiguousarray(np.moveaxis(dataset.read(), 0, -1))
    groups = groups_of(classify_stack(stack, "L2A", model).classes)
    [reference] = found.references
    assert (reference.scene, reference.level, reference.note) == ("town", "L2A", "")
    assert reference.metrics == compare_groups(groups, halves(TREES, CROPS))
    [agreement] = found.agreements
    assert agreement.metrics.pixels == (SIDE - 1) * SIDE // 2  # neither the first row nor bare ground
    assert agreement.metrics.right == pytest.approx(float((groups[1:, : SIDE // 2] == TREES).mean()))
    assert [(k.scene, k.kind, k.pixels) for k in found.kinds] == [
        ("lake_20200601", kind, SIDE * SIDE // 2) for kind in ("River", "SeaLake")
    ]
    [season] = found.seasons
    assert (season.place, season.level, season.dates) == ("lake", "L2A", 3)
    assert season.agreement and 1 / 3 <= season.agreement <= 1
    assert [picture.title for picture in found.pictures] == ["lake_20200601 L2A", "town L2A"]
    assert not found.taught


def test_the_square_scenes_of_a_file_are_classified_separately(model: Path, tmp_path: Path) -> None:
    write_scene(tmp_path, "ships_L2A", (4 * 64, 64))
    write_dynamic_world(tmp_path, "ships_L2A", np.zeros((4 * 64, 64), np.uint8))
    [file] = find_scenes(tmp_path)
    assert [part.shape for part in read_scene(file).parts()] == [(64, 64, 12)] * 4
    assert "three of four" in file.learnt_part
    found = evaluate_maps(model, tmp_path)
    assert found.agreements[0].metrics.pixels == 4 * 64 * 64 - 64
    assert found.pictures == ()


def test_the_card_has_a_section_on_maps(model: Path, scenes: Path, chips: Path) -> None:
    plain = write_card(model, chips).read_text()
    assert "real scenes" not in plain
    done = invoke("model", "card", model, "--data", chips, "--scenes", scenes, code=0)
    card = model.with_name("README.md").read_text()
    assert "Mean recall of the groups, in scenes with references: town L2A" in done.output
    assert "## On maps of real scenes" in card
    assert "![Scenes, their maps and their references](maps.png)" in card
    assert "not accuracy" in card
    assert "called SeaLake" in card
    picture = model.with_name("maps.png").read_bytes()
    assert len(picture) <= LARGEST
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
    assert invoke("model", "card", model, "--data", chips, LC_ASSETS_SCENES=str(scenes), code=0)
    assert model.with_name("README.md").read_text() == card


def test_the_card_names_the_scenes_that_the_model_has_learnt_from(scenes: Path, tmp_path: Path) -> None:
    source = {"title": "Dynamic World's classes of chips and scenes"}
    taught = own_model(tmp_path / "m", BAND_NAMES, 10, position_network(), positions=True, training_data=(source,))
    for path in sorted(scenes.glob("town*")):
        path.rename(path.with_name(path.name.replace("town", "ssl4eo_town")))
    found = evaluate_maps(taught, scenes)
    assert [part.note for part in (*found.references, *found.agreements)] == ["learnt from its left part"] * 2
    assert found.taught
    text = "\n".join(map_section(found))
    assert text.count("learnt from its left part |") == 2
    assert "has learnt from Dynamic World" in text


def test_the_asset_shows_the_figures_of_the_maps(
    model: Path, scenes: Path, chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "SEEDS", (1,))
    monkeypatch.setattr(synthetic, "SHAPE", (300, 300))
    settings = Settings(store=tmp_path / "store", model=model, chips=chips, scenes=scenes)
    resources = dict(build_definitions(settings).resources or {})
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([model_evaluation], instance=instance, resources=resources)
    [event] = result.get_asset_materialization_events()
    metadata: dict[str, Any] = dict(event.materialization.metadata)
    maps = evaluate_maps(model, scenes)
    recall = rounded_percent(maps.references[0].metrics.mean_recall)
    assert metadata["map_references"].records[0].data["mean recall"] == recall
    for name in ("map_references", "map_agreement_with_dynamic_world", "map_water_kinds", "map_seasons"):
        assert metadata[name].records
    assert "agreement" in metadata["map_agreement_with_dynamic_world"].records[0].data
    assert "data:image/png;base64," in metadata["maps"].value


def test_the_picture_is_small_and_has_the_colours_of_the_classes() -> None:
    rng = np.random.default_rng(0)
    layers = rng.integers(200, 3000, (3, 300, 300)).astype(np.uint16)
    classes = rng.integers(0, 10, (300, 300)).astype(np.uint8)
    reference = halves(TREES, CROPS, 300)
    noisy = MapPicture("a long title " * 9, layers, classes, reference, GROUPS_KIND)
    assert len(_chart(noisy, noisy, noisy, noisy)) <= LARGEST
    plain = MapPicture("scene", layers // 500 * 500 + 1, classes // 9 * 9, None, "")
    with Image.open(io.BytesIO(_chart(plain, replace(plain, reference=reference, kind=GROUPS_KIND)))) as image:
        found = {colour for _, colour in image.convert("RGB").getcolors(256) or ()}
    assert {c.rgb for c in CLASSES} <= found


def _chart(*pictures: MapPicture) -> bytes:
    return maps_chart(MapEvaluation((), (), (), (), pictures, False))


def test_the_folder_of_scenes_is_an_optional_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Settings.from_environment().scenes is None
    monkeypatch.setenv("LC_ASSETS_SCENES", str(tmp_path))
    assert Settings.from_environment().scenes == tmp_path.resolve()


def _broken(folder: Path, kind: str) -> None:
    """Put one wrong file into the folder."""
    layers = np.full((len(BAND_NAMES), SIDE, SIDE), 1000, np.uint16)
    if kind == "bands":
        write(folder / "town_L2A.tif", layers[:4])
    elif kind == "order":
        write(folder / "town_L2A.tif", layers, *BAND_NAMES[::-1])
    elif kind == "type":
        write(folder / "town_L2A.tif", layers.astype(np.float32), *BAND_NAMES)
    elif kind == "side":
        write(folder / "town_L2A.tif", layers[:, :40, :40], *BAND_NAMES)
    elif kind == "shape":
        write_reference(folder, "town", halves(TREES, CROPS, 64))
    elif kind == "codes":
        write_reference(folder, "town", halves(TREES, 9))
    elif kind == "cover":
        write_reference(folder, "town_L2A", halves(TREES, CROPS)).rename(folder / "town_L2A_dw.tif")
    elif kind == "damaged":
        (folder / "town_ref.tif").write_bytes(b"x" * 100)
    else:
        for path in folder.iterdir():
            path.unlink()


@pytest.mark.parametrize(
    ("kind", "message"),
    {
        "bands": r"the bands of .*town_L2A\.tif are \(None, None, None, None\)",
        "order": r"the bands of .*town_L2A\.tif are \('B12'",
        "type": r"town_L2A\.tif has the data type float32, not uint16",
        "side": r"town_L2A\.tif has 40 x 40 px, but needs at least 64 px a side",
        "shape": r"town_ref\.tif has 64 x 64 px and 1 bands of uint8, town_L2A\.tif needs 128 x 128 px",
        "codes": r"town_ref\.tif has the code 9",
        "cover": r"town_L2A_dw\.tif has 128 x 128 px and 1 bands of uint8, .* and 3 of uint8",
        "damaged": r"town_ref\.tif cannot be read",
        "empty": r"has no \{name\}_L1C\.tif or \{name\}_L2A\.tif",
    }.items(),
)
def test_the_error_for_a_wrong_file_names_it(scenes: Path, kind: str, message: str) -> None:
    _broken(scenes, kind)
    with pytest.raises(LandCoverError, match=message):
        for file in find_scenes(scenes):
            read_scene(file)


def test_scenes_of_another_level_than_the_models_are_an_error(scenes: Path, tmp_path: Path) -> None:
    other = own_model(tmp_path / "m", BAND_NAMES, 10, product_levels=("L1C",))
    with pytest.raises(LandCoverError, match="has no scene of L1C"):
        evaluate_maps(other, scenes)


@pytest.mark.slow
def test_maps_of_real_scenes_are_evaluated(shared: Path, model: Path) -> None:
    found = evaluate_maps(model, shared / "maps")
    assert {part.scene for part in found.references} >= {"terramind_282D_485L", "terramind_38D"}
    assert {part.scene for part in found.agreements} >= {"bigearthnet_33UUP_75_43", "ships"}
    assert all(part.metrics.pixels for part in found.references if "609U" not in part.scene)  # snow
    assert [(season.place, season.level, season.dates) for season in found.seasons] == [("ssl4eo_0000200", "L2A", 2)]
    assert len(found.pictures) == 4
    assert len(maps_chart(found)) <= LARGEST
