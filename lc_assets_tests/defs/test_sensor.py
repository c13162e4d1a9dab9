"""new_sentinel2_items against the real STAC API: which items it finds, and that it runs each once."""

from __future__ import annotations

from pathlib import Path

from lc_assets.operations.keys import SCENES
from lc_assets_tests.defs.watcher import Watcher, item, watch
from loopback.planetary_computer import PlanetaryComputer


def test_new_items_are_registered_and_run_once_each(pc: PlanetaryComputer, watcher: Watcher) -> None:
    wanted = [item("20240105"), item("20240829"), item("20240830")]
    others = [
        item("20240831", tile="32ULD"),
        item("20240828", **{"eo:cloud_cover": 60.0}),
        item("20240827", **{"s2:nodata_pixel_percentage": 99.7}),
        item("20231230"),
    ]
    pc.api.load(items=[*wanted, *others])
    watcher.until_it_has_looked_at_all()
    watcher.until_it_has_looked_at_all()
    assert sorted(watcher.launched) == sorted(document["id"] for document in wanted)
    assert watcher.keys == set(watcher.launched)
    assert all(watcher.desk.store.registered(key).exists() for key in watcher.keys)
    assert "none is new" in str(watcher.tick().skip_message)


def test_the_last_days_are_looked_at_on_every_tick(pc: PlanetaryComputer, watcher: Watcher) -> None:
    watcher.tick()
    pc.api.load(items=[item("20240830")])
    watcher.tick()
    assert len(watcher.launched) == 1


def test_an_item_that_comes_months_late_is_found(pc: PlanetaryComputer, watcher: Watcher) -> None:
    pc.api.load(items=[item("20240820")])
    watcher.until_it_has_looked_at_all()
    late = item("20240210")
    pc.api.load(items=[late])
    watcher.until_it_has_looked_at_all()
    assert watcher.launched[-1] == late["id"]
    assert len(watcher.launched) == 2


def test_both_halves_of_one_acquisition_are_kept(pc: PlanetaryComputer, watcher: Watcher) -> None:
    halves = [item("20240830", strip="103632", made="200000"), item("20240830", strip="104831", made="201500")]
    pc.api.load(items=halves)
    watcher.tick()
    assert sorted(watcher.launched) == sorted(half["id"] for half in halves)


def test_what_was_classified_by_hand_is_not_run_again(pc: PlanetaryComputer, watcher: Watcher) -> None:
    document = item("20240830")
    pc.api.load(items=[document])
    watcher.desk.instance.add_dynamic_partitions(SCENES, [document["id"]])
    watcher.finish(document["id"])
    watcher.until_it_has_looked_at_all()
    assert watcher.launched == []


def test_a_tick_takes_no_more_than_it_is_told_and_the_next_goes_on(
    pc: PlanetaryComputer, watcher: Watcher, tmp_path: Path
) -> None:
    watch(tmp_path, runs_per_tick=2)
    pc.api.load(items=[item(f"202401{day:02}") for day in range(3, 8)])
    lengths = []
    for _ in range(3):
        lengths.append(len(watcher.tick().run_requests or ()))
    assert lengths == [2, 2, 1]


def test_a_partition_that_a_person_took_out_stays_out(pc: PlanetaryComputer, watcher: Watcher) -> None:
    document = item("20240830")
    pc.api.load(items=[document])
    watcher.tick()
    watcher.desk.instance.delete_dynamic_partition(SCENES, document["id"])
    watcher.until_it_has_looked_at_all()
    assert watcher.keys == set()


def test_an_item_that_cannot_be_used_stops_no_other(pc: PlanetaryComputer, watcher: Watcher) -> None:
    broken = item("20240829")
    del broken["assets"]["B04"]
    pc.api.load(items=[broken, item("20240830")])
    watcher.tick()
    assert len(watcher.launched) == 1
