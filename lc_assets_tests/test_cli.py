"""The command line and the `dagster` commands, as separate processes, from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets_tests.conftest import copy_scene, edit_item

CHECKOUT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DAGSTER_HOME": str(home / "dagster"),
        "LC_ASSETS_STORE": str(home / "store"),
        "LC_ASSETS_STAC_URL": "http://127.0.0.1:9",
        "DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME": "lc_assets.definitions",
    }


def lc_assets(home: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lc_assets.cli", *arguments]
    return subprocess.run(command, cwd=home, env=environment(home), capture_output=True, text=True, **options)  # type: ignore[call-overload]


def second_scene(demo_item: Path, folder: Path, item_id: str = "S2B_MSIL2A_20240624T103629_R008_T32ULC_X") -> Path:
    path = copy_scene(demo_item, folder)
    edit_item(path, lambda document: document.update(id=item_id))
    return path


def test_help_names_every_command_and_what_a_reference_is(tmp_path: Path) -> None:
    done = lc_assets(tmp_path, "--help")
    assert done.returncode == 0
    for word in ("classify", "register", "demo", "ui", "REFERENCE", "LC_ASSETS_STORE", "DAGSTER_HOME"):
        assert word in done.stdout


def test_one_bad_reference_does_not_stop_the_others(demo_item: Path, tmp_path: Path) -> None:
    bad = second_scene(demo_item, tmp_path / "bad")
    (bad.parent / "B07.tif").write_bytes(b"")
    done = lc_assets(
        tmp_path, "classify", str(bad), "../../nowhere/else", "S2A_UNKNOWN", str(demo_item), "--stride", "64"
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert (tmp_path / "store" / "scenes" / DEMO_ITEM_ID / "catalog.json").exists()
    assert "3 of 4 failed" in done.stderr
    for told in ("B07: the file is empty", "no file ../../nowhere/else", "S2A_UNKNOWN"):
        assert told in done.stderr


def test_references_can_be_listed_in_a_file(demo_item: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"# scenes\n\n{demo_item}\n")
    done = lc_assets(tmp_path, "register", "--from", "list.txt")
    assert done.returncode == 0, done.stderr
    assert f"registered: {DEMO_ITEM_ID}" in done.stdout
    again = lc_assets(tmp_path, "register", str(demo_item.parents[1]))  # the folder's catalog.json
    assert f"known already: {DEMO_ITEM_ID}" in again.stdout
    bare = lc_assets(tmp_path, "register", DEMO_ITEM_ID)  # found among the registered items
    assert bare.returncode == 0, bare.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("classify",), "at least one REFERENCE"),
        (("classify", "x", "--stride", "seven"), "not a valid integer"),
        (("nonsense",), "No such command"),
    ],
)
def test_a_wrong_command_line_is_explained(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = lc_assets(tmp_path, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stride_that_does_not_divide_the_chip_is_explained(demo_item: Path, tmp_path: Path) -> None:
    done = lc_assets(tmp_path, "classify", str(demo_item), "--stride", "17")
    assert done.returncode == 1
    assert "choose a stride of 1, 2, 4, 8, 16, 32, 64" in done.stderr


def test_a_bad_setting_is_explained(demo_item: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lc_assets.cli", "classify", str(demo_item)]
    env = {**environment(tmp_path), "LC_ASSETS_STACK": "zarr"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "LC_ASSETS_STACK is 'zarr'" in done.stderr
    env = {**environment(tmp_path), "LC_ASSETS_MODEL": "nowhere.json"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "nowhere.json cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkout_gets_a_home_that_dagster_commands_find(demo_item: Path, tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text((CHECKOUT / "workspace.yaml").read_text())
    env = {k: v for k, v in environment(tmp_path).items() if k not in ("DAGSTER_HOME", "LC_ASSETS_STORE")}
    command = [sys.executable, "-m", "lc_assets.cli", "register", str(demo_item)]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    assert (tmp_path / ".dagster" / "dagster.yaml").exists()
    assert "enabled: false" in (tmp_path / ".dagster" / "dagster.yaml").read_text()  # telemetry
    materialize = [BIN / "dagster", "asset", "materialize", "--select", "*", "--partition", DEMO_ITEM_ID]
    done = subprocess.run(materialize, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "store" / "scenes" / DEMO_ITEM_ID / "catalog.json").exists()


def test_a_job_backfill_from_the_checkout_classifies_all_its_partitions(demo_item: Path, tmp_path: Path) -> None:
    other = second_scene(demo_item, tmp_path / "other")
    ids = [DEMO_ITEM_ID, json.loads(other.read_text())["id"]]
    assert lc_assets(tmp_path, "register", str(demo_item), str(other)).returncode == 0
    env = environment(tmp_path)
    backfill = [
        BIN / "dagster",
        "job",
        "backfill",
        "-j",
        "classify_scenes",
        "--partitions",
        ",".join(ids),
        "--noprompt",
    ]
    done = subprocess.run(backfill, cwd=CHECKOUT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    with (tmp_path / "daemon.log").open("w") as log:
        daemon = subprocess.Popen([BIN / "dagster-daemon", "run"], cwd=CHECKOUT, env=env, stdout=log, stderr=log)
    try:
        wanted = [tmp_path / "store" / "scenes" / item / "catalog.json" for item in ids]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not all(path.exists() for path in wanted):
            time.sleep(0.5)
        assert all(path.exists() for path in wanted), (tmp_path / "daemon.log").read_text()[-3000:]
    finally:
        daemon.terminate()
        daemon.wait(timeout=30)
