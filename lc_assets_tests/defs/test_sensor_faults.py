"""new_sentinel2_items when the API fails, the daemon dies or the watch file is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import LandCoverError
from lc_assets.remote import stac_api
from lc_assets_tests.defs.watcher import Watcher, item, watch
from loopback.faults import Fault
from loopback.planetary_computer import PlanetaryComputer
from loopback.wire import Answer

SEARCH = r"/api/stac/v1/search"


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
def test_an_unreachable_api_is_a_skipped_tick_with_its_reason_and_the_third_time_a_failed_one(
    pc: PlanetaryComputer, watcher: Watcher, fault: Fault
) -> None:
    pc.api.load(items=[item("20240830")])
    pc.relay.inject(replace(fault))
    for failures in (1, 2):
        result = watcher.tick()
        assert "planetarycomputer.microsoft.com/api/stac/v1/search" in str(result.skip_message)
        assert str(result.skip_message).endswith("; the next tick tries again")
        assert not result.run_requests
        found = json.loads(watcher.cursor or "")
        assert (found["at"], found["rounds"], found["failures"]) == (None, 0, failures)
    for _ in range(2):
        with pytest.raises(LandCoverError, match="3 ticks in a row have failed, every tick tries again"):
            watcher.tick()
    assert watcher.keys == set()
    pc.relay.clear()
    watcher.tick()
    assert len(watcher.launched) == 1
    assert json.loads(watcher.cursor or "")["failures"] == 0


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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no"),
        ("tiles: [33UUB", "cannot be read"),
        ("max_clouds: 3", "there is no field max_clouds -> did you mean max_cloud?"),
        ("colour: 3", "there is no field colour -> the fields are collection, "),
        ("tiles: [99ZZZ]", "is no MGRS tile"),
        ("max_cloud: 3", "has no place"),
        ("geometry: nowhere.geojson", "nowhere.geojson cannot be read"),
        ("tiles: [33UUB]\nfrom: 2024-06-31", "cannot be read"),
        ("tiles: [33UUB]\nto: 9999-12-31", "cannot be read"),
        pytest.param("[" * 3000, "cannot be read", id="nested too deeply"),
        ("reprocessed: maybe", "reprocessed: Input should be 'replace', 'keep' or 'first'"),
    ],
)
def test_a_watch_that_is_wrong_is_a_failed_tick_that_says_so(
    watcher: Watcher, tmp_path: Path, content: str | None, told: str
) -> None:
    (tmp_path / "watch.yaml").unlink()
    if content is not None:
        (tmp_path / "watch.yaml").write_text(content)
    with pytest.raises(LandCoverError) as raised:
        watcher.tick()
    reason = str(raised.value)
    assert told in reason
    assert "\n" not in reason
