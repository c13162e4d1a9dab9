"""The processes of a cluster use their connections to PostgreSQL again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from lc_assets_tests.cluster.postgresql import postgresql_instance
from loopback.cluster.process import Process

pytestmark = [pytest.mark.restarts_programs, pytest.mark.xdist_group("postgresql")]


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[dg.DagsterInstance, Process]]:
    with postgresql_instance() as both:
        yield both


@pytest.fixture
def connections() -> Iterator[list[object]]:
    """The connections that are opened during a test."""
    made: list[object] = []

    def note(connection: object, _: object) -> None:
        made.append(connection)

    event.listen(Pool, "connect", note)
    yield made
    event.remove(Pool, "connect", note)


def _open(connections: list[object]) -> int:
    return sum(not connection.closed for connection in connections)  # type: ignore[attr-defined]


@dg.job(executor_def=dg.in_process_executor)
def logged() -> None:
    @dg.op
    def asset(context) -> None:  # type: ignore[no-untyped-def]
        for number in range(100):
            context.log.info(str(number))

    asset()


def test_a_run_opens_no_connection_for_each_of_its_events(
    opened: tuple[dg.DagsterInstance, Process], connections: list[object]
) -> None:
    from lc_assets.cluster.storage import KEPT_CONNECTIONS

    instance, _ = opened
    run = logged.execute_in_process(instance=instance)
    assert len(instance.all_logs(run.run_id)) > 100
    assert len(connections) <= KEPT_CONNECTIONS


def test_threads_get_as_many_connections_as_they_need_and_few_stay_open(
    opened: tuple[dg.DagsterInstance, Process], connections: list[object]
) -> None:
    from lc_assets.cluster.run_lock import _storage
    from lc_assets.cluster.storage import KEPT_CONNECTIONS

    instance, _ = opened

    def wait(_: int) -> None:
        with _storage(instance).connect() as connection:
            connection.exec_driver_sql("SELECT pg_sleep(1)")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wait, range(8)))
    assert len(connections) >= 8 - KEPT_CONNECTIONS
    assert _open(connections) <= KEPT_CONNECTIONS


def test_the_first_statement_after_a_restart_of_postgresql_succeeds(
    opened: tuple[dg.DagsterInstance, Process],
) -> None:
    instance, server = opened
    before = instance.get_runs_count()
    server.kill()
    server.start()
    assert instance.get_runs_count() == before


def test_an_instance_that_is_closed_leaves_no_connection_open(
    opened: tuple[dg.DagsterInstance, Process], connections: list[object]
) -> None:
    instance, _ = opened
    with dg.DagsterInstance.from_ref(instance.get_ref()) as another:
        another.get_runs_count()
        assert _open(connections) > 0
    assert _open(connections) == 0
