"""Work with the same result each time is done once in a process, although each test asks for it."""

from __future__ import annotations

from threading import Lock
from typing import Any

import sqlalchemy
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import in_memory as events_in_memory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs import in_memory as runs_in_memory
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage


def pytest_configure() -> None:
    """Once in each process of the suite."""
    read_revisions_once()
    compile_statements_once()


def read_revisions_once() -> None:
    """Alembic reads Dagster's seventy revisions from their files for every instance that is made: half of its time."""
    read = ScriptDirectory.from_config
    known: dict[str | None, ScriptDirectory] = {}

    def from_config(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in known:
            known[place] = read(config)
        return known[place]

    ScriptDirectory.from_config = from_config


def compile_statements_once() -> None:
    """Dagster makes an engine of SQLAlchemy for every statement on SQLite, about 450 for a run, and SQLAlchemy keeps
    compiled statements with their engine and dialect: without both, a sixth of a small scene's run.

    An engine of Dagster's holds no connection.
    """
    engines: dict[str, sqlalchemy.Engine] = {}
    one_at_a_time = Lock()

    def create_engine(url: str, **options: Any) -> sqlalchemy.Engine:
        with one_at_a_time:
            if url not in engines:
                engine = engines[url] = sqlalchemy.create_engine(url, **options)
                first = next(iter(engines.values()))
                engine.dialect = engine.pool._dialect = first.dialect
                engine._compiled_cache = first._compiled_cache
            return engines[url]

    for module in (
        events_in_memory,
        runs_in_memory,
        sqlite_event_log,
        sqlite_run_storage,
        sqlite_schedule_storage,
    ):
        module.create_engine = create_engine  # type: ignore[attr-defined]
