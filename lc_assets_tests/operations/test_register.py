"""Scenes become partitions, also when two processes add them at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy.exc import IntegrityError

from lc_assets.operations.keys import SCENES
from lc_assets.operations.runs import register
from lc_assets_tests.conftest import Desk, OnDisk


def test_a_scene_that_another_process_adds_meanwhile_is_known_and_the_others_are_added(
    on_disk: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_disk(tmp_path / "home") as instance:
        add = instance.event_log_storage.add_dynamic_partitions

        def beaten_to_it(name: str, keys: Sequence[str]) -> None:
            """Dagster looks which keys are there, and then inserts the others: in between, another one has."""
            monkeypatch.setattr(type(instance.event_log_storage), "add_dynamic_partitions", lambda _, *args: add(*args))
            add(name, keys[:1])
            raise IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))

        monkeypatch.setattr(
            type(instance.event_log_storage), "add_dynamic_partitions", lambda _, *args, **more: beaten_to_it(*args)
        )
        assert register(instance, ["a", "b", "a"]) == ["b"]
        assert sorted(instance.get_dynamic_partitions(SCENES)) == ["a", "b"]


def test_an_integrity_error_of_another_kind_is_not_tried_for_ever(
    on_disk: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise IntegrityError("INSERT", {}, Exception("NOT NULL constraint failed"))

    with on_disk(tmp_path / "home") as instance:
        monkeypatch.setattr(dg.DagsterInstance, "add_dynamic_partitions", broken)
        with pytest.raises(IntegrityError):
            register(instance, ["a"])


def test_new_scenes_are_added_by_tile_and_date_and_runs_name_them_so(desk: Desk, demo_item: Path) -> None:
    items = [f"S2{satellite}_{tile}_{day}_0_L2A" for satellite, tile, day in
             (("A", "33UUB", "20240701"), ("B", "33UUB", "20240621"), ("A", "7HFE", "20240801"))]  # fmt: skip
    assert register(desk.instance, items) == items
    assert desk.instance.get_dynamic_partitions(SCENES) == [items[2], items[1], items[0]]
    item = desk.add(demo_item).id
    assert desk.materialize("raw_bands", item=item).success  # as a backfill or the UI launches it
    [run] = desk.instance.get_runs()
    assert run.tags["scene"] == "32ULC 2024-06-21"
