"""The lock of a run: only one worker executes the run, and other processes see whether the worker is alive.

A run lock is an advisory lock in PostgreSQL. It belongs to a database session that the executing process keeps open.
Two workers cannot hold the same lock. If a process is killed, its kernel closes the connection and the lock is free at
once. If a machine fails, the server detects this by TCP keepalives within a minute. A busy worker keeps its lock,
because its kernel answers the keepalives.

A restart of PostgreSQL ends all sessions. The workers then take their locks again within seconds, which is less than
`lc_assets.cluster.launcher` waits. A PgBouncer in front of PostgreSQL must pool by session; it needs TCP keepalives of
its own.
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

_CHECK_SECONDS = 2.0
_RECONNECT_SECONDS = 0.5
_STOPPED_STATUSES = ("CANCELING", "CANCELED", "FAILURE")
_KEEPALIVES = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3}
"""For both sides of the connection: a side that does not answer for 50 seconds is lost."""
_OPTIONS = {"connect_timeout": 5, "keepalives": 1, **_KEEPALIVES, "application_name": "lc_assets run lock"}
# As `options` of the connection, PgBouncer would refuse them.
_SERVER_KEEPALIVES = "; ".join(f"SET tcp_{name} = {value}" for name, value in _KEEPALIVES.items())
# pg_locks holds the 64 bits of a lock's key in two columns.
_HELD_KEYS = sqlalchemy.text(
    "SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class RunLock:
    """The lock of a run that this process executes.

    Args:
        url: URL of the PostgreSQL database.
        run_id: id of the run.
        on_stop: called with the reason if this process must stop the run; see `hold_run_lock`.

    Attributes:
        interrupted: True if the database was unavailable for a time. This may be the cause of a failed run.
    """

    def __init__(self, url: str, run_id: str, on_stop: Callable[[str], None]) -> None:
        self._url, self._run_id, self._on_stop = url, run_id, on_stop
        self._connection: Any = None
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="run lock", daemon=True)
        self.interrupted = False

    def acquire(self) -> bool:
        """Take the lock, and return False if another process holds it.

        Raises:
            psycopg2.Error: the database cannot be reached.
        """
        self._connection = psycopg2.connect(self._url, **_OPTIONS)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(_SERVER_KEEPALIVES)
        return bool(self._query("SELECT pg_try_advisory_lock(%s)", _lock_key(self._run_id)))

    def keep_alive(self) -> None:
        """Start a thread that keeps the lock until `release`, and that calls `on_stop` if the run must stop."""
        self._thread.start()

    def release(self) -> None:
        """Stop the thread and free the lock."""
        self._released.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        with suppress(psycopg2.Error):
            if self._connection is not None:
                self._connection.close()

    def _watch(self) -> None:
        pause = _CHECK_SECONDS
        while not self._released.wait(pause):
            try:
                if self._connection.closed:
                    if not self.acquire():
                        self._on_stop("another worker has taken its lock")
                        return
                    pause = _CHECK_SECONDS
                status = self._query("SELECT status FROM runs WHERE run_id = %s", self._run_id)
                if status in _STOPPED_STATUSES:
                    self._on_stop(f"its status is {status}")
                    return
            except psycopg2.Error:
                self.interrupted = True
                pause = _RECONNECT_SECONDS
                with suppress(psycopg2.Error):
                    self._connection.close()

    def _query(self, query: str, value: object) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(query, (value,))
            row = cursor.fetchone()
        return row[0] if row else None


@contextmanager
def hold_run_lock(instance: DagsterInstance, run_id: str, on_stop: Callable[[str], None]) -> Iterator[RunLock | None]:
    """Hold the lock of a run inside the context.

    Args:
        instance: a Dagster instance with its runs in PostgreSQL.
        run_id: id of the run.
        on_stop: called once, from another thread, with the reason why this process must stop the run: a user cancelled
            it, it counts as lost, or another worker has its lock.

    Yields:
        The lock, or None if another process holds it.

    Raises:
        LandCoverError: the instance does not store its runs in PostgreSQL.
        psycopg2.Error: the database cannot be reached.
    """
    url = sqlalchemy.make_url(_storage(instance).postgres_url).set(drivername="postgresql")
    lock = RunLock(url.render_as_string(hide_password=False), run_id, on_stop)
    try:
        if lock.acquire():
            lock.keep_alive()
            yield lock
        else:
            yield None
    finally:
        lock.release()


def locked_runs(instance: DagsterInstance, run_ids: Collection[str]) -> set[str]:
    """Return the ids of those runs whose lock a process holds."""
    with _storage(instance).connect() as connection:
        keys = {row[0] for row in connection.execute(_HELD_KEYS)}
    return {run_id for run_id in run_ids if _lock_key(run_id) in keys}


def _lock_key(run_id: str) -> int:
    """Return the key of the lock: the first 64 bits of the run's random id."""
    return int.from_bytes(uuid.UUID(run_id).bytes[:8], "big", signed=True)


def _storage(instance: DagsterInstance) -> PostgresRunStorage:
    if not isinstance(instance.run_storage, PostgresRunStorage):
        raise LandCoverError(
            "a cluster needs Dagster's storage in PostgreSQL",
            remedy="use deploy/dagster.yaml, or remove run_launcher from your dagster.yaml",
        )
    return cast(PostgresRunStorage, instance.run_storage)
