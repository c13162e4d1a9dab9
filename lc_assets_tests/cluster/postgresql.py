"""A Dagster instance with the storage of a cluster, on a PostgreSQL of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from loopback.cluster.process import Process
from loopback.cluster.services import postgresql
from loopback.programs import Missing


def write_home(folder: Path, config: dict[str, Any]) -> None:
    """Write the dagster.yaml of an instance with the storage of a cluster, whose config is given."""
    storage = {"module": "lc_assets.cluster.storage", "class": "PooledPostgresStorage", "config": config}
    (folder / "dagster.yaml").write_text(yaml.safe_dump({"storage": {"custom": storage}}))


@contextmanager
def postgresql_instance() -> Iterator[tuple[dg.DagsterInstance, Process]]:
    """Yield the instance and its server; skip the test if PostgreSQL is not on this machine."""
    pytest.importorskip("dagster_postgres")
    # Not below pytest's own folder, which only root may enter.
    with tempfile.TemporaryDirectory(prefix="lc-postgresql-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            server, environment = postgresql(folder)
        except Missing as missing:
            pytest.skip(str(missing))
        login = {key: environment[f"PG{name}"] for key, name in (("username", "USER"), ("password", "PASSWORD"))}
        where = {"hostname": "127.0.0.1", "port": int(environment["PGPORT"]), "db_name": "postgres"}
        write_home(folder, {"postgres_db": {"scheme": "postgresql+psycopg2", **login, **where}})
        server.start()
        try:
            with dg.DagsterInstance.from_config(name) as instance:
                yield instance, server
        finally:
            server.stop()
