"""The demo scene's part that is all ground, and its pixels without source data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lc_assets.sentinel2.bands.validity import NO_SOURCE
from lc_assets_tests.conftest import copy_scene, cropped
from lc_assets_tests.sentinel2.spoilt_scenes import state_of, without_scl
from lc_assets_tests.sentinel2.stacks import stack_of


@pytest.fixture(scope="module")
def part(demo_item: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """132 x 138 px of the demo scene, all ground."""
    return cropped(demo_item, tmp_path_factory.mktemp("part"), 132, 138)


@pytest.fixture(scope="module")
def without_source(demo_item: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """(rows, columns) bool: the demo scene's own pixels without source data."""
    folder = tmp_path_factory.mktemp("plain")
    return state_of(stack_of(without_scl(copy_scene(demo_item, folder)), folder / "store")) == NO_SOURCE
