"""`lc-assets collection`: update, rebuild, export, and the optional packages that it needs."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest

from lc_assets.core.errors import LandCoverError
from lc_assets.products.collection.update import update
from lc_assets.products.stac.validate import validate_offline
from lc_assets.store.layout import INDEX_FILE, Store
from lc_assets_tests.products.collection.store_items import Document, add, everything, needs_extra
from lc_assets_tests.rig.command import Shell, invoke


@pytest.mark.parametrize("name", ["rustac", "duckdb"])
def test_without_the_optional_packages_commands_say_how_to_install_them(
    name: str, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LandCoverError, match=r"pip install 'lc-assets\[collection\]'"):
        update(store, everything)
    for command in (["search", "--done"], ["collection"]):
        result = invoke(*command, "--store", store.root, code=1)
        assert f"needs {name}" in result.stderr
        assert "pip install 'lc-assets[collection]'" in result.stderr


@needs_extra
def test_one_command_updates_and_exports(whole: Store, template: Document, shell: Shell, tmp_path: Path) -> None:
    run = partial(shell, "collection")
    made = run()
    assert "1 item (1 added, 0 changed, 0 removed)" in made.stdout
    add(whole, template, 1)
    rebuilt = run("--rebuild")
    assert "2 items (1 added" in rebuilt.stdout
    target = tmp_path / "items.ndjson"
    run("--export", target, "--base", "https://maps.example/store")
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(lines) == 2
    for item in lines:
        assert validate_offline(item) == []
        scene = item["id"].removesuffix("_classified")
        assert item["assets"]["classified"]["href"] == (
            f"https://maps.example/store/scenes/{scene}/{scene}_classified.tif"
        )
        assert all("://" in link["href"] for link in item["links"])
    document = json.loads((tmp_path / "items.collection.json").read_text())
    assert validate_offline(document) == []
    assert document["assets"]["items"]["href"] == "https://maps.example/store/collection/items.parquet"
    (Path(str(whole.collection)) / INDEX_FILE).write_bytes(b"PAR1 no more")
    for arguments, words in ((("--export", str(tmp_path / "no" / "file")), "-> "), ((), "--rebuild")):
        assert words in run(*arguments, code=1).stderr
