"""The notebook of docs/ runs from its first cell to its last, and is stored without its outputs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "classify-a-scene.ipynb"


def code_cells(path: Path) -> dict[str, dict]:
    cells = json.loads(path.read_text())["cells"]
    return {cell["id"]: cell for cell in cells if cell["cell_type"] == "code"}


def test_the_notebook_is_stored_without_outputs() -> None:
    cells = code_cells(NOTEBOOK)
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells.values())


@pytest.mark.slow
def test_the_notebook_shows_map_beside_picture_and_sums_all_hectares(tmp_path: Path) -> None:
    for name in ("ipykernel", "matplotlib", "nbclient", "rioxarray"):
        pytest.importorskip(name, reason=f"needs {name}, which `make test-slow` installs")
    notebook = Path(shutil.copy(NOTEBOOK, tmp_path))
    # In a process of its own, because nbclient changes the handlers of signals.
    script = f"from nbclient.cli import main; main(['--inplace', '--timeout=1800', {str(notebook)!r}])"
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outputs = {name: cell["outputs"] for name, cell in code_cells(notebook).items()}
    [picture] = [output["data"]["image/png"] for output in outputs["picture"]]
    assert len(picture) > 100_000
    assert "flag_meanings" in "".join(outputs["arrays"][0]["data"]["text/plain"])
    assert outputs["areas"][0]["text"][-1].split() == ["all", "20,700.0", "ha"]
    assert 0.5 < float("".join(outputs["sure"][0]["data"]["text/plain"])) < 1
    assert [output for each in outputs.values() for output in each if output.get("name") == "stderr"] == []
    assert (tmp_path / "store").is_dir() and (tmp_path / ".dagster").is_dir()
