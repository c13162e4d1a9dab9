"""prune removes old run records, and none that a map is based on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg
import pytest

from lc_assets.defs.sensors import _never_run
from lc_assets.demo.scene import DEMO_ITEM_ID as DEMO
from lc_assets.operations.run_retention import old_runs
from lc_assets.operations.runs import RunResult
from lc_assets.operations.status import SceneStatus
from lc_assets_tests.cluster.postgresql import postgresql_instance
from lc_assets_tests.conftest import Desk, OnDisk, copy_records
from lc_assets_tests.operations.pruned_stores import queue, stands

LATER = datetime.now(timezone.utc) + timedelta(days=1)


@contextmanager
def on_postgresql() -> Iterator[dg.DagsterInstance]:
    with postgresql_instance() as (instance, _):
        yield instance


@pytest.fixture(
    params=[
        "in_memory",
        pytest.param("on_sqlite", marks=pytest.mark.slow),
        pytest.param("on_postgresql", marks=pytest.mark.slow),
    ]
)
def kept(request: pytest.FixtureRequest, on_disk: OnDisk, desk: Desk, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose records are in a database."""
    opened: dict[str, Callable[[], AbstractContextManager[dg.DagsterInstance]]] = {
        "in_memory": dg.DagsterInstance.ephemeral,
        "on_sqlite": lambda: on_disk(tmp_path / "records"),
        "on_postgresql": on_postgresql,
    }
    with opened[request.param]() as instance:
        yield Desk(desk.settings, instance)


@pytest.fixture
def finished(kept: Desk, demo_item: Path, classified_demo: tuple[Desk, RunResult]) -> Desk:
    """The same, with a scene that is finished: records in memory are copied, a database gets them from a run."""
    if kept.instance.is_ephemeral:
        source, _ = classified_demo
        shutil.copytree(source.settings.store, kept.settings.store)
        copy_records(source.instance, kept.instance)
    else:
        kept.classify(demo_item)
    return kept


def test_deleting_any_old_run_would_lose_a_map(finished: Desk) -> None:
    """Why `prune` does not do what it seems to be asked for: this is what Dagster does."""
    kept = finished
    [run] = kept.instance.get_runs()
    kept.instance.delete_run(run.run_id)
    assert stands(kept) == SceneStatus.MISSING


def test_runs_on_which_something_rests_stay_and_the_others_go(finished: Desk, told: Callable[..., str]) -> None:
    kept = finished
    superseded = kept.instance.get_runs()[0].run_id
    assert kept.run(DEMO, stride=7).error  # raw bands and the stack are of this run, the map is not
    failed = kept.instance.get_runs()[0].run_id
    assert stands(kept) == SceneStatus.FAILED
    assert old_runs(kept.instance, LATER).runs == []
    assert kept.run(DEMO, stride=64).error is None
    cancelled = queue(kept)
    kept.instance.report_run_canceled(cancelled)
    queued = queue(kept)

    old = old_runs(kept.instance, LATER)
    assert set(old.runs) == {superseded, failed, cancelled.run_id}
    assert (old.referenced_by, old.last) == (1, 0)
    assert old_runs(kept.instance, datetime.now(timezone.utc) - timedelta(days=1)).runs == []
    said = told(kept, days=0, yes=False)
    assert "run records older than 0 days: 3" in said
    assert "1 stay because they made the newest materialisation of a scene's asset" in said
    assert "3 run records" in told(kept, days=0, yes=True)
    assert len(kept.instance.get_runs()) == 2
    assert not kept.instance.all_logs(superseded)
    assert stands(kept) == SceneStatus.WAITING
    kept.instance.report_run_canceled(queued)
    assert stands(kept) == SceneStatus.DONE
    assert told(kept, days=0, yes=True).splitlines()[-1] == "nothing to remove"


def test_a_failed_scene_stays_failed_and_the_sensor_does_not_run_it_anew(
    kept: Desk, demo_item: Path, told: Callable[..., str]
) -> None:
    kept.add(demo_item)
    for _ in range(2):
        assert kept.run(DEMO, stride=7).error
    said = told(kept, days=0, yes=True)
    assert "1 run record" in said
    assert "1 stay" in said
    assert stands(kept) == SceneStatus.FAILED
    assert _never_run(kept.instance, [DEMO], {DEMO}) == []
