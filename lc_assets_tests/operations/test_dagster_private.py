"""Dagster's private names: each still exists, and only the two modules made for them import them."""

from __future__ import annotations

import ast
import importlib
from importlib.metadata import version
from pathlib import Path

import pytest

import lc_assets

PACKAGE = Path(lc_assets.__file__).parent
# Read as text: an import of these modules stops at the first missing name.
MODULES = [PACKAGE / room / "dagster_private.py" for room in ("operations", "cluster")]


def private_names(path: Path) -> list[tuple[str, str]]:
    """(module, name) of each name that a file imports from a private module of Dagster; "" for the module itself."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found += [(str(node.module), alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return [(module, name) for module, name in found if module.startswith("dagster._")]


@pytest.mark.parametrize(
    ("module", "name"), [pytest.param(*names, id=".".join(names)) for path in MODULES for names in private_names(path)]
)
def test_the_installed_dagster_has_the_private_name(module: str, name: str) -> None:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        pytest.fail(f"dagster {version('dagster')} has no module {module}, from which {name} is imported: {error}")
    assert hasattr(found, name), f"dagster {version('dagster')} has no {module}.{name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.parent.name)
def test_the_docstring_names_the_installed_dagster(path: Path) -> None:
    assert f"dagster=={version('dagster')}," in str(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))


def test_no_other_module_imports_private_names_of_dagster() -> None:
    others = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if private_names(path)}
    assert others == {str(path.relative_to(PACKAGE)) for path in MODULES}
