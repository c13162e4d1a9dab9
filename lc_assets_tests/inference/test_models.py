"""Models as users work with them: describe, check, swap, bring your own, evaluate."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.core.settings import CARD_FILE, SHIPPED, Settings
from lc_assets.defs.assets import class_raster
from lc_assets.defs.assets.model_evaluation import USABLE, USABLE_SYNTHETIC, model_evaluation
from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference import classify_chips
from lc_assets.inference.loading import open_model, read_contract
from lc_assets.operations.status import stale_items
from lc_assets.products.stac.validate import validate_offline
from lc_assets.training.data.splits import CREDIBLE_VOTES
from lc_assets.training.evaluation import synthetic
from lc_assets.training.evaluation.metrics import agreement
from lc_assets.training.evaluation.model_card import evaluate, write_card
from lc_assets_tests.conftest import Desk, own_model, read
from lc_assets_tests.rig.command import Shell, invoke

GUIDE = Path(__file__).parents[2] / "docs" / "your-own-model.md"


@pytest.mark.slow
def test_a_changed_model_makes_every_map_stale_and_one_command_backfills_them(
    demo_item: Path, shell: Shell, tmp_path: Path
) -> None:
    """With the command line and a real instance, as a user swaps a model."""
    own = str(own_model(tmp_path / "m", ("B08", "B04", "B02"), 10))
    shell("classify", demo_item, "--stride", 64)
    assert shell("stale").stdout == ""
    assert shell("stale", LC_ASSETS_MODEL=own).stdout == f"{DEMO_ITEM_ID}\n"
    assert "1 scene to run: 1 stale" in shell("stale", "--backfill", LC_ASSETS_MODEL=own).stdout
    again = shell("stale", "--backfill", LC_ASSETS_MODEL=own)
    assert again.stdout == "nothing to run\n1 were queued or running already\n"
    with dg.DagsterInstance.from_config(str(shell.home)) as instance:
        [backfill] = instance.get_backfills()
    assert backfill.is_asset_backfill
    assert backfill.tags["lc_assets/model"] == read_contract(Path(own))[0].fingerprint
    shell("classify", DEMO_ITEM_ID, "--stride", 64, LC_ASSETS_MODEL=own)
    assert shell("stale", LC_ASSETS_MODEL=own).stdout == ""
    assert shell("stale").stdout == f"{DEMO_ITEM_ID}\n"


def test_the_ui_calls_a_map_of_another_model_stale(classified: Desk, tmp_path: Path) -> None:
    desk = classified
    own = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    for model, expected in ((SHIPPED, StaleStatus.FRESH), (own, StaleStatus.STALE)):
        definitions = build_definitions(Settings(store=desk.settings.store, model=model))
        resolver = CachingStaleStatusResolver(
            desk.instance, definitions.resolve_asset_graph(), LoadingContextForTest(desk.instance)
        )
        assert resolver.get_status(class_raster.key, DEMO_ITEM_ID) == expected
        assert stale_items(desk.instance, definitions) == ([DEMO_ITEM_ID] if expected == StaleStatus.STALE else [])


def test_a_run_queued_for_one_model_is_never_executed_with_another(demo_item: Path, desk: Desk) -> None:
    scene = desk.add(demo_item)
    job = build_definitions(desk.settings).resolve_job_def("classify_scenes")
    result = job.execute_in_process(
        instance=desk.instance, partition_key=scene.id, tags={"lc_assets/model": "0123456789ab"}, raise_on_error=False
    )
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "queued for model 0123456789ab" in failure.user_failure_data.description
    assert not desk.folder(scene.id).classified.exists()


def test_an_item_without_a_map_is_missing_not_stale(demo_item: Path, desk: Desk) -> None:
    desk.add(demo_item)
    assert stale_items(desk.instance, build_definitions(desk.settings)) == []


def test_a_map_has_tags_with_its_model_and_checksum(classified_demo: tuple[Desk, object]) -> None:
    import rasterio

    folder = classified_demo[0].folder(DEMO_ITEM_ID)
    contract, _ = read_contract()
    with rasterio.open(folder.classified) as dataset:
        assert dataset.tags()["MODEL"] == f"{contract.name} {contract.version}"
        assert dataset.tags()["MODEL_SHA256"] == contract.sha256


def test_describe_prints_the_contract() -> None:
    done = invoke("model", "describe", SHIPPED)
    assert done.exit_code == 0, done.output
    contract, _ = read_contract()
    known = (contract.sha256, "B8A", "L1C, L2A", "64 px at 10 m, bilinear", "Patrick Helber", "PermanentCrop")
    for text in (*known, str(SHIPPED.with_name(CARD_FILE))):
        assert text in done.output


@pytest.mark.parametrize("named", ["model.json", "model.keras", ""])
def test_check_takes_a_models_item_its_weights_or_its_folder(tmp_path: Path, named: str) -> None:
    own = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    done = invoke("model", "check", own.parent / named)
    assert done.exit_code == 0, done.output
    assert "own 1: fits its contract" in done.output


def test_check_prints_one_line_per_fault(tmp_path: Path) -> None:
    own = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    document = json.loads(own.read_text())
    del document["properties"]["mlm:architecture"]
    own.write_text(json.dumps(document))
    done = invoke("model", "check", own)
    assert done.exit_code == 1
    assert "mlm:architecture" in done.output
    (own.parent / "model.keras").write_bytes(b"something else")
    done = invoke("model", "check", own)
    assert done.exit_code == 1
    assert "not the file that its contract was written for" in done.output
    assert "Traceback" not in done.output


def changed(model: Path, **properties: object) -> Path:
    """The model's item with some properties changed."""
    document = json.loads(model.read_text())
    document["properties"].update(properties)
    model.write_text(json.dumps(document))
    return model


def test_a_changed_contract_of_the_same_weights_is_another_model(tmp_path: Path) -> None:
    own = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    before = read_contract(own)[0].fingerprint
    changed(own, title="another title")
    assert read_contract(own)[0].fingerprint == before
    document = json.loads(own.read_text())
    document["properties"]["mlm:input"][0]["value_scaling"][0]["mean"] = 1.0
    own.write_text(json.dumps(document))
    assert read_contract(own)[0].fingerprint != before


def test_stale_refuses_a_model_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ASSETS_MODEL", str(tmp_path / "nowhere.json"))
    for arguments in (["stale"], ["stale", "--backfill"]):
        done = invoke(*arguments)
        assert done.exit_code == 1
        assert "nowhere.json cannot be read" in done.output


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"lc:metrics": {"a": float("nan")}}, "is not JSON"),
        ({"lc:resampling": "bilinaer"}, "name nearest, bilinear, cubic, cubicspline"),
        ({"mlm:name": "a\x1b[31mb"}, "its name is"),
        ({"lc:product_levels": ["L2A\x1b]0;x\x07"]}, "its product levels are"),
        ({"description": "bad \ud800 text"}, None),
    ],
)
def test_a_hostile_contract_cannot_control_the_terminal(
    tmp_path: Path, properties: dict[str, object], message: str | None
) -> None:
    own = changed(own_model(tmp_path / "m", ("B08", "B04", "B02"), 10), **properties)
    for command in ("describe", "check"):
        done = invoke("model", command, own)
        assert done.exit_code == (1 if message else 0), done.output
        assert message is None or (message in done.output and str(own) in done.output)
        assert "\x1b" not in done.output and "\x07" not in done.output


@pytest.mark.parametrize("href", ["/dev/zero", "."])
def test_weights_that_are_not_a_regular_file_are_never_read(tmp_path: Path, href: str) -> None:
    own = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    document = json.loads(own.read_text())
    document["assets"]["model"]["href"] = href
    own.write_text(json.dumps(document))
    done = invoke("model", "check", own)
    assert done.exit_code == 1
    assert "not the file that its contract was written for" in done.output
    assert "it is not a regular file" in done.output


def test_a_model_that_was_never_built_is_refused(tmp_path: Path) -> None:
    import keras

    own = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    weights = own.parent / "model.keras"
    keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]).save(weights)
    document = json.loads(own.read_text())
    document["assets"]["model"]["file:checksum"] = "1220" + hashlib.sha256(weights.read_bytes()).hexdigest()
    own.write_text(json.dumps(document))
    done = invoke("model", "check", own)
    assert done.exit_code == 1
    assert "input shape is not known" in done.output


@pytest.mark.slow
def test_a_card_replaces_no_other_readme_and_claims_nothing_unknown(shared: Path, tmp_path: Path) -> None:
    own = own_model(tmp_path / "m", ("B08", "B04", "B02"), 10)
    (own.parent / "README.md").write_text("# my notes")
    done = invoke("model", "card", own, "--data", shared / "eurosat")
    assert done.exit_code == 1
    assert "is not a card of lc-assets" in done.output
    assert sorted(p.name for p in own.parent.iterdir()) == ["README.md", "model.json", "model.keras"]
    (own.parent / "README.md").unlink()
    done = invoke("model", "card", own, "--data", shared / "eurosat")
    assert done.exit_code == 0, done.output
    card = (own.parent / "README.md").read_text()
    assert card.startswith("# own 1")
    for claim in ("temperature", "Europe", "multiply-adds", "spatial hold-out"):
        assert claim not in card


def test_training_checks_the_name_before_it_reads_any_file(tmp_path: Path) -> None:
    done = invoke("train", "--data", tmp_path, "--out", tmp_path / "out", "--name", "my model")
    assert done.exit_code == 1
    assert "its name is 'my model'" in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_example_of_the_guide_works(classified: Desk, tmp_path: Path) -> None:
    """The unchanged snippet of the guide: another architecture (flatten and dense, padded), four bands."""
    [snippet] = re.findall(r"```python\n(.*?contract_to_item.*?)```", GUIDE.read_text(), re.DOTALL)
    plain = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, env=plain, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    model = tmp_path / "my_model" / "model.json"
    assert invoke("model", "check", model).exit_code == 0
    assert validate_offline(json.loads(model.read_text())) == []
    engine = open_model(model)
    assert len(engine.contract.bands) == 4
    classified.settings = dataclasses.replace(classified.settings, model=model)
    assert classified.materialize("class_raster", "overview", "report", "catalog", stride=64).success
    assert (read(classified.folder(DEMO_ITEM_ID).classified) < 10).any()
    chips = np.full((3, 64, 64, 12), 1200, np.uint16)
    assert classify_chips(chips, model).shape == (3, len(CLASS_NAMES))


@pytest.fixture
def small_synthetic_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "SEEDS", (1,))
    monkeypatch.setattr(synthetic, "SHAPE", (300, 300))


@pytest.mark.usefixtures("small_synthetic_scenes")
def test_the_model_evaluation_needs_nothing_but_the_model(tmp_path: Path) -> None:
    definitions = build_definitions(Settings(store=tmp_path / "store"))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([model_evaluation], instance=instance, resources=dict(definitions.resources or {}))
    [event] = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    [row] = metadata["synthetic"].records  # type: ignore[union-attr]
    assert row.data["scene"] == "synthetic_1"
    assert 60 < float(str(metadata["synthetic_right_percent"].value)) <= 100
    assert "data:image/png;base64," in str(metadata["maps"].value)
    [check] = result.get_asset_check_evaluations()
    assert check.metadata["limit"].value == USABLE_SYNTHETIC
    assert check.passed == (float(str(check.metadata["lowest"].value)) >= USABLE_SYNTHETIC)


@pytest.mark.slow
@pytest.mark.usefixtures("small_synthetic_scenes")
def test_the_model_evaluation_shows_the_figures_of_the_card(shared: Path, tmp_path: Path) -> None:
    settings = Settings(store=tmp_path / "store", chips=shared / "eurosat")
    definitions = build_definitions(settings)
    # With its own instance: Dagster would use the last opened one, which another test has closed.
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([model_evaluation], instance=instance, resources=dict(definitions.resources or {}))
    [event] = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    shown = {key: value.value for key, value in metadata.items()}
    evaluated = evaluate(SHIPPED, shared / "eurosat")
    assert evaluated.labelled
    assert shown["l1c_accuracy"] == evaluated.labelled.accuracy
    assert shown["model_sha256"] == evaluated.contract.sha256
    records = metadata["l1c_classes"].records  # type: ignore[union-attr]
    assert tuple(record.data["class"] for record in records) == CLASS_NAMES
    assert "data:image/png;base64," in shown["confusion"]
    [check] = result.get_asset_check_evaluations()
    weak = {record.data["votes of ten"]: record.data for record in metadata["l2a"].records}  # type: ignore[union-attr]
    agreed = agreement(evaluated.weak[CREDIBLE_VOTES])["agreement"]
    assert weak[CREDIBLE_VOTES]["agreement"] == agreed
    lowest = min(evaluated.labelled.accuracy, agreed)
    synthetic_right = float(str(shown["synthetic_right_percent"])) / 100
    assert check.passed == (lowest >= USABLE and synthetic_right >= USABLE_SYNTHETIC)


@pytest.mark.slow
def test_the_shipped_card_is_up_to_date(shared: Path, tmp_path: Path) -> None:
    """The evaluation code writes the same card again."""
    import shutil

    copy = shutil.copytree(SHIPPED.parent, tmp_path / "model")
    card = write_card(copy / "model.json", shared / "eurosat", shared / "maps").read_text()
    assert card == (SHIPPED.parent / "README.md").read_text()
    for heading in ("official validation list", "weakly labelled", "maps of real scenes", "cannot do"):
        assert heading in card
