"""The processes of a cluster use their connections to PostgreSQL again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import URL, event, make_url
from sqlalchemy.pool import Pool

from lc_assets_tests.cluster.postgresql import postgresql_instance, write_home
from loopback.cluster.process import Process
from loopback.programs import free_port, unprivileged

pytestmark = pytest.mark.restarts_programs


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


@pytest.fixture
def pgbouncer(opened: tuple[dg.DagsterInstance, Process]) -> Iterator[URL]:
    """The URL of the database behind a PgBouncer."""
    program = shutil.which("pgbouncer")
    if not program:
        pytest.skip("needs PgBouncer (install pgbouncer)")
    from lc_assets.cluster.run_lock import _storage

    url = make_url(_storage(opened[0]).postgres_url)
    with tempfile.TemporaryDirectory(prefix="lc-pgbouncer-") as name:  # below pytest's folder, only root could read it
        folder = Path(name)
        folder.chmod(0o755)
        settings, users, port = folder / "pgbouncer.ini", folder / "users.txt", free_port()
        users.write_text(f'"{url.username}" "{url.password}"\n')
        settings.write_text(
            f"[databases]\n{url.database} = host={url.host} port={url.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\npool_mode = session\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\n"
        )
        command, user = [program, str(settings)], unprivileged()
        bouncer = Process("pgbouncer", command, folder, user=user, ready=lambda it: "process up" in it.said())
        bouncer.start()
        yield url.set(port=port)
        bouncer.stop()


def test_a_pgbouncer_that_pools_by_session_may_stand_between(pgbouncer: URL, tmp_path: Path) -> None:
    from lc_assets.cluster.run_lock import hold_run_lock, locked_runs

    write_home(tmp_path, {"postgres_url": pgbouncer.render_as_string(hide_password=False)})
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run_id = logged.execute_in_process(instance=instance).run_id
        with hold_run_lock(instance, run_id, print) as held:
            assert held
            assert locked_runs(instance, [run_id]) == {run_id}
            with hold_run_lock(instance, run_id, print) as another:
                assert another is None
        assert locked_runs(instance, [run_id]) == set()
