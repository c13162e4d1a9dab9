"""The files of `deploy/` for containers: they are valid, agree with each other, and the application package runs.

No image is built or pulled. `cwltool --no-container` runs the package with the `lc-assets` of this environment.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio
import yaml

import lc_assets
from lc_assets.products.stac.catalog import read_catalog
from lc_assets_tests.conftest import copy_scene, edit_item

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PACKAGE = DEPLOY / "app-package.cwl"
BIN = Path(sys.executable).parent
IMAGE = f"lc-assets:{lc_assets.__version__}"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"needs {name}, which `make test-slow` installs")
    return found


def test_compose_and_package_name_the_image_of_this_version() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert {service["image"] for service in compose["services"].values()} == {IMAGE}
    package = yaml.safe_load(PACKAGE.read_text())
    assert package["s:softwareVersion"] == lc_assets.__version__
    assert [part["hints"]["DockerRequirement"]["dockerPull"] for part in package["$graph"] if "hints" in part] == [
        IMAGE
    ]


def test_the_image_is_made_of_files_that_exist_and_of_the_locked_versions() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (?!--)(.*) /src\S*$", text, re.MULTILINE) for name in line.split()]
    assert {"constraints.txt", "lc_assets"} <= {*copied}
    assert all((ROOT / name).exists() for name in copied)
    assert "--constraint /src/constraints.txt" in text


def test_what_compose_publishes_is_reached_from_this_machine_only() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:3000:3000", "127.0.0.1:3001:3001"]


@pytest.mark.slow
def test_hadolint_accepts_the_containerfile() -> None:
    done = subprocess.run([program("hadolint"), DEPLOY / "Containerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
def test_compose_is_valid_by_the_compose_specification() -> None:
    specification = pytest.importorskip("compose_spec", reason="needs compose-spec, which `make test-slow` installs")
    options = specification.PyOptions()
    options.apply_merge = True
    text = (DEPLOY / "compose.yaml").read_text()
    compose = options.from_yaml(text)
    compose.validate()
    assert compose.service_names() == ["setup", "ui", "daemon", "files"]


@pytest.mark.slow
def test_the_application_package_returns_a_folder_with_a_catalog_for_each_scene(
    demo_item: Path, tmp_path: Path
) -> None:
    second = copy_scene(demo_item, tmp_path)
    edit_item(second, lambda document: document.update(id="S2B_MSIL2A_20240624T103629_R008_T32ULC_X"))
    (tmp_path / "job.json").write_text(json.dumps({"input_reference": [str(demo_item), str(second)]}))
    command = [program("cwltool"), "--no-container", "--disable-color", "--outdir", tmp_path / "out"]
    done = subprocess.run(
        [*command, f"{PACKAGE}#land-cover", tmp_path / "job.json"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    folders = [Path(entry["path"]) for entry in json.loads(done.stdout)["land_cover"]]
    assert sorted(folders) == sorted((tmp_path / "out").iterdir())
    for folder, source in zip(folders, (demo_item, second), strict=True):
        assert folder.name == json.loads(source.read_text())["id"]
        assert [path.name for path in folder.glob("raw_bands/*")] == ["item.json"]
        [item] = read_catalog(folder / "catalog.json").get_items()
        assert all(Path(asset.get_absolute_href() or "").is_file() for asset in item.assets.values())
        with rasterio.open(item.assets["classified"].get_absolute_href()) as dataset:
            assert len(dataset.read(1).ravel().tobytes()) == 246 * 258
            assert len(set(dataset.read(1).ravel().tolist())) > 4
