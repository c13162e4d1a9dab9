"""Helpers for the tests of object stores."""

from __future__ import annotations

import pytest

from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.store.paths import StorePath, walk_files
from lc_assets_tests.conftest import Desk

only_s3 = pytest.mark.parametrize("server", ["s3"], indirect=True, scope="session")
"""Mark of tests that do not depend on the protocol, so one server is enough."""
SMALL = {"stride": 64}
"""Config of a quick map, for tests that do not check its quality."""


def products_of(desk: Desk, item: str = DEMO_ITEM_ID) -> dict[str, bytes]:
    folder = desk.folder(item)
    return {
        path.name: path.read_bytes()
        for path in (folder.classified, folder.confidence, folder.overview, folder.thumbnail)
    }


def names_in(place: StorePath) -> set[str]:
    return {str(path).removeprefix(f"{place}/") for path, _ in walk_files(place)}
