"""The digest of the own source, by which a worker knows that it has the code that a run was queued for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lc_assets.operations.identity import package_digest


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in ("code.py", "pages/report.html.j2", "inference/models/model.keras", "__pycache__/code.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was")
    return tmp_path


@pytest.mark.parametrize("name", ["code.py", "pages/report.html.j2", "pages/new.css"])
def test_a_change_of_code_or_template_changes_the_identity(package: Path, name: str) -> None:
    before = package_digest(package)
    (package / name).write_text("changed")
    assert package_digest(package) != before


@pytest.mark.parametrize("name", ["inference/models/model.keras", "__pycache__/code.pyc"])
def test_weights_and_compiled_files_do_not(package: Path, name: str) -> None:
    before = package_digest(package)
    (package / name).write_text("changed")
    assert package_digest(package) == before
