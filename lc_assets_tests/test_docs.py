"""The pages are correct: the links, commands, variables and modules in them exist, and their tables match the code.

The pages are README, CONTRIBUTING, docs/ and deploy/.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

import lc_assets
from lc_assets.cli.main import main
from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.loading import read_contract
from lc_assets.products.agreement.crosswalk import shipped as shipped_crosswalk
from lc_assets.products.stac.collection import Summary, collection_document
from lc_assets.store.product_layout import CATALOG_FILE
from lc_assets_tests.conftest import Desk, copy_scene, edit_item
from lc_assets_tests.inference.networks import position_model

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS, *sorted((ROOT / "deploy").glob("*.md"))]
LONGEST_LINE = 100
"""Characters of a line of prose. Tables and code may be longer, and so may the target of a link."""
MOST_LINES = {"README.md": 230, "CONTRIBUTING.md": 80, "docs/architecture.md": 160}

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_VARIABLE = re.compile(r"\bLC_ASSETS_[A-Z_]*[A-Z]")
_MODULE = re.compile(r"\blc_assets(?:_tests)?[./][\w./-]*\w")
"""Name of a file, a folder or a module of this project."""


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(params=PAGES, ids=named)
def page(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_the_index_links_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    assert len(DOCS) >= 9
    for path in DOCS:
        assert path.name == "README.md" or f"]({path.name})" in index


def test_every_relative_link_points_to_an_existing_file_and_heading(page: Path) -> None:
    wrong = []
    for target in _LINK.findall(_prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and anchor not in _anchors(place)):
            wrong.append(target)
    assert not wrong, f"{named(page)} links to missing files or headings: {wrong}"


def test_every_picture_of_the_docs_is_used() -> None:
    pictures = {path.name for path in (ROOT / "docs").glob("*.png")}
    linked = {Path(target).name for page in PAGES for target in _LINK.findall(_prose(page))}
    assert pictures
    assert pictures <= linked


def test_lines_of_prose_are_short(page: Path) -> None:
    lines = [_LINK.sub("[]", line) if len(line) > LONGEST_LINE else line for line in _prose(page).splitlines()]
    assert [line for line in lines if len(line) > LONGEST_LINE and not line.startswith(("|", "    "))] == []


@pytest.mark.parametrize(("page", "most"), MOST_LINES.items())
def test_the_first_pages_are_short(page: str, most: int) -> None:
    assert len((ROOT / page).read_text().splitlines()) <= most


def test_every_file_and_module_that_the_pages_name_exists(page: Path) -> None:
    locations = (ROOT / "lc_assets" / "cli" / "workspace.yaml").read_text()
    run_tags = set(_literals().splitlines())
    names = sorted(set(_MODULE.findall(page.read_text())) - run_tags)
    assert [name for name in names if not _is_here(name) and name not in locations] == []


def test_every_name_of_the_code_in_architecture_exists() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "lc_assets").rglob("*.py"))
    names = _CODE.findall(_prose(ROOT / "docs" / "architecture.md"))
    assert [n for n in names if n.isidentifier() and not re.search(rf"\b{n}\b", sources)] == []


def test_every_command_and_option_that_the_pages_name_exists(page: Path) -> None:
    wrong = [text for text in _commands(page.read_text()) if not _exists(text)]
    assert not wrong, f"{named(page)} names missing commands: {wrong}"


def test_the_pages_name_every_command() -> None:
    shown = {tuple(words) for page in PAGES for text in _commands(page.read_text()) if (words := _command(text)[1])}
    assert set(_all_commands(main)) <= shown


def test_every_variable_that_the_code_reads_is_documented_and_every_documented_one_is_read() -> None:
    sources = [
        *(ROOT / "lc_assets").rglob("*.py"),
        *(path for path in (ROOT / "deploy").iterdir() if path.suffix in (".yaml", ".example")),
    ]
    read = {name for path in sources for name in _VARIABLE.findall(path.read_text())}
    documented = {name for page in PAGES for name in _VARIABLE.findall(page.read_text())}
    assert "LC_ASSETS_STORE" in read
    assert read == documented


def test_every_message_that_the_docs_explain_is_in_the_code() -> None:
    texts = _literals()
    messages = [
        message
        for _, rows in _tables(ROOT / "docs" / "faults.md", "message")
        for row in rows
        for message in _CODE.findall(row[0])
    ]
    assert len(messages) >= 30
    # In a message, `...` and numbers are placeholders for values.
    pieces = {m: [p for part in re.split(r"\.\.\.|\d+", m) if len(p := part.strip(" ();:,")) > 1] for m in messages}
    assert [m for m, parts in pieces.items() if not parts or not all(part in texts for part in parts)] == []


def test_the_docs_have_the_class_table_of_the_code() -> None:
    [(_, rows)] = _tables(ROOT / "docs" / "concepts.md", "code")
    assert rows == [[str(c.code), c.name, c.title, f"`#{c.hex}`"] for c in ALL_CLASSES]


def test_the_page_on_models_has_the_version_and_the_chip_figures_of_the_shipped_contract() -> None:
    contract, _ = read_contract(SHIPPED)
    chips, weak = contract.metrics["l1c_official_validation"], contract.metrics["l2a_held_out_8_votes"]
    unseen = contract.metrics["l1c_validation_half_not_used_for_temperature"]
    positions = contract.metrics["positions_of_mixed_chips_and_held_out_parts_of_scenes"]
    text = " ".join((ROOT / "docs" / "your-own-model.md").read_text().split())
    for claim in (
        f"accuracy of version {contract.version}:",
        f"({contract.hyperparameters['multiply_adds_per_pixel']:,.0f} multiply-adds per pixel)",
        f"{100 * chips['accuracy']:.1f} % of the {chips['chips']} chips",
        f"agrees with {100 * weak['agreement']:.1f} % of {weak['chips']} chips",
        f"{unseen['expected_calibration_error']:.3f} for the chips",
        f"{positions['expected_calibration_error']:.3f} for positions",
    ):
        assert claim in text


def test_the_docs_show_lines_of_a_shipped_crosswalk() -> None:
    [shown] = re.findall(r"```csv\n(.*?)```", (ROOT / "docs" / "looking.md").read_text(), re.DOTALL)
    shipped = shipped_crosswalk("esa-worldcover")
    assert shipped
    assert set(shown.splitlines()) <= set(shipped.read_text().splitlines())


def test_stac_fields_lists_exactly_the_written_fields(desk: Desk, demo_item: Path, tmp_path: Path) -> None:
    """The source item has all fields that are copied, so the written item has all possible fields."""
    item = copy_scene(
        demo_item,
        tmp_path,
        gsd=10,
        license="other",
        providers=[{"name": "ESA", "roles": ["producer"]}],
        start_datetime="2024-06-21T10:36:29Z",
        end_datetime="2024-06-21T10:36:30Z",
        **{"s2:datatake_id": "GS2B_20240621T103629_038084_N05.11"},
    )
    edit_item(item, lambda d: d["links"].append({"rel": "license", "href": "https://example.com/licence"}))
    desk.settings = replace(desk.settings, model=position_model(tmp_path / "model"))
    folder = desk.classify(item)
    written = json.loads((folder.folder / f"{folder.item}_classified.json").read_text())
    catalog = json.loads((folder.folder / CATALOG_FILE).read_text())
    assets = list(written["assets"].values())
    bands = [band for asset in assets for band in asset.get("bands", [])]
    found = {
        "Item": set(written),
        "Properties": set(written["properties"]),
        "lc:parameters": set(written["properties"]["lc:parameters"]),
        "Links": {link["rel"] for link in written["links"]},
        "Assets": set(written["assets"]),
        "Fields of an asset": {key for asset in assets for key in asset},
        "Fields of a band": {key for band in bands for key in band},
        "raster:bands": {key for asset in assets for band in asset.get("raster:bands", []) for key in band},
        "Catalog": set(catalog),
        "The collection": {key for key in collection_document(Summary(1), {}) if key.startswith("lc:")},
    }
    documented = {heading: _named_in(rows) for heading, rows in _tables(ROOT / "docs" / "stac-fields.md")}
    assert documented == found
    roles = {key: ", ".join(asset["roles"]) for key, asset in written["assets"].items()}
    [(_, rows)] = _tables(ROOT / "docs" / "stac-fields.md", "key")
    assert {row[0].strip("`"): row[2] for row in rows} == roles


def _is_here(name: str) -> bool:
    """Return True if a name such as `lc_assets/core/cpu.py`, `lc_assets/core`, `lc_assets.core.cpu` or
    `lc_assets.open_scene` exists."""
    if name.removeprefix("lc_assets.") in lc_assets.__all__:
        return True
    if "/" not in name:
        name = name.replace(".", "/")
    return (ROOT / name).exists() or (ROOT / f"{name}.py").exists()


def _prose(page: Path) -> str:
    """Return the text of a page without its code blocks."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


@cache
def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes from the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _tables(page: Path, first: str | None = None) -> list[tuple[str, list[list[str]]]]:
    """Return (heading, rows without the head) of all tables, or of those whose first column has a name."""
    found: list[tuple[str, list[list[str]]]] = []
    for section in re.split(r"^#+ ", page.read_text(), flags=re.MULTILINE):
        heading = section.partition("\n")[0]
        for block in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
            rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
            if first in (None, rows[0][0]):
                found.append((heading, rows[2:]))
    return found


def _named_in(rows: list[list[str]]) -> set[str]:
    return {name for row in rows for name in _CODE.findall(row[0])}


def _commands(text: str) -> list[str]:
    """Return all `lc-assets ...` commands in code blocks and in sentences, also those in a pipe."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    lines += re.findall(r"^    (.*lc-assets .*)$", text, re.MULTILINE)
    inline = [code for code in _CODE.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)) if "\n" not in code]
    pieces = [piece.strip() for line in [*lines, *inline] for piece in re.split(r"\||;", line.partition(" #")[0])]
    return [piece for piece in pieces if re.match(r"(\w+=\S+ )*lc-assets( |$)", piece)]


def _command(text: str) -> tuple[click.Command | None, list[str], list[str]]:
    """Return the command of a line, its words, and the remaining words."""
    words = text.split()[text.split().index("lc-assets") + 1 :]
    command: click.Command | None = main
    path: list[str] = []
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        # "describe|check|card" and "search, backfill" are several commands
        command = command.commands.get(words[0].rstrip(","))
        path.append(words.pop(0).rstrip(","))
    return command, path, words


def _exists(text: str) -> bool:
    command, _, rest = _command(text)
    if command is None:
        return False
    options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"-h", "--help"}
    return all(word.partition("=")[0] in options for word in rest if re.match(r"--?[a-z]", word))


def _all_commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _all_commands(command, (*path, name))
        else:
            yield (*path, name)


@cache
def _literals() -> str:
    """Return all strings of the code, without the values that are inserted into them."""
    texts: list[str] = []
    for path in (ROOT / "lc_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            value: Any = getattr(node, "value", None)
            if isinstance(node, ast.Constant) and isinstance(value, str):
                texts.append(value)
    return "\n".join(texts)
