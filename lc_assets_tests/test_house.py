"""Rules for the packages (rooms) of `lc_assets`: allowed imports, imports of Dagster, and the length of files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import lc_assets

PACKAGE = Path(lc_assets.__file__).parent
TESTS = Path(__file__).parent
ROOT = TESTS.parent
FLOORS = (
    {"core"},
    {"store", "remote", "raster"},
    {"sentinel2"},
    {"inference", "operations", "demo"},
    {"training", "products"},
    {"defs"},
    {"cli"},
    {"cluster"},
)
WITH_DAGSTER = {"operations", "defs", "cli", "cluster"}
LONGEST = 350

MODULES = {
    ".".join(("lc_assets", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of all modules and objects that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """Return the modules of this package that a file imports."""
    names = (name if name in MODULES else name.rpartition(".")[0] for name in imports(path))
    return {name for name in names if name in MODULES and name != "lc_assets"}


def room(module: str) -> str:
    return module.split(".")[1]


def floor(module: str) -> int:
    found = [number for number, rooms in enumerate(FLOORS) if room(module) in rooms]
    return found[0] if found else len(FLOORS)  # lc_assets.definitions


def test_the_package_contains_only_the_rooms_and_the_code_location() -> None:
    there = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert there == {*set().union(*FLOORS), "__init__.py", "definitions.py", "py.typed"}


def test_a_room_imports_only_rooms_below_it() -> None:
    upwards = [
        f"{module} imports {other}"
        for module, path in MODULES.items()
        if module not in ("lc_assets", "lc_assets.definitions")
        for other in own_imports(path)
        if room(other) != room(module) and floor(other) >= floor(module)
    ]
    assert upwards == []


def test_imports_form_no_circle() -> None:
    graph = {module: own_imports(path) - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"these import each other: {' <- '.join(error.args[1])}") from None


def test_only_four_rooms_import_dagster() -> None:
    elsewhere = [
        module
        for module, path in MODULES.items()
        if module.count(".") and room(module) not in WITH_DAGSTER
        for name in imports(path)
        if name.split(".")[0].startswith("dagster")
    ]
    assert elsewhere == []


def too_long(folder: Path) -> dict[str, int]:
    """Return file -> number of lines, for the files below a folder with more than `LONGEST` lines."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py")}
    return {path.relative_to(folder).as_posix(): lines for path, lines in lengths.items() if lines > LONGEST}


def test_no_file_is_too_long() -> None:
    assert too_long(PACKAGE) == {}


def test_no_file_beside_the_package_is_too_long() -> None:
    assert [too_long(ROOT / folder) for folder in ("lc_assets_tests", "loopback", "benchmarks", "deploy")] == [{}] * 4


def test_only_tests_import_the_tests() -> None:
    """What tests and benchmarks both run on loopback is in `loopback`, which imports neither."""
    forbidden = {
        "lc_assets": {"lc_assets_tests", "loopback", "benchmarks", "deploy", "pytest"},
        "loopback": {"lc_assets_tests", "benchmarks", "deploy", "pytest"},
        "benchmarks": {"lc_assets_tests", "deploy", "pytest"},
        "deploy": {"lc_assets_tests", "benchmarks", "pytest"},
    }
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for folder, others in forbidden.items()
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in imports(path)
        if name.split(".")[0] in others
    ]
    assert found == []


def test_no_test_file_imports_from_another() -> None:
    """Helpers for several test files are in other modules, or are fixtures in a `conftest.py`."""
    found = [
        f"{path.relative_to(TESTS)} imports {name}"
        for path in sorted(TESTS.rglob("*.py"))
        for name in imports(path)
        if name.startswith("lc_assets_tests.") and ".test_" in name
    ]
    assert found == []


def test_only_core_reads_and_changes_the_environment() -> None:
    touching = [name for name, path in MODULES.items() if {"os.environ", "os.getenv"} & {*_attributes(path)}]
    assert touching == ["lc_assets.core.environment"]


def _attributes(path: Path) -> Iterator[str]:
    """Yield the attributes of modules that a file uses, such as `os.environ`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
