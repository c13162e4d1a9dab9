"""The notebook of docs/ runs from its first cell to its last, and is stored without its outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "classify-a-scene.ipynb"


def test_the_notebook_is_stored_without_outputs() -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


@pytest.mark.slow
def test_the_notebook_shows_map_beside_picture_and_sums_all_hectares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ipykernel", "matplotlib", "nbclient", "rioxarray"):
        pytest.importorskip(name, reason=f"needs {name}, which `make test-slow` installs")
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = {cell["id"]: cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"}
    [picture] = [output["data"]["image/png"] for output in outputs["picture"]]
    assert len(picture) > 100_000
    assert "flag_meanings" in outputs["arrays"][0]["data"]["text/plain"]
    assert outputs["areas"][0]["text"].splitlines()[-1].split() == ["all", "20,700.0", "ha"]
    assert 0.5 < float(outputs["sure"][0]["data"]["text/plain"]) < 1
    assert [output for each in outputs.values() for output in each if output.get("name") == "stderr"] == []
    assert (tmp_path / "store").is_dir() and (tmp_path / ".dagster").is_dir()
