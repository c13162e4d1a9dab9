"""The lock of a run: only one worker executes the run, and other processes can see whether it still does.

A run lock is an advisory lock in PostgreSQL. It belongs to a database session that the executing process keeps open.
Two workers cannot hold the same lock. If a process is killed, its kernel closes the connection and the lock is free at
once. If a machine fails, the server notices it by TCP keepalives within a minute. A busy worker never loses its lock,
because it does not have to answer anything.

A restart of PostgreSQL ends all sessions. The workers then take their locks again within seconds, and
`lc_assets.cluster.launcher` waits long enough for that. A PgBouncer in front of PostgreSQL must pool by session.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import psycopg2
import sqlalchemy
from dagster import DagsterInstance
from dagster_postgres import PostgresRunStorage

from lc_assets.core.errors import LandCoverError

_BEAT_SECONDS = 2.0
_AGAIN_SECONDS = 0.5
_GIVEN_UP = ("CANCELING", "CANCELED", "FAILURE")
_OPTIONS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "lc_assets claim",
    "options": "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
}
# pg_locks holds the 64 bits of a lock's key in two columns.
_HELD = sqlalchemy.text(
    "SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class RunLock:
    """The lock of a run that this process executes.

    Args:
        url: URL of the PostgreSQL database.
        run_id: id of the run.
        given_up: called with the reason if the run must no longer be executed; see `hold_run_lock`.

    Attributes:
        interrupted: whether the database was unavailable in between, which may be the reason of a failure.
    """

    def __init__(self, url: str, run_id: str, given_up: Callable[[str], None]) -> None:
        self._url, self._run_id, self._given_up = url, run_id, given_up
        self._connection: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run lock", daemon=True)
        self.interrupted = False

    def acquire(self) -> bool:
        """Take the lock, and return False if another process holds it.

        Raises:
            psycopg2.Error: the database cannot be reached.
        """
        self._connection = psycopg2.connect(self._url, **_OPTIONS)
        self._connection.autocommit = True
        return bool(self._ask("SELECT pg_try_advisory_lock(%s)", _signed(self._run_id)))

    def keep_alive(self) -> None:
        """Start a thread that keeps the lock until `release`, and that calls `given_up` if the run must end."""
        self._thread.start()

    def release(self) -> None:
        """Stop the thread and free the lock."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        with suppress(psycopg2.Error):
            if self._connection is not None:
                self._connection.close()

    def _beat(self) -> None:
        pause = _BEAT_SECONDS
        while not self._ended.wait(pause):
            try:
                if self._connection.closed:
                    if not self.acquire():
                        self._given_up("another worker has taken it over")
                        return
                    pause = _BEAT_SECONDS
                status = self._ask("SELECT status FROM runs WHERE run_id = %s", self._run_id)
                if status in _GIVEN_UP:
                    self._given_up(f"it is {status} by now")
                    return
            except psycopg2.Error:
                self.interrupted = True
                pause = _AGAIN_SECONDS
                with suppress(psycopg2.Error):
                    self._connection.close()

    def _ask(self, query: str, value: object) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(query, (value,))
            row = cursor.fetchone()
        return row[0] if row else None


@contextmanager
def hold_run_lock(instance: DagsterInstance, run_id: str, given_up: Callable[[str], None]) -> Iterator[RunLock | None]:
    """Hold the lock of a run while the body executes the run. The value is None if another process holds the lock.

    Args:
        instance: a Dagster instance with its runs in PostgreSQL.
        run_id: id of the run.
        given_up: called once, from a thread, with the reason, if the run must no longer be executed: a user cancelled
            it, it was declared lost, or another worker has its lock.

    Raises:
        LandCoverError: the instance stores its runs elsewhere.
        psycopg2.Error: the database cannot be reached.
    """
    url = sqlalchemy.make_url(_storage(instance).postgres_url).set(drivername="postgresql")
    lock = RunLock(url.render_as_string(hide_password=False), run_id, given_up)
    try:
        if lock.acquire():
            lock.keep_alive()
            yield lock
        else:
            yield None
    finally:
        lock.release()


def locked_runs(instance: DagsterInstance, run_ids: Collection[str]) -> set[str]:
    """Return the ids of the given runs whose lock is held by a process."""
    with _storage(instance).connect() as connection:
        keys = {row[0] for row in connection.execute(_HELD)}
    return {run_id for run_id in run_ids if _signed(run_id) in keys}


def _signed(run_id: str) -> int:
    """Key of the lock: the first 64 bits of the run's random id."""
    return int.from_bytes(uuid.UUID(run_id).bytes[:8], "big", signed=True)


def _storage(instance: DagsterInstance) -> PostgresRunStorage:
    if not isinstance(instance.run_storage, PostgresRunStorage):
        raise LandCoverError(
            "runs that go to several workers need Dagster's storage in PostgreSQL",
            remedy="use deploy/dagster.yaml, or leave out run_launcher",
        )
    return cast(PostgresRunStorage, instance.run_storage)
