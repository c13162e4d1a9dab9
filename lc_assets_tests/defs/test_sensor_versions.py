"""new_sentinel2_items and reprocessed scenes."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lc_assets.defs.sensors import REPLACES_TAG
from lc_assets_tests.defs.watcher import NEW, OLD, Watcher, watch
from loopback.planetary_computer import PlanetaryComputer


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
