"""The sensor `season_maps_again`: which maps it fuses again, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lc_assets.core.errors import LandCoverError
from lc_assets.core.settings import Settings
from lc_assets.operations.season_maps import fused_map
from lc_assets_tests.conftest import Desk, OnDisk
from lc_assets_tests.defs.season_maps import BOX, CORNER, Mapped, Ticker, item_of


@pytest.fixture
def mapped(on_disk: OnDisk, tmp_path: Path) -> Iterator[Mapped]:
    """A store with one scene."""
    settings = Settings(store=tmp_path / "store", watch=tmp_path / "watch.yaml")
    with on_disk(tmp_path / "home") as instance:
        mapped = Mapped(Desk(settings, instance))
        mapped.classify("20240501")
        yield mapped


@pytest.fixture
def sensor(mapped: Mapped, monkeypatch: pytest.MonkeyPatch) -> Ticker:
    return Ticker(mapped, monkeypatch)


def watch(desk: Desk, **content: object) -> None:
    box = [float(degrees) for degrees in BOX.split(",")]
    content = {"bbox": box, "from": "2024-05-01", "map": "watched", **content}
    desk.settings.watch.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))


def test_a_map_is_fused_again_with_the_scenes_that_were_classified_since_and_once_a_day(
    mapped: Mapped, sensor: Ticker
) -> None:
    mapped.plan("all")
    mapped.plan("may", period="2024-05", max_cloud=50)
    for name in ("all", "may"):
        assert mapped.fuse(name).error is None
    assert sensor.tick() == ([], "2 maps without a new scene")
    mapped.classify("20240610")
    mapped.classify("20240520", **{"eo:cloud_cover": 80.0})
    ran, reason = sensor.tick()
    assert (
        not ran and reason == "all had a run in the last 24 hours, and has 2 scenes to add; 1 map without a new scene"
    )
    assert sensor.tick(next_day=True)[0] == ["all"]
    fused = fused_map(mapped.desk.instance, "all")
    assert fused and sorted(fused.scenes) == [item_of(day) for day in ("20240501", "20240520", "20240610")]
    # A run that changes no pixel of a scene is no news.
    mapped.classify("20240610")
    assert sensor.tick(next_day=True) == ([], "2 maps without a new scene")
    mapped.classify("20240610", version="2")
    assert sensor.tick(next_day=True)[0] == ["all"]


@pytest.mark.slow
def test_a_scene_that_is_classified_while_the_sensor_is_off_is_not_missed(mapped: Mapped, sensor: Ticker) -> None:
    mapped.plan("all")
    assert mapped.fuse("all").error is None
    mapped.classify("20240610")
    assert sensor.tick(next_day=True)[0] == ["all"]


@pytest.mark.slow
def test_a_run_that_fails_is_tried_again_on_the_next_day(mapped: Mapped, sensor: Ticker) -> None:
    mapped.plan("all")
    assert mapped.fuse("all").error is None
    mapped.classify("20240610")
    item = mapped.desk.store.registered(item_of("20240610"))
    document = item.read_text()
    sensor.tick()
    item.write_text("{")
    assert mapped.fuse("all").error
    item.write_text(document)
    assert sensor.tick()[0] == []
    assert sensor.tick(next_day=True)[0] == ["all"]


def test_the_area_of_the_watch_file_becomes_a_map_that_follows_it(mapped: Mapped, sensor: Ticker) -> None:
    desk = mapped.desk
    watch(desk, map=None)
    assert sensor.tick() == ([], "no season map is registered: `lc-assets map` makes one")
    watch(desk, **{"from": "2024-06-01"})
    assert sensor.tick() == ([], "1 map without a new scene")
    mapped.classify("20240610")
    assert sensor.tick()[0] == ["watched"]
    (desk.settings.watch.parent / "area.json").write_text(json.dumps(CORNER.geojson()))
    watch(desk, bbox=None, geometry="area.json")
    assert sensor.tick()[0] == []
    assert sensor.tick(next_day=True)[0] == ["watched"]
    assert sensor.tick(next_day=True)[0] == []
    fused = fused_map(desk.instance, "watched")
    assert fused and sorted(fused.scenes) == [item_of("20240501"), item_of("20240610")]


def test_a_wrong_map_is_named_and_the_others_are_fused(mapped: Mapped, sensor: Ticker) -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({"bbox": None, "tiles": ["32ULB"]}, "has no area"),
        ({"from": None}, "has no first day"),
        ({"map": "a--b"}, "contains '--'"),
        ({"map": "../up"}, "not a valid name of a map"),
        ({"bbox": None, "geometry": "none.geojson"}, "none.geojson cannot be read"),
        ({"bbox": [-10, 40, 30, 60]}, "km long"),
    ]
    for content, told in wrong:
        watch(mapped.desk, **content)
        with pytest.raises(LandCoverError, match=told):
            sensor.tick()
    for name in ("all", "may", "broken"):
        mapped.plan(name, period="2024-05" if name == "may" else None)
    mapped.desk.store.registered_map("broken").write_text("{}")
    assert sensor.tick(fuses=False)[0] == ["all", "may"]
    (mapped.desk.store.root / "areas" / "all.json").unlink()
    assert mapped.fuse("may").error is None
    _, reason = sensor.tick()
    assert "km long" in reason and "its registration broken.json cannot be read" in reason


def test_a_store_that_cannot_be_reached_skips_the_tick(
    mapped: Mapped, sensor: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(store: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("lc_assets.store.layout.Store.registered_maps", fail)
    assert sensor.tick() == ([], "the store cannot be read (Permission denied); the next tick tries")
