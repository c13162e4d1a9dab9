"""A Dagster instance with the storage of a cluster, on a PostgreSQL of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import yaml

from loopback.cluster.process import Process
from loopback.cluster.services import postgresql
from loopback.programs import Missing


@contextmanager
def postgresql_instance() -> Iterator[tuple[dg.DagsterInstance, Process]]:
    """Yield the instance and its server; skip the test if PostgreSQL is not on this machine."""
    pytest.importorskip("dagster_postgres")
    # Not below pytest's own folder, which only root may enter.
    folder = Path(tempfile.mkdtemp(prefix="lc-postgresql-"))
    folder.chmod(0o755)
    try:
        try:
            server, environment = postgresql(folder)
        except Missing as missing:
            pytest.skip(str(missing))
        server.start()
        try:
            login = {key: environment[f"PG{name}"] for key, name in (("username", "USER"), ("password", "PASSWORD"))}
            where = {"hostname": "127.0.0.1", "port": int(environment["PGPORT"]), "db_name": "postgres"}
            storage = {
                "module": "lc_assets.cluster.storage",
                "class": "PooledPostgresStorage",
                "config": {"postgres_db": {"scheme": "postgresql+psycopg2", **login, **where}},
            }
            (folder / "home").mkdir()
            (folder / "home" / "dagster.yaml").write_text(yaml.safe_dump({"storage": {"custom": storage}}))
            with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
                yield instance, server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
