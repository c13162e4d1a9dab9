"""The wheel and its extra `dg`, in an environment of their own and in an empty folder: no checkout, no developers'
packages."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lc_assets.defs.assets import SCENE_ASSETS
from lc_assets.demo.scene import DEMO_ITEM_ID
from loopback.programs import RIG, WAIT_SECONDS, Program, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (RIG / "wheel" / ".installed").exists(), reason="needs .rig/wheel, which `make test-slow` installs"
    ),
]
CHECKOUT = Path(__file__).parents[1]
BIN = RIG / "wheel" / "bin"
SOURCES = ("lc_assets", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
NAMES = {asset.key.to_user_string() for asset in SCENE_ASSETS}


class Installed:
    """The commands of the environment that has the wheel, in a folder that was empty."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
        self.said = ""
        self.made: set[str] = set()

    def __call__(self, *command: object) -> str:
        """Run a command, which must succeed. Returns its standard output."""
        line = [str(BIN / str(command[0])), *map(str, command[1:])]
        done = subprocess.run(line, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of this checkout, installed, and the demo made with it."""
    # A copy: setuptools would also pack what an earlier build has left in the checkout.
    sources = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copyfile
        copy(CHECKOUT / name, sources / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", sources / "dist", sources]
    subprocess.run(build, check=True)
    [wheel] = (sources / "dist").glob("*.whl")
    put = ["install", "--no-index", "--no-deps", "--no-compile", "--force-reinstall", wheel]
    subprocess.run([*pip, "--python", BIN / "python", *put], check=True)
    installed = Installed(tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("home"))
    installed.said = installed("lc-assets", "demo")
    installed.made = {path.name for path in installed.folder.iterdir()}
    return installed


def test_the_demo_runs_in_an_empty_folder(installed: Installed) -> None:
    assert "% of the pixels are classified right" in installed.said
    card = re.search(r"How good maps of real scenes are: (\S+)", installed.said)
    assert card and "maps" in (installed.folder / card[1]).read_text()
    folder = installed.folder / "store" / "scenes" / DEMO_ITEM_ID
    assert all((folder / name).exists() for name in ("catalog.json", "report.html", f"{DEMO_ITEM_ID}_classified.tif"))
    assert installed.made == {".dagster", "demo_scene", "store"}


def test_a_scene_is_classified_and_viewed(installed: Installed, demo_item: Path) -> None:
    assert "mean confidence" in installed("lc-assets", "classify", demo_item, "--window", 64, "--stride", 32)
    for words in (["32ULC"], []):
        page = installed("lc-assets", "view", "--no-open", *words).splitlines()[0]
        assert DEMO_ITEM_ID in Path(page).read_text()


def test_dagsters_commands_find_the_assets_and_run_them(installed: Installed, demo_item: Path) -> None:
    installed("lc-assets", "register", demo_item)
    installed.environment["DAGSTER_HOME"] = str(installed.folder / ".dagster")
    assert set(installed("dagster", "asset", "list", "-m", "lc_assets.definitions").split()) >= NAMES
    page = (CHECKOUT / "docs" / "container.md").read_text()
    (installed.folder / "dg.toml").write_text(page.partition("```toml\n")[2].partition("```")[0])
    listed = json.loads(installed("dg", "list", "defs", "--json"))
    assert {asset["asset_key"] for asset in listed["assets"]} >= NAMES
    overview = installed.folder / "store" / "scenes" / DEMO_ITEM_ID / f"overview_{DEMO_ITEM_ID}_classified.tif"
    before = overview.stat().st_mtime_ns
    installed("dg", "launch", "--assets", "overview", "--partition", DEMO_ITEM_ID)
    assert overview.stat().st_mtime_ns > before


@pytest.fixture
def ui(installed: Installed, tmp_path: Path) -> Iterator[str]:
    """The address of `lc-assets ui`."""
    port = free_port(2)  # the next one is for the store's files
    command = [str(BIN / "lc-assets"), "ui", "--port", str(port), "--store", str(installed.folder / "store")]
    environment = {**installed.environment, "DAGSTER_HOME": str(tmp_path / "home"), "PYTHONPATH": ""}
    program = Program(command, port, tmp_path, environment=environment, end="INT").wait()
    yield f"http://127.0.0.1:{port}"
    program.stop()


def test_the_ui_starts_and_shows_the_assets(ui: str) -> None:
    query = json.dumps({"query": "{assetNodes {assetKey {path}}}"}).encode()
    request = urllib.request.Request(f"{ui}/graphql", query, {"Content-Type": "application/json"})
    found: set[str] = set()
    deadline = time.monotonic() + WAIT_SECONDS
    while not found >= NAMES and time.monotonic() < deadline:  # the code location is loaded after the page
        with urllib.request.urlopen(request, timeout=60) as answer:
            nodes = json.load(answer)["data"]["assetNodes"]
        found = {node["assetKey"]["path"][-1] for node in nodes}
        time.sleep(0.5)
    assert found >= NAMES
