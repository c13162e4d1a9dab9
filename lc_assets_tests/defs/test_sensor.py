"""new_sentinel2_items against the real STAC API: what it finds, once, and what a bad day does to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from lc_assets.core.settings import Settings
from lc_assets.defs import sensors
from lc_assets.defs.build import build_definitions
from lc_assets.defs.sensors import REPLACES_TAG, new_sentinel2_items
from lc_assets.operations.keys import SCENES
from lc_assets.operations.search_cursor import FIRST_DAYS, MANY, MOST_DAYS, SearchCursor
from lc_assets.remote import stac_api
from lc_assets_tests.conftest import Desk, OnDisk
from lc_assets_tests.rig.faults import Fault
from lc_assets_tests.rig.scenes import template_item
from lc_assets_tests.rig.service import PlanetaryComputer
from lc_assets_tests.rig.wire import Answer

NOW = datetime(2024, 9, 1, 12, tzinfo=timezone.utc)
SEARCH = r"/api/stac/v1/search"


def item(
    day: str, *, strip: str = "103632", made: str = "200000", baseline: str = "05.10", tile: str = "32ULC", **more: Any
) -> dict[str, Any]:
    """An item of the Planetary Computer without pixels: acquired on `day` (YYYYMMDD) at 10:36:29."""
    document = deepcopy(template_item())
    document["id"] = f"S2A_MSIL2A_{day}T103629_R008_T{tile}_{day}T{made}"
    written = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    document["properties"] |= {
        "datetime": f"{written}T10:36:29.024000Z",
        "platform": "Sentinel-2A",
        "s2:mgrs_tile": tile,
        "s2:datatake_id": f"GS2A_{day}T103629_000001_N{baseline}",
        "s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_2APS_{day}T{made}_S{day}T{strip}_N{baseline}",
        "s2:granule_id": f"S2A_OPER_MSI_L2A_TL_2APS_{day}T{made}_A000001_T{tile}_N{baseline}",
        "s2:product_uri": f"S2A_MSIL2A_{day}T103629_N{baseline.replace('.', '')}_R008_T{tile}_{day}T{made}.SAFE",
        "s2:processing_baseline": baseline,
        "s2:generation_time": f"{written}T{made[:2]}:{made[2:4]}:{made[4:]}.000000Z",
        "eo:cloud_cover": 10.0,
        "s2:nodata_pixel_percentage": 2.0,
        **more,
    }
    return document


class Watcher:
    """A sensor with its cursor, and what Dagster does with a tick's result."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self.cursor: str | None = None
        self.launched: list[str] = []
        monkeypatch.setattr(sensors, "_now", lambda: NOW)

    def tick(self, *, dies: bool = False) -> Any:
        """One tick. `dies`: the daemon ends after the partitions are added, before anything else is done."""
        definitions = build_definitions(self.desk.settings)
        resources = {name: definitions.resources[name] for name in ("watch", "items", "store")}
        repository = definitions.get_repository_def()
        instance = self.desk.instance
        with dg.SensorEvaluationContext(
            instance_ref=instance.get_ref(),
            last_tick_completion_time=None,
            last_run_key=None,
            cursor=self.cursor,
            log_key=None,
            repository_name=None,
            repository_def=repository,
            instance=instance,
            resources=resources,
        ) as context:
            result = new_sentinel2_items.evaluate_tick(context)
        for request in result.dynamic_partitions_requests or ():
            change = "add" if isinstance(request, dg.AddDynamicPartitionsRequest) else "delete"
            for key in request.partition_keys:
                if change == "add":
                    self.desk.instance.add_dynamic_partitions(SCENES, [key])
                else:
                    self.desk.instance.delete_dynamic_partition(SCENES, key)
        if dies:
            return result
        for request in result.run_requests or ():
            assert request.run_key == request.partition_key
            if request.run_key not in self.launched:  # as Dagster does
                self.launched.append(request.run_key)
                self.run(request.partition_key, request.tags)
        self.cursor = result.cursor or self.cursor
        return result

    def run(self, key: str, tags: dict[str, str]) -> None:
        """A run of it that waits, and no more: pixels are not what is tested here."""
        job = build_definitions(self.desk.settings).resolve_job_def("classify_scenes")
        self.desk.instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.NOT_STARTED, tags={**tags, "dagster/partition": key}
        )

    def finish(self, key: str) -> None:
        """Its map is there, its run is over."""
        for name in ("raw_bands", "resampled_stack", "class_raster", "overview", "catalog"):
            self.desk.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=key))
        for run in self.desk.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": key})):
            self.desk.instance.report_run_canceled(run)

    def until_it_has_looked_at_all(self) -> None:
        rounds = SearchCursor(**json.loads(self.cursor)).rounds if self.cursor else 0
        for _ in range(100):
            self.tick()
            if SearchCursor(**json.loads(self.cursor or "")).rounds > rounds:
                return
        raise AssertionError("it does not come round")

    @property
    def keys(self) -> set[str]:
        return set(self.desk.instance.get_dynamic_partitions(SCENES))


@pytest.fixture
def watcher(
    pc: PlanetaryComputer, on_disk: OnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watcher]:
    pc.api.clear()
    watch(tmp_path)
    with on_disk(tmp_path / "home") as instance:
        yield Watcher(Desk(Settings(store=tmp_path / "store", watch=tmp_path / "watch.yaml"), instance), monkeypatch)


def watch(folder: Path, **more: Any) -> None:
    content = {"tiles": ["32ULC"], "from": "2024-01-01", "max_cloud": 50, "max_nodata": 90, "recent_days": 5, **more}
    (folder / "watch.yaml").write_text(yaml.safe_dump(content))


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


OLD, NEW = item("20240830", made="200000", baseline="05.10"), item("20240830", made="230000", baseline="05.11")


def test_a_reprocessed_scene_replaces_the_older_when_it_is_done(pc: PlanetaryComputer, watcher: Watcher) -> None:
    pc.api.load(items=[OLD])
    watcher.tick()
    watcher.finish(OLD["id"])
    pc.api.load(items=[NEW])
    result = watcher.tick()
    assert watcher.launched == [OLD["id"], NEW["id"]]
    assert result.run_requests[0].tags[REPLACES_TAG] == OLD["id"]
    watcher.tick()
    assert watcher.keys == {OLD["id"], NEW["id"]}, "the new one is not done yet"
    watcher.finish(NEW["id"])
    watcher.run(OLD["id"], {})
    watcher.tick()
    assert watcher.keys == {OLD["id"], NEW["id"]}, "a run uses the old one"
    watcher.finish(OLD["id"])
    watcher.tick()
    assert watcher.keys == {NEW["id"]}
    watcher.until_it_has_looked_at_all()
    assert watcher.launched == [OLD["id"], NEW["id"]], "the old one, which the catalogue still has, is not run again"


@pytest.mark.parametrize(
    ("rule", "launched"), [("replace", [NEW["id"]]), ("first", [OLD["id"]]), ("keep", [OLD["id"], NEW["id"]])]
)
def test_versions_that_come_together_follow_the_rule(
    pc: PlanetaryComputer, watcher: Watcher, tmp_path: Path, rule: str, launched: list[str]
) -> None:
    watch(tmp_path, reprocessed=rule)
    pc.api.load(items=[NEW, OLD])
    watcher.until_it_has_looked_at_all()
    assert sorted(watcher.launched) == launched


@pytest.mark.parametrize(("rule", "launched"), [("first", [OLD["id"]]), ("keep", [OLD["id"], NEW["id"]])])
def test_a_later_version_follows_the_rule(
    pc: PlanetaryComputer, watcher: Watcher, tmp_path: Path, rule: str, launched: list[str]
) -> None:
    watch(tmp_path, reprocessed=rule)
    pc.api.load(items=[OLD])
    watcher.tick()
    watcher.finish(OLD["id"])
    pc.api.load(items=[NEW])
    watcher.until_it_has_looked_at_all()
    assert watcher.launched == launched
    assert watcher.keys == set(launched)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(SEARCH, "status", times=-1, status=503),
        Fault(SEARCH, "refuse", times=-1),
        Fault(SEARCH, "garbage", times=-1),
        Fault(SEARCH, "html", times=-1),
    ],
    ids=lambda fault: fault.kind,
)
def test_an_unreachable_api_is_a_skipped_tick_with_its_reason(
    pc: PlanetaryComputer, watcher: Watcher, fault: Fault
) -> None:
    pc.api.load(items=[item("20240830")])
    watcher.cursor = before = SearchCursor.read(None, "anything").written()
    pc.relay.inject(replace(fault))
    result = watcher.tick()
    assert "planetarycomputer.microsoft.com/api/stac/v1/search" in str(result.skip_message)
    assert not result.run_requests
    assert watcher.cursor == before
    assert watcher.keys == set()
    pc.relay.clear()
    watcher.tick()
    assert len(watcher.launched) == 1


def test_a_page_that_fails_is_no_end_of_the_world(
    pc: PlanetaryComputer, watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page two of three does not come: the tick is skipped, and the next one finds all."""
    monkeypatch.setattr(stac_api, "PAGE", 2)
    watch(tmp_path, recent_days=10)
    pc.api.load(items=[item(f"202408{day}") for day in range(27, 32)])
    served = 0

    def second_page_fails(request: Any) -> Any:
        nonlocal served
        served += 1
        return Answer(503) if served > 1 else pc.api.backend

    pc.relay.add_host("planetarycomputer.microsoft.com", second_page_fails)
    result = watcher.tick()
    assert result.skip_message
    assert not result.run_requests
    assert watcher.keys == set()
    pc.renew()
    watcher.tick()
    assert len(watcher.launched) == 5


def test_a_daemon_that_dies_between_registering_and_launching_loses_nothing(
    pc: PlanetaryComputer, watcher: Watcher
) -> None:
    pc.api.load(items=[item("20240830"), item("20240829")])
    watcher.tick(dies=True)
    assert len(watcher.keys) == 2
    assert watcher.launched == []
    watcher.tick()
    assert len(watcher.launched) == 2


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


@pytest.mark.parametrize(("rule", "broken", "usable"), [("replace", NEW, OLD), ("first", OLD, NEW)])
def test_a_version_that_cannot_be_used_does_not_hide_one_that_can(
    pc: PlanetaryComputer, watcher: Watcher, tmp_path: Path, rule: str, broken: dict[str, Any], usable: dict[str, Any]
) -> None:
    watch(tmp_path, reprocessed=rule)
    broken = deepcopy(broken)
    del broken["assets"]["B04"]
    pc.api.load(items=[broken, usable])
    watcher.tick()
    assert watcher.launched == [usable["id"]]


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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no"),
        ("tiles: [33UUB", "cannot be read"),
        ("max_clouds: 3", "max_clouds: Extra inputs"),
        ("tiles: [99ZZZ]", "is no MGRS tile"),
        ("max_cloud: 3", "has no place"),
        ("geometry: nowhere.geojson", "nowhere.geojson cannot be read"),
        ("tiles: [33UUB]\nfrom: 2024-06-31", "cannot be read"),
        ("tiles: [33UUB]\nto: 9999-12-31", "cannot be read"),
        ("[" * 3000, "cannot be read"),
        ("reprocessed: maybe", "reprocessed: Input should be 'replace', 'keep' or 'first'"),
    ],
)
def test_a_watch_that_is_wrong_is_a_skipped_tick_that_says_so(
    watcher: Watcher, tmp_path: Path, content: str | None, told: str
) -> None:
    (tmp_path / "watch.yaml").unlink()
    if content is not None:
        (tmp_path / "watch.yaml").write_text(content)
    reason = str(watcher.tick().skip_message)
    assert told in reason
    assert "\n" not in reason


@pytest.mark.parametrize("cursor", ["", "{}", "nonsense", '{"watch": 3}', "[1]", '{"watch": "x", "days": "a"}', "null"])
def test_a_cursor_that_is_none_begins_anew(cursor: str) -> None:
    assert SearchCursor.read(cursor, "x") == SearchCursor("x")


def test_a_cursor_survives_and_another_watch_begins_anew() -> None:
    cursor = replace(SearchCursor("x"), at=19000.5, rounds=3, replacing={"old": "new"})
    assert SearchCursor.read(cursor.written(), "x") == cursor
    assert SearchCursor.read(cursor.written(), "y") == SearchCursor("y", replacing={"old": "new"})


def test_stretches_cover_all_of_the_time_and_suit_themselves_to_what_is_there() -> None:
    begin, end = NOW - timedelta(days=700), NOW
    cursor, seen = SearchCursor("x"), []
    while not cursor.rounds:
        stretch = cursor.window(begin, end)
        seen.append(stretch)
        cursor = cursor.advance(stretch, 3, end)
    assert seen[0] == (begin, begin + timedelta(days=FIRST_DAYS))
    gaps = [later[0] - earlier[1] for earlier, later in pairwise(seen)]
    assert max(abs(gap) for gap in gaps) < timedelta(milliseconds=1)
    assert seen[-1][1] == end
    assert max(b - a for a, b in seen) == timedelta(days=MOST_DAYS)
    assert SearchCursor("x").shrink().days == FIRST_DAYS / 2
    assert SearchCursor("x").advance((begin, begin), MANY, end).days == FIRST_DAYS
