"""Measure the size of a run in the database, per table with its indexes."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from benchmarks.many_scenes.world import World

_TABLES = "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables"
_EVENTS = """
SELECT dagster_event_type || ' of ' || step_key, sum(pg_column_size(event)) FROM event_logs WHERE run_id = :run
GROUP BY 1 ORDER BY 2 DESC LIMIT 5
"""


def sizes(world: World) -> dict[str, int]:
    """Return table -> bytes, with its indexes and long values."""
    with world.engine.connect() as connection:
        return {name: int(size) for name, size in connection.execute(sa.text(_TABLES))}


def per_run(before: dict[str, int], after: dict[str, int], runs: int) -> Iterator[tuple[str, float, str]]:
    """Yield (table, kB per run, share), largest first."""
    grown = {name: (after[name] - before.get(name, 0)) / runs for name in after}
    total = sum(grown.values())
    yield "all tables", total / 1e3, ""
    for name in sorted(grown, key=lambda name: -grown[name]):
        if grown[name] / total > 0.001:
            yield name, grown[name] / 1e3, f"{100 * grown[name] / total:.0f} %"


def largest_events(world: World) -> Iterator[tuple[str, float, str]]:
    """Yield (event, kB, "") of the largest events of the real run."""
    with world.engine.connect() as connection:
        for name, size in connection.execute(sa.text(_EVENTS), {"run": world.run}):
            yield str(name), int(size) / 1e3, ""
