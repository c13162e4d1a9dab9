"""Eight scenes in pgstac."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lc_assets.remote import stac_api
from lc_assets_tests.remote.stac_server import fill
from loopback.planetary_computer import PlanetaryComputer
from loopback.scenes import PcScene, pc_scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[PcScene]:
    """Eight scenes side by side, 0 to 70 % cloud, 7 to 0 % of it empty."""
    made = pc_scenes(8, tmp_path_factory.mktemp("api"), shape=(12, 12))
    for number, scene in enumerate(made):
        scene.item["properties"] |= {"eo:cloud_cover": 10.0 * number, "s2:nodata_pixel_percentage": 7.0 - number}
    return made


@pytest.fixture(scope="module")
def filled(planetary_computer: PlanetaryComputer, scenes: list[PcScene]) -> None:
    fill(planetary_computer, scenes)


@pytest.fixture
def world(filled: None, pc: PlanetaryComputer, scenes: list[PcScene], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Their ids, and three pages of them in pgstac."""
    monkeypatch.setattr(stac_api, "PAGE", 3)
    return [scene.id for scene in scenes]


@pytest.fixture
def changing(world: list[str], pc: PlanetaryComputer, scenes: list[PcScene]) -> Iterator[list[str]]:
    """The same, for a test that changes it."""
    yield world
    fill(pc, scenes)
