"""The code location of the runs of the command line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dagster._core.workspace.load import location_origins_from_yaml_paths

import lc_assets
from lc_assets.operations.code_location import CODE_LOCATION
from lc_assets.operations.keys import ASSET_NAMES, CLASSIFY
from lc_assets.operations.runs import RunResult
from lc_assets_tests.conftest import Desk

CHECKOUT = Path(lc_assets.__file__).parents[1]


def test_a_run_of_the_command_line_is_one_of_the_code_location_that_the_ui_shows(
    classified_demo: tuple[Desk, RunResult],
) -> None:
    """The UI's timeline leaves out other runs."""
    desk, outcome = classified_demo
    run = desk.instance.get_run_by_id(outcome.run_id)
    assert run and run.remote_job_origin
    [shown] = location_origins_from_yaml_paths([str(Path(lc_assets.__file__).parent / "cli" / "workspace.yaml")])
    assert run.remote_job_origin.repository_origin.code_location_origin == shown
    assert run.remote_job_origin.repository_origin.repository_name == "__repository__"
    assert run.remote_job_origin.job_name == CLASSIFY
    assert "create_run_for_job" not in vars(desk.instance), "the instance is as before"


def test_every_program_of_dagster_is_told_the_same_code_location() -> None:
    settings = (CHECKOUT / "pyproject.toml").read_text()
    for key in ("module_name", "code_location_target_module", "code_location_name"):
        assert re.findall(rf'^{key} = "(.*)"$', settings, re.MULTILINE) == [CODE_LOCATION], key
    for file in ("workspace.yaml", "deploy/workspace.yaml", "lc_assets/cli/workspace.yaml"):
        [shown] = location_origins_from_yaml_paths([str(CHECKOUT / file)])
        assert shown.location_name == CODE_LOCATION, file


@pytest.mark.slow
def test_dg_lists_the_assets_and_jobs(tmp_path: Path) -> None:
    dg = shutil.which("dg", path=Path(sys.executable).parent)
    if dg is None:
        pytest.skip("needs dg, which `make test-slow` installs")
    done = subprocess.run([dg, "list", "defs", "--json"], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    listed = json.loads(done.stdout)
    groups = {asset["asset_key"]: asset["group_name"] for asset in listed["assets"]}
    assert {key for key, group in groups.items() if group == "land_cover"} == set(ASSET_NAMES)
    assert CLASSIFY in {job["name"] for job in listed["jobs"]}
