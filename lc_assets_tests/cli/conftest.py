"""`lc-assets view` without a browser, and a store of four scenes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from lc_assets.cli import view as view_command
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.pages import locator_map
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.cli.gallery_page import View
from lc_assets_tests.products.pages.gallery_scenes import box, laid
from lc_assets_tests.rig.command import invoke


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> View:
    """`lc-assets view`; `view.opened` lists what it opens."""
    opened: list[str] = []

    def start(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(view_command.webbrowser, "open", start)
    # All land of the world is read as a stream, for a second: what is land has a test of its own.
    monkeypatch.setattr(locator_map, "_land", lambda rows, columns: np.zeros((len(rows), len(columns)), bool))

    def run(*arguments: object, code: int = 0) -> Result:
        return invoke("view", *arguments, code=code)

    run.opened = opened  # type: ignore[attr-defined]
    return run


@pytest.fixture
def scene(classified_demo: Any) -> SceneLayout:
    desk, _ = classified_demo
    return desk.folder(DEMO_ITEM_ID)


@pytest.fixture
def store(scene: SceneLayout, tmp_path: Path) -> Path:
    """Three scenes of one tile, one of another."""
    root = tmp_path / "store"
    for month, most in ((4, 1), (5, 2), (6, 3)):
        laid(scene, root, "32ULC", date(2024, month, 21), box(6.5, 51.4, 8, 52.3), most)
    laid(scene, root, "33UUB", date(2024, 6, 23), box(12, 51.4, 13.5, 52.3), 1)
    return root
