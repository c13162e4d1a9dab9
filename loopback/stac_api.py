"""The catalogue: pgstac in PostgreSQL behind stac-fastapi, the programs that the Planetary Computer itself runs."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loopback.programs import Missing, Program, as_user, free_port, pgstac, postgres, unprivileged
from loopback.wire import Backend

PUBLIC_ROOT = "https://planetarycomputer.microsoft.com/api/stac/v1"
PUBLIC_HOST = urlsplit(PUBLIC_ROOT).hostname or ""
_PATH = urlsplit(PUBLIC_ROOT).path

_FAST = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "timezone": "UTC",
}
"""Nothing in this database outlives the tests."""

_EXTENSIONS = "query,sort,fields,filter,pagination"


class StacApi:
    """A catalogue of its own; it speaks on loopback, its links carry the public root.

    Attributes:
        backend: where it listens, for the relay.
    """

    def __init__(self) -> None:
        """Start PostgreSQL, lay pgstac out in it, start the API; wait for both.

        Raises:
            Missing: PostgreSQL, PostGIS or pgstac is not installed.
        """
        self._programs, migrate, uvicorn = postgres(), pgstac("pypgstac"), pgstac("uvicorn")
        self._user = unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="rig-stac-"))  # not pytest's: this user must get at it
        os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._running: list[Program] = []
        try:
            database, api = free_port(), free_port()
            self._environment = {
                **{"PGHOST": "127.0.0.1", "PGPORT": str(database), "PGUSER": "rig", "PGPASSWORD": "rig"},
                **{"PGDATABASE": "pgstac", "PGOPTIONS": "-c search_path=pgstac,public"},
            }
            self._start_database(database)
            self._run([str(migrate), "migrate"])
            settings = {
                "ENABLED_EXTENSIONS": _EXTENSIONS,
                "STAC_FASTAPI_TITLE": "Microsoft Planetary Computer STAC API",
                "STAC_FASTAPI_DESCRIPTION": "Played by the test rig",
                "STAC_FASTAPI_LANDING_ID": "microsoft-pc",
            }
            command = [str(uvicorn), "stac_fastapi.pgstac.app:create_app", "--factory", "--host", "127.0.0.1"]
            command += ["--port", str(api), "--root-path", _PATH, "--log-level", "warning"]
            environment = {**self._environment, **settings}
            self._running.append(Program(command, api, self._folder, environment=environment).wait())
        except BaseException:
            self.stop()
            raise
        self.backend = Backend(("127.0.0.1", api), strip=_PATH)

    def _start_database(self, port: int) -> None:
        data = self._folder / "data"
        initdb = [str(self._programs / "initdb"), "-D", str(data), "-U", "rig", "-A", "trust", "--no-sync"]
        self._run([*initdb, "-E", "UTF8", "--no-locale"], user=self._user)
        options = [part for name, value in _FAST.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(data), "-p", str(port), *options]
        program = Program(command, port, self._folder, user=self._user, end="QUIT")
        self._running.append(program.wait())
        self._until_ready()
        self._sql("CREATE DATABASE pgstac TEMPLATE template0", PGDATABASE="postgres")
        try:
            self._sql("CREATE EXTENSION postgis")
        except RuntimeError as error:
            if "control file" in str(error) or "not available" in str(error):
                raise Missing("needs PostGIS (install postgresql-postgis, then `make rig`)") from None
            raise

    def _until_ready(self) -> None:
        """It listens a moment before it takes queries."""
        for _ in range(200):
            try:
                return self._run([str(self._programs / "pg_isready"), "-q", "-d", "postgres"])
            except RuntimeError:
                time.sleep(0.1)
        raise RuntimeError("PostgreSQL takes no queries")

    def load(self, collection: dict[str, Any] | None = None, items: list[dict[str, Any]] | None = None) -> None:
        """Insert or replace a collection and items."""
        if collection:
            self._sql(f"SELECT pgstac.upsert_collection({_literal(collection)})")
        if items:
            self._sql(f"SELECT pgstac.upsert_items({_literal(items)})")

    def delete(self, item_id: str, collection: str = "sentinel-2-l2a") -> None:
        """Delete an item that is there."""
        self._sql(f"SELECT pgstac.delete_item({_text(item_id)}, {_text(collection)})")

    def clear(self) -> None:
        """Delete all items."""
        self._sql("DELETE FROM pgstac.items")

    def stop(self) -> None:
        """End both programs and throw the database away."""
        for program in reversed(self._running):
            program.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _sql(self, statement: str, **environment: str) -> None:
        # Through standard input: a command line is too short for items.
        psql = [str(self._programs / "psql"), "-q", "-X", "-v", "ON_ERROR_STOP=1", "-o", os.devnull]
        self._run(psql, statement, environment=environment)

    def _run(
        self,
        command: list[str],
        said: str = "",
        *,
        environment: dict[str, str] | None = None,
        user: pwd.struct_passwd | None = None,
    ) -> None:
        done = subprocess.run(
            command,
            input=said.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            env={**os.environ, **self._environment, **(environment or {})},
            **as_user(user),
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stdout.decode(errors='replace')[-2000:]}")


def _text(value: str) -> str:
    quoted = value.replace("'", "''")
    return f"'{quoted}'"


def _literal(document: Any) -> str:
    return _text(json.dumps(document)) + "::jsonb"
