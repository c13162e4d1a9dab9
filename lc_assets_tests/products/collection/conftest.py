"""The Item of a real map, and stores for a collection."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.runs import RunResult
from lc_assets.store.layout import Store
from lc_assets_tests.conftest import Desk
from lc_assets_tests.products.collection.store_items import Document


@pytest.fixture(scope="session")
def template(classified_demo: tuple[Desk, RunResult]) -> Document:
    """The Item of a real map."""
    folder = classified_demo[0].folder(DEMO_ITEM_ID)
    return json.loads((folder.folder / f"{DEMO_ITEM_ID}_classified.json").read_text())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def whole(classified_demo: tuple[Desk, RunResult], tmp_path: Path) -> Store:
    """A copy of a store with one real map and all its files."""
    shutil.copytree(classified_demo[0].store.root, tmp_path / "store")  # type: ignore[arg-type]
    return Store(tmp_path / "store")
