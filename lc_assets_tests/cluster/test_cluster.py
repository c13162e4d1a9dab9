"""A cluster survives the death of PostgreSQL, Redis, a worker or the daemon. All of them are real programs.

After each fault every scene is classified correctly, exactly once, without help by a person.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from lc_assets.cluster.app import celery_app
from lc_assets.cluster.launcher import ClusterRunLauncher
from lc_assets.cluster.published_identity import published
from lc_assets.cluster.tasks import TASK
from lc_assets.core.settings import SHIPPED
from lc_assets.operations.keys import ASSET_NAMES
from lc_assets_tests.rig.cluster.field import FAILURE, HELD, STARTED, STARTING, SUCCESS, Field
from loopback.cluster.scenes import write_twins
from loopback.cluster.service import ROOT, Cluster, until
from loopback.programs import Missing

pytestmark = [pytest.mark.slow, pytest.mark.restarts_programs]

SCENES = 24
RETRIED_WITHIN_SECONDS = 30
"""Seconds within which Dagster retries a failed run."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Field]:
    # Not below pytest's own folder: other users, such as that of PostgreSQL, cannot read that folder.
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        folder = Path(name)
        (folder / "hold").mkdir()
        items = write_twins(folder / "items", SCENES)
        environment = {"LC_ASSETS_HOLD": str(folder / "hold")}
        try:
            whole = Cluster(folder, location=HELD, environment=environment)
        except Missing as missing:
            pytest.skip(str(missing))
        alone = {"DAGSTER_HOME": str(folder / "alone"), "LC_ASSETS_STORE": str(folder / "faultless")}
        first, path = next(iter(items.items()))
        classify = [sys.executable, "-m", "lc_assets.cli.main", "classify", str(path)]
        subprocess.run(classify, cwd=folder, env={**whole.environment, **alone}, check=True, capture_output=True)
        with whole, whole.instance() as instance:
            whole.webserver()
            whole.command("register", *items.values())
            yield Field(whole, items, instance, folder / "faultless" / "scenes" / first)


@pytest.fixture
def field(cluster: Field) -> Iterator[Field]:
    """The cluster. After each test, all its programs run again."""
    yield cluster
    cluster.let_go()
    for program in (cluster.cluster.postgresql, cluster.cluster.redis, *cluster.programs):
        if program.status is not None:
            program.start()


@pytest.mark.parametrize("assets", zip(ASSET_NAMES[::2], ASSET_NAMES[1::2], strict=True), ids="-".join)
def test_a_worker_killed_in_an_asset_is_replaced_by_another(field: Field, assets: tuple[str, str]) -> None:
    """The second one is killed while the run of the first waits for its retry."""
    items = [field.scene() for _ in assets]
    for asset, item in zip(assets, items, strict=True):
        field.hold(asset)
        field.cluster.queue(item)
        field.until_held(asset, item)
        worker = field.worker_of(item)
        worker.kill()
        field.let_go()
        worker.start()
    field.until_done(*items)
    for item in items:
        assert field.statuses(item) == [FAILURE, SUCCESS]
        assert "the worker was killed, or its machine failed" in " ".join(field.events(field.runs(item)[0]))


def test_a_restarted_daemon_continues_a_backfill(field: Field) -> None:
    """Three scenes of a backfill: two are executed, one waits."""
    items = [field.scene() for _ in range(3)]
    field.hold("class_raster")
    field.cluster.command("backfill", *items)
    until(lambda: sum(map(len, map(field.runs, items))) == 3, "the backfill has its runs", field.programs)
    until(lambda: [field.statuses(item)[0] for item in items].count(STARTED) == 2, "two runs", field.programs)
    field.cluster.daemon.kill()
    field.let_go()
    field.cluster.daemon.start()
    field.until_done(*items)
    backfill, *_ = field.instance.get_backfills()  # the newest first: other tests have theirs
    until(
        lambda: field.instance.get_backfill(backfill.backfill_id).status == BulkActionStatus.COMPLETED_SUCCESS,
        "the backfill has ended",
        field.programs,
    )
    assert [field.statuses(item) for item in items] == [[SUCCESS]] * 3


def test_runs_survive_the_loss_of_all_data_in_redis(field: Field) -> None:
    """Two scenes are executed, two wait in Redis, and one is queued while Redis does not run."""
    items = [field.scene() for _ in range(4)]
    field.hold("overview")
    for item in items:
        field.cluster.queue(item)
    until(lambda: Counter(field.statuses(item)[0] for item in items) == {STARTED: 2, STARTING: 2}, "two and two")
    field.cluster.redis.kill()
    late = field.scene()
    field.cluster.queue(late)
    until(lambda: field.statuses(late) == [STARTING], "it was launched without a broker", field.programs)
    field.cluster.redis.start()
    field.let_go()
    field.until_done(*items, late)
    assert [field.statuses(item) for item in (*items, late)] == [[SUCCESS]] * 5


def _finish(field: Field, *items: str) -> None:
    """Wait until the items are done. If Dagster's retry failed in the outage too, run `lc-assets backfill` once."""
    until(lambda: all(_succeeded_or_given_up(field, item) for item in items), "all runs have ended", field.programs)
    left = [item for item in items if field.statuses(item)[-1] == FAILURE]
    if not left:
        field.until_done(*items)
        return
    field.cluster.command("backfill", *left)
    until(lambda: all(field.statuses(item)[-1] == SUCCESS for item in items), "the backfill is done", field.programs)
    for item in items:
        field.check_files(item)


def _succeeded_or_given_up(field: Field, item: str) -> bool:
    """Return True if the last run succeeded, or if it failed so long ago that Dagster will not retry it."""
    run = field.instance.get_run_record_by_id(field.runs(item)[-1].run_id)
    failed = run.dagster_run.status == FAILURE and time.time() - (run.end_time or time.time()) > RETRIED_WITHIN_SECONDS
    return failed or run.dagster_run.status == SUCCESS


def test_runs_survive_a_restart_of_postgresql(field: Field) -> None:
    item, other = field.scene(), field.scene()
    field.hold("class_raster")
    field.cluster.queue(item)
    field.cluster.queue(other)
    field.until_held("class_raster", item, other)
    field.cluster.postgresql.kill()
    field.let_go()
    field.cluster.postgresql.start()
    _finish(field, item, other)


def test_runs_survive_an_outage_of_postgresql_longer_than_dagster_waits(field: Field) -> None:
    item = field.scene()
    field.hold("class_raster")
    field.cluster.queue(item)
    field.until_held("class_raster", item)
    field.cluster.postgresql.stop()
    field.let_go()
    with pytest.raises(subprocess.TimeoutExpired):
        field.cluster.daemon.wait(15)  # the daemon does not exit
    field.cluster.postgresql.start()
    _finish(field, item)


def test_a_run_that_is_delivered_to_two_workers_at_once_is_executed_once(field: Field) -> None:
    item = field.scene()
    app = celery_app(field.cluster.environment["LC_ASSETS_BROKER"])
    for worker in field.cluster.workers:
        worker.signal(signal.SIGSTOP)
    run_id = field.cluster.queue(item)
    until(lambda: field.statuses(item) == [STARTING], "it was sent", field.programs)
    for _ in range(5):
        app.send_task(TASK, args=[run_id], task_id=run_id)
    for worker in field.cluster.workers:
        worker.signal(signal.SIGCONT)
    field.until_done(item)
    refused = f"run {run_id} was delivered to"
    until(lambda: sum(w.said().count(refused) for w in field.cluster.workers) >= 5, refused, field.programs)
    starts = field.instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_START)
    assert len(starts) == 1


def test_a_lost_run_is_marked_for_its_retry_before_it_has_failed(field: Field) -> None:
    """Or else Dagster may end its backfill between the failure and the mark."""
    run = dg.DagsterRun(job_name="lost", status=STARTED)
    field.instance.add_run(run)
    launcher = field.instance.run_launcher
    assert isinstance(launcher, ClusterRunLauncher)
    launcher.lost_after_seconds = 0
    assert "no longer holds the lock" in str(launcher.check_run_worker_health(run).msg)
    assert field.instance.get_run_by_id(run.run_id).tags["dagster/will_retry"] == "true"
    field.instance.delete_run(run.run_id)


def test_two_runs_of_one_scene_are_executed_one_after_the_other(field: Field) -> None:
    item = field.scene()
    run_ids = [field.cluster.queue(item), field.cluster.queue(item)]
    until(lambda: field.statuses(item) == [SUCCESS, SUCCESS], "both have ended", field.programs)
    first, second = sorted(
        (field.instance.get_run_record_by_id(run_id) for run_id in run_ids), key=lambda record: record.start_time
    )
    assert first.end_time <= second.start_time


@pytest.mark.parametrize("what", ["code", "model"])
def test_a_worker_with_other_code_or_another_model_exits_with_a_message(
    field: Field, what: str, tmp_path: Path
) -> None:
    stranger = field.cluster.worker(f"strange-{what}", _other(what, tmp_path))
    with pytest.raises(RuntimeError, match=rf"(?s)strange-{what}@\S+ on \S+ does not fit.*lc_assets/{what} \S+, here"):
        stranger.start()
    assert stranger.status == 78


def test_a_worker_with_an_outdated_model_returns_its_run_and_exits(field: Field, tmp_path: Path) -> None:
    """The worker started before the coordinator published another model."""
    item = field.scene()
    for worker in field.cluster.workers:
        worker.signal(signal.SIGTERM)
        worker.wait()
    field.cluster.daemon.stop()
    field.instance.run_storage.set_cursor_values({"lc_assets/pins": "{}"})
    overtaken = field.cluster.worker("overtaken", _other("model", tmp_path)).start()
    field.cluster.daemon.start()
    until(lambda: published(field.instance), "the coordinator publishes its code and model", field.programs)
    field.cluster.queue(item)
    assert overtaken.wait() == 0
    for worker in field.cluster.workers:
        worker.start()
    field.until_done(item)
    [run] = field.runs(item)
    assert "Refused by worker overtaken@" in " ".join(field.events(run))


def test_a_run_that_was_queued_for_other_code_fails_and_is_not_retried(field: Field) -> None:
    item = field.scene()
    field.cluster.queue(item, **{"lc_assets/code": "0.0.1-older"})
    until(lambda: field.statuses(item) == [FAILURE], "it fails", field.programs)
    [run] = field.runs(item)
    said = " ".join(field.events(run))
    assert f"item {item}" in said
    assert "was queued for lc_assets 0.0.1-older" in said
    assert "lc-assets backfill" in said
    assert not (Path(field.cluster.store) / "scenes" / item).exists()
    field.cluster.queue(item)
    field.until_done(item)


def test_a_worker_finishes_its_run_after_sigterm(field: Field) -> None:
    item = field.scene()
    field.hold("overview")
    field.cluster.queue(item)
    field.until_held("overview", item)
    worker = field.worker_of(item)
    worker.signal(signal.SIGTERM)
    field.let_go()
    assert worker.wait() == 0
    field.until_done(item)
    assert field.statuses(item) == [SUCCESS]


def test_a_cancelled_run_stops_and_stays_cancelled(field: Field) -> None:
    item = field.scene()
    field.hold("class_raster")
    run_id = field.cluster.queue(item)
    field.until_held("class_raster", item)
    assert field.instance.run_coordinator.cancel_run(run_id)
    until(lambda: field.statuses(item) == [dg.DagsterRunStatus.CANCELED], "it is cancelled", field.programs)
    field.let_go()
    field.cluster.queue(item)
    until(lambda: field.statuses(item) == [dg.DagsterRunStatus.CANCELED, SUCCESS], "it is run again", field.programs)
    field.check_files(item)


def _other(what: str, folder: Path) -> dict[str, str]:
    """Return the environment of a process with other code or another model."""
    if what == "model":
        return {"LC_ASSETS_MODEL": str(SHIPPED.parent / "holdout")}
    for package in ("lc_assets", "lc_assets_tests"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "lc_assets" / "core" / "landcover.py").open("a") as file:
        file.write("\n# A change.\n")
    return {"PYTHONPATH": str(folder)}
