"""The command line, and the `dagster` commands from the checkout as the processes that they are."""

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
from lc_assets_tests.operations.daemons import end_daemon
from lc_assets_tests.rig.command import Shell
from loopback.programs import WAIT_SECONDS

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MATERIALIZE = {"DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME": "lc_assets.definitions"}
"""What activating .venv sets: `dagster asset materialize` does not read workspace.yaml."""


def second_scene(demo_item: Path, folder: Path, item_id: str = "S2B_MSIL2A_20240624T103629_R008_T32ULC_X") -> Path:
    path = copy_scene(demo_item, folder)
    edit_item(path, lambda document: document.update(id=item_id))
    return path


def test_help_names_every_command_and_what_a_reference_is(tmp_path: Path) -> None:
    """In a process of its own: the way in from a shell."""
    command = [sys.executable, "-m", "lc_assets.cli.main", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    for word in ("classify", "register", "demo", "ui", "REFERENCE", "LC_ASSETS_STORE", "DAGSTER_HOME"):
        assert word in done.stdout


def test_help_is_quick(tmp_path: Path) -> None:
    """No help text, of the group or of a command, imports a package that takes long to import."""
    script = """
import sys

from lc_assets.cli.main import main


def show_help(command):
    command.main(["--help"], standalone_mode=False)
    for child in getattr(command, "commands", {}).values():
        show_help(child)


show_help(main)
slow = {"dagster", "numpy", "rasterio", "keras", "openvino", "obstore", "pystac"}
print(sorted(slow & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert "--mask-dilation" in done.stdout
    assert done.stderr == "[]\n"


def test_one_bad_reference_does_not_stop_the_others(demo_item: Path, shell: Shell, tmp_path: Path) -> None:
    bad = second_scene(demo_item, tmp_path / "bad")
    (bad.parent / "B07.tif").write_bytes(b"")
    references = (bad, "../../nowhere/else", "S2A_UNKNOWN", demo_item)
    done = shell("classify", *references, "--stride", 64, code=1)
    assert (shell.store / "scenes" / DEMO_ITEM_ID / "catalog.json").exists()
    assert "3 of 4 failed" in done.stderr
    for told in ("B07: the file is empty", "no file ../../nowhere/else", "S2A_UNKNOWN"):
        assert told in done.stderr


def test_references_can_be_listed_in_a_file(demo_item: Path, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"# scenes\n\n{demo_item}\n")
    assert f"registered: {DEMO_ITEM_ID}" in shell("register", "--from", "list.txt").stdout
    again = shell("register", demo_item.parents[1])  # the folder's catalog.json
    assert f"known already: {DEMO_ITEM_ID}" in again.stdout
    shell("register", DEMO_ITEM_ID)  # found among the registered items


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("classify",), "at least one REFERENCE"),
        (("classify", "x", "--stride", "seven"), "not a valid integer"),
        (("nonsense",), "No such command"),
    ],
)
def test_a_wrong_command_line_is_explained(shell: Shell, arguments: tuple[str, ...], told: str) -> None:
    assert told in shell(*arguments, code=2).stderr


def test_a_stride_that_does_not_divide_the_chip_is_explained(demo_item: Path, shell: Shell) -> None:
    done = shell("classify", demo_item, "--stride", 17, code=1)
    assert "choose a stride of 1, 2, 4, 8, 16, 32, 64" in done.stderr


def test_a_bad_setting_is_explained(demo_item: Path, shell: Shell) -> None:
    assert "LC_ASSETS_STACK is 'zarr'" in shell("classify", demo_item, code=1, LC_ASSETS_STACK="zarr").stderr
    done = shell("classify", demo_item, code=1, LC_ASSETS_MODEL="nowhere.json")
    assert "nowhere.json cannot be read" in done.stderr


@pytest.mark.parametrize("below", ["", "below/it"])
@pytest.mark.parametrize(
    "command", [("status",), ("view",), ("classify", "x"), ("remove", "x"), ("map", "--name", "x")]
)
def test_a_store_that_is_a_file_is_one_clear_error(shell: Shell, command: tuple[str, ...], below: str) -> None:
    (shell.folder / "afile").write_text("mine")
    done = shell(*command, "--store", shell.folder / "afile" / below, code=1)
    assert done.output.startswith("error: the store ") and done.output.count("\n") == 1
    assert f"{shell.folder / 'afile'} is a file -> name another folder with --store" in done.output


@pytest.mark.parametrize("name", ["a#b", "a?b"])
def test_a_store_whose_path_stac_links_cannot_have_is_refused(shell: Shell, name: str) -> None:
    done = shell("classify", "x", "--store", shell.folder / name, code=1)
    assert done.output.startswith("error: the store ") and done.output.count("\n") == 1
    assert "has a # or ? in its path" in done.output
    assert not (shell.folder / name).exists()


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("dagster.yaml", b"- a list", "to parse to dictionary"),
        ("dagster.yaml", b"a: [", "while parsing"),
        ("history/runs.db", b"no database" * 400, "file is not a database"),
        ("schedules/schedules.db", b"no database" * 400, "file is not a database"),
    ],
    ids=["a list", "no YAML", "runs", "schedules"],
)
def test_a_damaged_dagster_home_is_one_clear_error(shell: Shell, file: str, content: bytes, reason: str) -> None:
    shell("status")
    (shell.home / file).write_bytes(content)
    done = shell("status", code=1)
    assert done.output.startswith(f"error: Dagster cannot open its instance in DAGSTER_HOME {shell.home} (")
    assert reason in done.output and done.output.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        (("status",), "LC_ASSETS_AREA"),
        (("map", "--name", "x", "--area"), ""),
        (("search", "--geometry"), ""),
        (("watch",), "LC_ASSETS_WATCH"),
        (("model", "describe"), "LC_ASSETS_MODEL"),
    ],
    ids=" ".join,
)
def test_a_pipe_in_place_of_a_file_is_one_clear_error(shell: Shell, command: tuple[str, ...], variable: str) -> None:
    path = shell.folder / "pipe"
    os.mkfifo(path)
    done = shell(*command, *([] if variable else [path]), code=1, **({variable: str(path)} if variable else {}))
    assert f"{path} cannot be read (it is a device or a pipe)" in done.output
    assert done.output.count("\n") == 1


def test_a_name_that_is_too_long_is_one_clear_error(shell: Shell, demo_item: Path) -> None:
    shell("register", demo_item)
    long = "y" * 300
    for done in (
        shell("model", "describe", code=1, LC_ASSETS_MODEL=long),
        shell("status", code=1, LC_ASSETS_MODEL=long),
        shell("status", code=1, DAGSTER_HOME=long),
        shell("export", "32ulc", "--to", "out", "--store", long, code=1),
    ):
        assert "File name too long" in done.output and done.output.count("\n") == 1


def test_output_on_a_full_disk_is_one_clear_error(shell: Shell) -> None:
    with Path("/dev/full").open("w") as full:
        command = [BIN / "lc-assets", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=shell.child_environment())
    assert done.returncode == 1
    assert done.stderr == (
        "error: the output cannot be written (No space left on device) -> free some space, then run it again\n"
    )


@pytest.mark.slow
def test_a_checkout_gets_a_home_that_dagster_commands_find(demo_item: Path, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text((CHECKOUT / "workspace.yaml").read_text())
    env = shell.child_environment() | MATERIALIZE
    del env["DAGSTER_HOME"], env["LC_ASSETS_STORE"]
    shell("register", demo_item, DAGSTER_HOME=None, LC_ASSETS_STORE=None)
    assert (tmp_path / ".dagster" / "dagster.yaml").exists()
    assert "enabled: false" in (tmp_path / ".dagster" / "dagster.yaml").read_text()  # telemetry
    materialize = [BIN / "dagster", "asset", "materialize", "--select", "raw_bands", "--partition", DEMO_ITEM_ID]
    done = subprocess.run(materialize, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "store" / "scenes" / DEMO_ITEM_ID / "raw_bands" / "manifest.json").exists()


@pytest.mark.slow
def test_a_job_backfill_from_the_checkout_classifies_all_its_partitions(
    demo_item: Path, shell: Shell, tmp_path: Path
) -> None:
    other = second_scene(demo_item, tmp_path / "other")
    ids = [DEMO_ITEM_ID, json.loads(other.read_text())["id"]]
    shell("register", demo_item, other)
    env = shell.child_environment()
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
        command = [sys.executable, "-m", "loopback.quick_daemon", "run"]
        daemon = subprocess.Popen(command, cwd=CHECKOUT, env=env, stdout=log, stderr=log)
    try:
        wanted = [tmp_path / "store" / "scenes" / item / "catalog.json" for item in ids]
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and not all(path.exists() for path in wanted):
            time.sleep(0.5)
        assert all(path.exists() for path in wanted), (tmp_path / "daemon.log").read_text()[-3000:]
    finally:
        end_daemon(daemon)
