"""The sensor before its first tick."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lc_assets.core.settings import Settings
from lc_assets_tests.conftest import Desk, OnDisk
from lc_assets_tests.defs.watcher import Watcher, watch
from loopback.planetary_computer import PlanetaryComputer


@pytest.fixture
def watcher(
    pc: PlanetaryComputer, on_disk: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watcher]:
    pc.api.clear()
    watch(tmp_path)
    with on_disk(tmp_path / "home") as instance:
        yield Watcher(Desk(Settings(store=tmp_path / "store", watch=tmp_path / "watch.yaml"), instance), monkeypatch)
