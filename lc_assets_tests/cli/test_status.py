"""`lc-assets status`: what it says of each scene, as text and as JSON."""

from __future__ import annotations

import dataclasses
import json
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from lc_assets.cli import options
from lc_assets.cli.session import Session
from lc_assets.demo.scene import DEMO_ITEM_ID as DEMO
from lc_assets.operations import failed_checks as module
from lc_assets.operations.failed_checks import FailedCheck
from lc_assets_tests.conftest import Desk
from lc_assets_tests.products.pages.gallery_scenes import box, laid
from lc_assets_tests.rig.command import Shell, invoke

BARE = "S2A_T07HFE_20240820T174100_L2A"
"""A scene that is registered in Dagster only."""


@pytest.fixture
def desk(classified: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    classified.instance.add_dynamic_partitions("scenes", [BARE])
    monkeypatch.setattr(options, "open_session", lambda store: Session(classified.settings))
    monkeypatch.setattr(Session, "open_instance", lambda session: nullcontext(classified.instance))
    return classified


def run(*arguments: object, code: int = 0) -> Result:
    return invoke("status", *arguments, code=code)


def test_a_scene_has_status_tile_date_cloud_seconds_and_model_as_its_documents_and_runs_have_them(desk: Desk) -> None:
    told = {scene["id"]: scene for scene in json.loads(run("--json").stdout)["scenes"]}
    assert list(told) == [DEMO, BARE]
    demo: dict[str, Any] = told[DEMO]
    properties = json.loads((desk.folder(DEMO).folder / f"{DEMO}_classified.json").read_text())["properties"]
    assert (demo["status"], demo["tile"], demo["datetime"]) == ("done", "32ULC", properties["datetime"])
    assert (demo["cloud_percent"], demo["model"]) == (properties["eo:cloud_cover"], properties["lc:model"])
    [record] = desk.instance.get_run_records()
    assert demo["seconds"] == round(record.end_time - record.start_time, 1) > 0
    unknown = dict.fromkeys(("cloud_percent", "seconds", "model"))
    assert told[BARE] == {
        "id": BARE, "status": "missing", "datetime": "2024-08-20", "tile": "07HFE", "failed_checks": [],
        **unknown,
    }  # fmt: skip
    line = run().stdout.splitlines()[0]
    for part in ("done", "32ULC  2024-06-21", f"{properties['eo:cloud_cover']:.1f} % cloud", properties["lc:model"]):
        assert part in line
    assert line.endswith(DEMO)


def test_damaged_documents_do_not_stop_it(desk: Desk) -> None:
    folder = desk.folder(DEMO)
    (folder.folder / f"{DEMO}_classified.json").write_bytes(b"\xff{")
    desk.store.registered(DEMO).write_text('{"properties": {"datetime": 7, "eo:cloud_cover": "much"}, "assets": 1}')
    [demo, _] = json.loads(run("--json").stdout)["scenes"]
    assert (demo["tile"], demo["datetime"], demo["cloud_percent"]) == ("32ULC", "2024-06-21", None)


def test_names_choose_scenes_and_what_they_do_not_find_is_one_line(desk: Desk) -> None:
    for names, found in ((("32ulc",), [DEMO]), (("2024-06-21", "32ULC", BARE), [DEMO, BARE])):
        assert [scene["id"] for scene in json.loads(run("--json", *names).stdout)["scenes"]] == found
    assert "no scene in" in run("2023", code=1).output
    other = laid(desk.folder(DEMO), desk.settings.store, "33UUB", date(2024, 6, 23), box(12, 51, 13, 52))
    output = run("33UUB", code=1).output
    assert output.startswith(f"error: {other} is in the store, but it is no partition") and output.count("\n") == 1


def test_without_a_scene_it_names_the_store_and_what_to_do(shell: Shell) -> None:
    empty = f"the store {shell.store} has no scene -> name another store (--store, LC_ASSETS_STORE), or classify"
    for command in ("status", "backfill"):
        assert empty in shell(command).stderr.splitlines()[-1]
    assert json.loads(shell("status", "--json").stdout)["scenes"] == []
    (shell.store / "scenes" / DEMO).mkdir(parents=True)
    other = shell("status").stderr.splitlines()[-1]
    assert other.startswith(f"the store {shell.store} has 1 scene, but this Dagster instance has none -> register them")


def test_status_and_backfill_warn_of_records_of_another_store(desk: Desk, tmp_path: Path) -> None:
    message = "does not have any of the 2 scenes that this Dagster instance knows"
    for command in (("status",), ("backfill", "--dry-run")):
        assert message not in invoke(*command).stderr
    desk.settings = dataclasses.replace(desk.settings, store=tmp_path / "other")
    for command in (("status",), ("status", BARE), ("backfill", "--dry-run"), ("stale",)):
        assert f"the store {tmp_path / 'other'} {message}" in invoke(*command, code=None).stderr


def test_a_model_that_does_not_exist_is_an_error_and_no_map_counts_as_stale(desk: Desk, tmp_path: Path) -> None:
    desk.settings = dataclasses.replace(desk.settings, model=tmp_path / "none.json")
    assert "none.json cannot be read" in run(code=1).output


def test_warnings_are_not_counted_as_failed_checks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [FailedCheck("raw_bands", "cloud_share", "93 %", True), FailedCheck("catalog", "stac_valid", "no", False)]
    monkeypatch.setattr(module, "failed_checks", lambda instance, keys: {DEMO: [*checks, checks[0]]})
    assert run().stderr.splitlines()[-1].endswith("; 1 failed check; 2 warnings")
