"""What a user calls a scene, and which scene that is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.sentinel2.search.scene_names import SceneNames, join_words, scene_or_map
from lc_assets.store.layout import Store
from lc_assets_tests.rig.command import NOBODY

JUNE = "S2B_MSIL2A_20240621T103629_R008_T32ULC_20240701T140000"
JULY = "S2A_MSIL2A_20240701T103631_R008_T32ULC_20240701T160000"
NORTH = "S2A_7HFE_20240820_0_L2A"
OWN = "my_scene_1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with two registered scenes and two that have a folder only."""
    found = Store.at(tmp_path)
    (tmp_path / "items").mkdir()
    found.registered(JUNE).write_text("{}")
    properties = {"grid:code": "MGRS-31TCJ", "datetime": "2023-05-01T10:36:29Z"}
    found.registered(OWN).write_text(json.dumps({"id": OWN, "properties": properties}))
    for item in (JULY, NORTH):
        found.scene(item).folder.mkdir(parents=True)
    return found


@pytest.mark.parametrize(
    ("name", "item"),
    [
        (JUNE, JUNE),
        ("32ULC 2024-06-21", JUNE),
        ("2024-06 32ulc", JUNE),
        ("20240621", JUNE),
        ("2024-07-01", JULY),  # JUNE was processed on that day
        ("t32ulc s2a", JULY),
        ("07HFE", NORTH),
        ("7hfe", NORTH),
        ("my_scene", OWN),
        ("31TCJ 2023-05-01", OWN),
        ("S2B_MSIL2A_20240621T103629_N0510_R008_T32ULC_20240701T140000.SAFE", JUNE),
    ],
)
def test_a_scene_is_found_by_tile_date_product_or_a_part_of_its_id(store: Store, name: str, item: str) -> None:
    assert SceneNames(store).one(name) == item


def test_an_ambiguous_name_lists_the_candidates(store: Store) -> None:
    with pytest.raises(BadReference, match=f"fits 2 scenes: {JULY}, {JUNE} -> name more"):
        SceneNames(store).one("32ULC")


@pytest.mark.parametrize(
    "name", ["99XXX", "32ULC 2023", "my_scene_10", "", " ", "-", "---", "S", "my", JUNE.replace("S2B", "S2C")]
)
def test_a_name_that_fits_nothing_is_no_scene(store: Store, name: str) -> None:
    with pytest.raises(BadReference, match="no scene in"):
        SceneNames(store).one(name)


def test_neighbours_of_a_tile_and_a_date_are_one_name() -> None:
    given = ["32ULC", "2024-06-21", "33UUB", "20240701", "2024", "7HFE", JUNE, "2024-06"]
    assert join_words(given) == ["32ULC 2024-06-21", "33UUB 20240701", "2024 7HFE", JUNE, "2024-06"]
    assert join_words(["2024-06-21", "32ULC", "2024", "7HFE"]) == ["2024-06-21 32ULC", "2024 7HFE"]
    with pytest.raises(BadReference, match="2024-07 follows '32ULC 2024-06' without a tile"):
        join_words(["32ULC", "2024-06", "2024-07"])


@pytest.mark.parametrize("name", ["33UUB", "33UUB 2024-06-21", "2023-01"])
def test_a_tile_or_date_that_no_scene_has_is_not_asked_of_the_network(store: Store, name: str) -> None:
    registry = RegisteredItems(store, StacCatalogClient(NOBODY, retry_policy=RetryPolicy(backoff=0.01)))
    with pytest.raises(BadReference, match="no scene in"):
        registry.named(name)
    with pytest.raises(BadReference, match="cannot be reached"):
        registry.named("my_scene_10")


def test_a_season_map_is_not_a_scene_and_a_near_name_is_suggested(store: Store) -> None:
    Path(str(store.map("spring-2024").folder)).mkdir(parents=True)
    assert scene_or_map(store, "spring-2024") == store.map("spring-2024")
    with pytest.raises(BadReference, match=r"no scene or season map in .* -> did you mean spring-2024\?"):
        scene_or_map(store, "sprin-2024")
    with pytest.raises(BadReference, match="no scene in"):
        scene_or_map(store, "elsewhere")
    registry = RegisteredItems(store, StacCatalogClient(NOBODY, retry_policy=RetryPolicy(backoff=0.01)))
    with pytest.raises(BadReference, match="spring-2024 is a season map, not a scene"):
        registry.named("spring-2024")
