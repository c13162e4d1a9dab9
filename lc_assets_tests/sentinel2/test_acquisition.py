"""Which items are of one acquisition, and which of them is the newer version."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lc_assets.sentinel2.acquisition import acquisition_of, is_newer_version
from lc_assets.sentinel2.item.scene import read_document
from lc_assets.sentinel2.scene_ids import acquisition_prefix
from lc_assets_tests.sentinel2.earth_search_items import COLLECTION_1, earth_search_item


def reprocessed(document: dict[str, Any], baseline: str, generated: str, sensing: str | None = None) -> dict[str, Any]:
    """A document of the same acquisition, processed again."""
    new = copy.deepcopy(document)
    properties = new["properties"]
    head, sensed, _ = properties["s2:datastrip_id"].rsplit("_", 2)
    properties["s2:processing_baseline"] = baseline
    properties["s2:generation_time"] = generated
    properties["s2:datastrip_id"] = f"{head}_{f'S{sensing}' if sensing else sensed}_N{baseline}"
    for key in ("s2:datatake_id", "s2:granule_id"):
        if key in properties:
            properties[key] = f"{properties[key].rsplit('_', 1)[0]}_N{baseline}"
    properties.pop("s2:product_uri", None)
    new["id"] = new["id"].rsplit("_", 1)[0] + "_20260101T000000" if "MSIL2A" in new["id"] else new["id"]
    return new


@pytest.fixture(scope="session")
def real_items(shared: Path) -> Iterator[list[dict[str, Any]]]:
    paths = sorted(shared.glob("pc_items/items/*.json"))
    if not paths:
        pytest.skip("needs ../shared/data/pc_items, which is not part of the project")
    yield [read_document(path) for path in paths]


def test_every_real_item_tells_its_acquisition(real_items: list[dict[str, Any]]) -> None:
    for document in real_items:
        found = acquisition_of(document)
        assert found.is_certain and found.datatake is not None
        assert found.satellite == document["id"][:3]
        assert f"_T{found.tile}_" in document["id"]
        assert f"{found.datatake:%Y%m%dT%H%M%S}" in document["id"]
        assert found.is_same(found)


def test_no_two_of_the_real_items_are_versions_of_one_another(real_items: list[dict[str, Any]]) -> None:
    assert not [(a["id"], b["id"]) for a, b in itertools.permutations(real_items, 2) if is_newer_version(a, b)]


def test_two_halves_of_one_acquisition_share_their_family_and_are_no_versions(real_items: list[dict[str, Any]]) -> None:
    halves = [d for d in real_items if acquisition_prefix(d["id"]) == "S2A_MSIL2A_20240820T173901_R098_T13TDE"]
    assert len(halves) == 2
    first, second = (acquisition_of(d) for d in halves)
    assert (first.satellite, first.tile, first.datatake) == (second.satellite, second.tile, second.datatake)
    assert first.sensing and second.sensing and abs(first.sensing - second.sensing) > timedelta(minutes=5)
    assert not first.is_same(second)
    assert not is_newer_version(*halves) and not is_newer_version(*reversed(halves))
    # Not even when one of them is processed again.
    new = reprocessed(halves[0], "05.12", "2026-01-01T00:00:00Z")
    assert is_newer_version(new, halves[0])
    assert not is_newer_version(new, halves[1])


def test_a_real_item_processed_again_is_a_newer_version_and_the_old_one_is_none(
    real_items: list[dict[str, Any]],
) -> None:
    for old in real_items:
        for new in (
            reprocessed(old, "05.20", "2019-01-01T00:00:00Z"),  # the baseline comes first
            reprocessed(old, old["properties"]["s2:processing_baseline"], "2026-01-01T00:00:00.5Z"),
        ):
            assert is_newer_version(new, old)
            assert not is_newer_version(old, new)
            assert not is_newer_version(new, new)
            assert acquisition_prefix(new["id"]) == acquisition_prefix(old["id"]) is not None


@pytest.mark.parametrize(("sensing", "same"), [("20240820T102136", True), ("20240820T102137", False)])
def test_sensing_starts_may_differ_by_half_a_minute(sensing: str, same: bool) -> None:
    old = earth_search_item()
    assert is_newer_version(reprocessed(old, "05.12", "2025-01-01T00:00:00Z", sensing), old) is same


def test_the_same_product_of_two_catalogues_is_one_acquisition_and_neither_is_newer() -> None:
    a, b = earth_search_item(), earth_search_item(COLLECTION_1)
    assert acquisition_of(a) == acquisition_of(b)
    assert not is_newer_version(a, b) and not is_newer_version(b, a)


def test_a_collection_1_item_without_datastrip_is_known_by_its_id() -> None:
    full = earth_search_item(COLLECTION_1)
    bare = copy.deepcopy(full)
    for key in ("s2:datastrip_id", "s2:datatake_id", "s2:product_uri", "grid:code", "platform"):
        del bare["properties"][key]
    assert acquisition_of(bare).is_same(acquisition_of(full))
    assert is_newer_version(reprocessed(full, "05.12", "2025-01-01T00:00:00Z"), bare)


def test_items_that_do_not_tell_their_datastrip_are_never_versions() -> None:
    old = earth_search_item()
    new = reprocessed(old, "05.12", "2025-01-01T00:00:00Z")
    for document in (old, new):
        document["properties"].pop("s2:datastrip_id")
    assert not acquisition_of(new).is_certain
    assert not is_newer_version(new, old)
    assert not is_newer_version({}, {}) and not is_newer_version({"id": None, "properties": []}, old)


def test_levels_and_tiles_and_satellites_are_never_versions_of_one_another() -> None:
    old = earth_search_item()
    for change in ({"s2:product_type": "S2MSI1C"}, {"grid:code": "MGRS-33UVB"}, {"platform": "sentinel-2b"}):
        new = reprocessed(old, "05.12", "2025-01-01T00:00:00Z")
        new["properties"].update(change)
        assert not is_newer_version(new, old)


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [
        ("S2A_MSIL2A_20240820T173901_R098_T13TDE_20240821T000250", "S2A_MSIL2A_20240820T173901_R098_T13TDE"),
        ("S2A_MSIL2A_20240820T173901_N0511_R098_T13TDE_20240821T000250", "S2A_MSIL2A_20240820T173901_R098_T13TDE"),
        ("S2A_33UUB_20240820_0_L2A", "S2A_33UUB_20240820"),
        ("S2A_7HFE_20190212_1_L2A", "S2A_7HFE_20190212"),
        ("S2C_T30UVC_20250712T112136_L2A", "S2C_T30UVC_20250712"),
        ("my_scene", None),
        ("", None),
    ],
)
def test_a_family_is_what_the_ids_of_versions_share(item_id: str, expected: str | None) -> None:
    assert acquisition_prefix(item_id) == expected
    assert expected is None or expected.startswith(item_id[:10])
