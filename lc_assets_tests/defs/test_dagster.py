"""How the assets behave in Dagster, and how Dagster behaves where we depend on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pystac
import pytest

from lc_assets.core.errors import LandCoverError
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.settings import Settings
from lc_assets.defs.assets import SCENE_ASSETS
from lc_assets.defs.build import build_definitions
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations import keys
from lc_assets.operations.runs import RunResult
from lc_assets.products.stac.validate import validate_offline
from lc_assets.raster.inline_svg import MAX_MARKDOWN
from lc_assets_tests.conftest import Desk, copy_scene, edit_item, own_model


def test_the_six_assets_form_the_missions_chain_which_a_group_and_a_job_select(tmp_path: Path) -> None:
    definitions = build_definitions(Settings(store=tmp_path))
    graph = definitions.resolve_asset_graph()
    assert dg.AssetSelection.groups("land_cover").resolve(graph) == set(keys.SCENE_ASSETS)
    assert definitions.resolve_job_def(keys.CLASSIFY).asset_layer.executable_asset_keys == set(keys.SCENE_ASSETS)
    nodes = {key.to_user_string(): graph.get(key) for key in keys.SCENE_ASSETS}
    parents = {name: {parent.to_user_string() for parent in node.parent_keys} for name, node in nodes.items()}
    assert parents["raw_bands"] == set()
    assert parents["resampled_stack"] == {"raw_bands"}
    assert parents["class_raster"] == {"resampled_stack"}
    assert parents["overview"] == {"class_raster"}
    assert parents["report"] >= {"overview"}
    assert parents["catalog"] >= {"report"}
    for node in nodes.values():
        assert node.description and len(node.description) > 80
        assert node.kinds
        assert node.code_version


def test_the_keys_by_which_operations_know_a_scenes_assets_are_those_of_its_assets() -> None:
    assert tuple(asset.key for asset in SCENE_ASSETS) == keys.SCENE_ASSETS


def test_the_item_tells_how_long_its_scene_took(classified_demo: tuple[Desk, RunResult]) -> None:
    desk, outcome = classified_demo
    item = json.loads((desk.folder(DEMO_ITEM_ID).folder / f"{DEMO_ITEM_ID}_classified.json").read_text())
    spent = [found["seconds"] for name, found in outcome.metadata.items() if name != "catalog"]
    assert item["properties"]["lc:seconds"] == pytest.approx(sum(spent), abs=0.001)


def test_every_asset_reports_what_one_asks_next(classified_demo: tuple[Desk, RunResult]) -> None:
    _, outcome = classified_demo
    reports = outcome.metadata
    assert set(reports) == {"raw_bands", "resampled_stack", "class_raster", "overview", "report", "catalog"}
    for name, report in reports.items():
        assert report["seconds"] >= 0, name
        assert len(report) <= 12, name
    for name, key, kind in (
        ("raw_bands", "true_colour_large", "webp"),
        ("resampled_stack", "false_colour_large", "webp"),
    ):
        assert f"data:image/{kind};base64," in reports[name][key]
        assert len(reports[name][key]) < 100_000
    for name, key in (
        ("raw_bands", "true_colour"),
        ("resampled_stack", "false_colour"),
        ("class_raster", "map"),
        ("class_raster", "legend"),
        ("class_raster", "confidence_histogram"),
        ("overview", "map"),
    ):
        assert reports[name][key].startswith("![") and len(reports[name][key]) <= MAX_MARKDOWN, (name, key)
    scene = f"http://127.0.0.1:3001/scenes/{DEMO_ITEM_ID}"  # where `lc-assets ui` serves the store
    for name, key, url in (
        ("class_raster", "raster", f"{scene}/{DEMO_ITEM_ID}_classified.tif"),
        ("overview", "picture", f"{scene}/{DEMO_ITEM_ID}_thumbnail.png"),
        ("report", "report", f"{scene}/report.html"),
        ("report", "all_scenes", "http://127.0.0.1:3001/index.html"),
        ("catalog", "catalog", f"{scene}/catalog.json"),
        ("catalog", "item", f"{scene}/{DEMO_ITEM_ID}_classified.json"),
    ):
        assert reports[name][key] == url
    classes = reports["class_raster"]
    shares = [record.data["percent"] for record in classes["classes"].records]
    assert len(shares) == 11
    assert sum(shares) == pytest.approx(100, abs=0.05)
    assert classes["precision"] in ("float32", "bfloat16")
    assert classes["evaluation"] == "positions, one every 4 px"


def test_all_checks_are_evaluated_and_pass(classified_demo: tuple[Desk, RunResult]) -> None:
    desk, outcome = classified_demo
    found = {}
    for record in desk.instance.all_logs(outcome.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = record.dagster_event.asset_check_evaluation_data
        found[(evaluation.asset_key.to_user_string(), evaluation.check_name)] = evaluation.passed
    assert found == {
        ("raw_bands", "cloud_share"): True,
        ("raw_bands", "nodata_share"): True,
        ("class_raster", "cog_valid"): True,
        ("class_raster", "only_known_classes"): True,
        ("class_raster", "possible_values"): True,
        ("class_raster", "nodata_share"): True,
        ("overview", "cog_valid"): True,
        ("report", "small_enough"): True,
        ("catalog", "stac_valid"): True,
    }


def test_a_cloudy_scene_warns_and_is_classified_all_the_same(demo_item: Path, desk: Desk, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path, **{"eo:cloud_cover": 93.0})
    scene = desk.add(item)
    result = desk.materialize("raw_bands", "resampled_stack", "class_raster")
    assert result.success
    assert desk.folder(scene.id).classified.exists()
    [evaluation] = [check for check in result.get_asset_check_evaluations() if check.check_name == "cloud_share"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN


def test_the_written_catalog_is_valid_and_resolves(classified_demo: tuple[Desk, RunResult]) -> None:
    folder = classified_demo[0].folder(DEMO_ITEM_ID)
    catalog = pystac.Catalog.from_file(str(folder.catalog))
    [item] = catalog.get_items()
    document = json.loads((folder.folder / f"{DEMO_ITEM_ID}_classified.json").read_text())
    assert validate_offline(document) == []
    assert item.datetime is not None and item.datetime.isoformat() == "2024-06-21T10:36:29.024000+00:00"
    for asset in item.get_assets().values():
        path = folder.folder / asset.href
        assert path.exists()
        assert asset.extra_fields.get("file:size", path.stat().st_size) == path.stat().st_size
    for link in document["links"]:
        assert link["rel"] == "license" or (folder.folder / link["href"]).exists(), link
    model = folder.folder / next(link["href"] for link in document["links"] if link["rel"] == "mlm:model")
    assert (model.parent / "model.keras").exists()


def test_no_secret_of_an_href_reaches_events_or_files(demo_item: Path, desk: Desk, tmp_path: Path) -> None:
    item = copy_scene(demo_item, tmp_path)
    secret = "sig=THESECRET"

    def sign(document: dict) -> None:
        document["assets"]["visual"] = {"href": f"https://account.blob.core.windows.net/c/visual.tif?{secret}"}
        document["links"].append({"rel": "self", "href": f"https://host.example/item?{secret}"})

    edit_item(item, sign)
    scene = desk.add(item)
    outcome = desk.run(scene.id)
    assert outcome.error is None
    assert all("THESECRET" not in str(record) for record in desk.instance.all_logs(outcome.run_id))
    for path in desk.settings.store.rglob("*.json"):
        assert "THESECRET" not in path.read_text()


def test_a_signed_band_that_cannot_be_fetched_never_shows_its_token(
    demo_item: Path, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lc_assets.remote.signing.signed", lambda url: f"{url}?sig=THESECRET")
    monkeypatch.setattr("lc_assets.defs.failures.RETRIES", 0)
    desk.settings = replace(desk.settings, retry_policy=RetryPolicy(backoff=0.01))
    item = copy_scene(demo_item, tmp_path)
    edit_item(item, lambda d: d["assets"]["B04"].update(href="http://127.0.0.1:9/B04.tif"))
    scene = desk.add(item)
    outcome = desk.run(scene.id)
    assert outcome.error is not None
    assert "B04" in outcome.error and "did not arrive" in outcome.error
    assert all("THESECRET" not in str(record) for record in desk.instance.all_logs(outcome.run_id))


def test_the_stack_is_written_as_cog_by_one_setting(demo_item: Path, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        desk = Desk(Settings(store=tmp_path / "store", stack="cog"), instance)
        scene = desk.add(demo_item)
        assert desk.materialize("raw_bands", "resampled_stack").success
        folder = desk.folder(scene.id)
    assert (folder.resampled_stack / "stack.tif").exists()
    assert not (folder.resampled_stack / "stack.vrt").exists()


def test_only_passing_faults_are_tried_again() -> None:
    for transient in (True, False):
        with pytest.raises(dg.Failure) as caught, raise_as_dagster_failure():
            raise LandCoverError("x", remedy="y", transient=transient)
        assert caught.value.allow_retries is transient


def test_after_the_last_try_a_run_shows_the_message_itself_first_and_without_a_stack_trace(desk: Desk) -> None:
    tries = []

    @dg.asset
    def fetched(context) -> None:
        with raise_as_dagster_failure(retry_number=context.retry_number):
            tries.append(context.retry_number)
            raise LandCoverError("the server is away", remedy="try again later", transient=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lc_assets.defs.failures.RETRY_SECONDS", 0)
        result = dg.materialize([fetched], instance=desk.instance, raise_on_error=False)
    assert tries == [0, 1]
    [record] = desk.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    failure = record.dagster_event.step_failure_data
    assert failure.user_failure_data.description == "the server is away -> try again later"
    assert failure.user_failure_data.metadata["remedy"].value == "try again later"
    assert failure.error.message.splitlines()[0].endswith("Failure: the server is away -> try again later")
    assert failure.error.cause is None
    assert "max_retries" not in str(record)


def test_dagster_stores_an_output_before_the_asset_goes_on_to_its_checks() -> None:
    """The checks read what the IO manager has written: this order is what they stand on."""
    order = []

    class Recording(dg.IOManager):
        def handle_output(self, context, obj) -> None:
            order.append("stored")

        def load_input(self, context) -> None: ...

    @dg.asset(check_specs=[dg.AssetCheckSpec("seen", asset="thing")])
    def thing():
        yield dg.Output(1)
        order.append("checked")
        yield dg.AssetCheckResult(check_name="seen", passed=True)

    assert dg.materialize([thing], resources={"io_manager": Recording()}).success
    assert order == ["stored", "checked"]


def test_the_page_tells_what_the_assets_before_it_have_taken(classified_demo: tuple[Desk, RunResult]) -> None:
    desk, outcome = classified_demo
    page = desk.folder(DEMO_ITEM_ID).report.read_text(encoding="utf-8")
    for name in ("raw_bands", "resampled_stack", "class_raster", "overview"):
        assert f"<dt>{name}</dt><dd>{outcome.metadata[name]['seconds']:.1f} s</dd>" in page, name


def test_a_page_of_another_models_map_is_refused(classified: Desk, tmp_path: Path) -> None:
    desk = classified
    other = own_model(tmp_path / "own", ("B04", "B03", "B02"), 10)
    result = Desk(replace(desk.settings, model=other), desk.instance).materialize("report")
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert "its class map was made by" in str(failed.step_failure_data.user_failure_data.description)
    assert "asset report" in str(failed.step_failure_data.user_failure_data.description)
