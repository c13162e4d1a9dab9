"""What the shell completes, and that it does so without a slow import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from lc_assets.cli.main import main
from lc_assets.store.layout import Store

JUNE = "S2B_MSIL2A_20240621T103629_R008_T32ULC_20240621T140000"
JULY = "S2A_MSIL2A_20240701T103631_R008_T32ULC_20240701T160000"
OTHER = "S2B_MSIL2A_20240623T103629_R008_T33UUB_20240623T140000"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with three scenes and one season map, as LC_ASSETS_STORE."""
    opened = Store.at(tmp_path / "store")
    for item in (JUNE, JULY):
        opened.scene(item).folder.mkdir(parents=True)
    for path in (opened.registered(OTHER), opened.registered_map("scania")):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    monkeypatch.setenv("LC_ASSETS_STORE", str(opened.root))
    return tmp_path / "store"


def completed(*words: str) -> list[str]:
    """What completes the last word; the type of a value that the shell has to complete."""
    *before, text = words
    found = ShellComplete(main, {}, "lc-assets", "_LC_ASSETS_COMPLETE").get_completions(list(before), text)
    return [item.value if item.type == "plain" else item.type for item in found]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("rem",), ["remove"]),
        (("remove", "--d"), ["--dry-run"]),
        (("view", "3"), ["32ULC", "33UUB"]),
        (("view", "32u"), ["32ULC"]),
        (("view", "32ULC", ""), ["2024-06-21", "2024-07-01"]),
        (("classify", "32ULC", "2024-07"), ["2024-07-01"]),
        (("remove", "S2B"), [JUNE, OTHER]),
        (("agreement", "2024-07"), [JULY]),  # a part that fits one scene
        (("backfill", "R008"), ["file"]),  # a part that fits several is not one word
        (("register", "./it"), ["file"]),
        (("export", "s"), ["scania"]),
        (("view", "s"), ["scania"]),
        (("map", "--name", "sc"), ["scania"]),
        (("change", "sc"), ["scania"]),
        (("status", "--store", "elsewhere", "3"), []),
        (("view", "--store", "s3://bucket/maps", "3"), []),  # it would have to be asked
        (("view", "--store", "/dev/null", "3"), []),
    ],
)
def test_commands_options_scenes_and_maps_are_completed(words: tuple[str, ...], found: list[str]) -> None:
    assert completed(*words) == found


def test_a_completion_in_a_shell_imports_nothing_slow(store: Path) -> None:
    script = """
import sys
from lc_assets.cli.main import main
try:
    main(prog_name="lc-assets")
except SystemExit:
    pass
slow = {"dagster", "numpy", "rasterio", "keras", "openvino", "obstore", "pystac", "shapely", "requests"}
print(sorted(slow & set(sys.modules)), file=sys.stderr)
"""
    asked = {"_LC_ASSETS_COMPLETE": "bash_complete", "COMP_WORDS": "lc-assets view 32ULC ", "COMP_CWORD": "3"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True)
    assert done.stdout.split() == ["plain,2024-06-21", "plain,2024-07-01"]
    assert done.stderr == "[]\n"
