"""Dagster's storage in PostgreSQL, with connections that are used again.

Dagster's own storage opens a connection for every statement, except in the webserver: some 450 for a run
(`python -m benchmarks.cluster` shows what that costs).
"""

from __future__ import annotations

from typing import Any

from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config

from lc_assets.cluster.dagster_private import ConfigurableClassData

KEPT_CONNECTIONS = 2
"""Connections that a process keeps open. It opens others while more threads need one, and closes them."""
_RECYCLE_SECONDS = 60
"""Age after which a connection is replaced, so that no firewall has dropped it silently."""
_UNANSWERED_MS = 30_000
"""Time without an answer after which a connection is broken (libpq's tcp_user_timeout). Without it, a process would
wait a quarter of an hour after the failure of PostgreSQL's machine."""


class _EventLogStorage(PostgresEventLogStorage):
    """Closes the connections of all three storages with the instance; Dagster disposes of this one last."""

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class PooledPostgresStorage(DagsterPostgresStorage):
    """The storage of a cluster, in dagster.yaml as `storage: custom`, with the config of `storage: postgres`.

    A connection is tested before it is used again, so a restart of PostgreSQL does not fail the next statement.
    """

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: Any = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        # The tables exist by now.
        self._event_log_storage = _EventLogStorage(postgres_url, False, token_provider=token_provider)
        engine = create_pg_engine(
            postgres_url,
            token_provider,
            isolation_level="AUTOCOMMIT",
            pool_size=KEPT_CONNECTIONS,
            max_overflow=-1,
            pool_recycle=_RECYCLE_SECONDS,
            pool_pre_ping=True,
            connect_args={"tcp_user_timeout": _UNANSWERED_MS},
        )
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> PooledPostgresStorage:
        """Return the storage that dagster.yaml describes; Dagster calls this."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )
