"""The whole cluster: started in a folder of its own, asked and broken by handles, ended whatever happens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster_graphql import DagsterGraphQLClient

from lc_assets.operations.keys import CLASSIFY
from loopback.cluster.process import Process
from loopback.cluster.services import missing, postgresql, redis
from loopback.programs import WAIT_SECONDS, Missing, free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
LOCATION = "lc_assets.cluster.definitions"
QUICK: dict[str, Any] = {
    "run_launcher": {"config": {"lost_after_seconds": 4}},
    "run_coordinator": {"config": {"dequeue_interval_seconds": 1}},
    "run_monitoring": {"poll_interval_seconds": 1, "cancel_timeout_seconds": 10},
}
"""What tests change of deploy/dagster.yaml: how long is waited."""


class Cluster:
    """PostgreSQL, Redis, a daemon, workers and, if asked for, a webserver; a context manager.

    Attributes:
        folder: all that it writes; logs are `<name>.log` in it.
        store: where scenes go.
        environment: of all its programs; for commands beside them, too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 2,
        location: str = LOCATION,
        changed: dict[str, Any] = QUICK,
        store: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: an empty folder.
            workers: how many, of one process each.
            location: module of the code location.
            changed: merged into deploy/dagster.yaml; where it is empty, the daemon has its usual waits too.
            store: folder or URL; default is `store` in `folder`.
            environment: added to ours.

        Raises:
            Missing: a program is not on this machine.
        """
        if missing():
            raise Missing(f"needs {' and '.join(missing())} (apt-get install --no-install-recommends them)")
        self.folder = folder
        self.store = store or str(folder / "store")
        folder.chmod(0o755)  # PostgreSQL runs as somebody else
        self.postgresql, database = postgresql(folder)
        self.redis, broker = redis(folder)
        home = folder / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text(yaml.safe_dump(_merged(_deployed(), changed)))
        (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"python_module": location}]}))
        self.environment = {
            **os.environ,
            "DAGSTER_HOME": str(home),
            **database,
            "LC_ASSETS_BROKER": broker,
            "LC_ASSETS_STORE": self.store,
            "LC_ASSETS_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            **(environment or {}),
        }
        self.daemon = self._program(
            "daemon",
            ["loopback.quick_daemon" if changed else "dagster._daemon", "run", "-w", "workspace.yaml"],
            lambda p: "SensorDaemon" in p.said(),
        )
        self.workers = [self.worker(f"w{number}") for number in range(1, workers + 1)]
        self._others: list[Process] = []
        self._port = 0

    def worker(self, name: str, environment: dict[str, str] | None = None) -> Process:
        """A worker of one process, not started yet; `environment` is added to the cluster's."""
        command = ["celery", "-A", "lc_assets.cluster.worker", "worker", "--concurrency", "1", "--loglevel", "INFO"]
        command += ["--hostname", f"{name}@%h", "--without-gossip", "--without-mingle"]
        worker = self._program(name, command, lambda p: " ready." in p.said(), environment)
        if hasattr(self, "_others"):
            self._others.append(worker)
        return worker

    def webserver(self) -> str:
        """Start the UI: its address."""
        self._port = free_port()
        command = ["dagster_webserver", "-h", "127.0.0.1", "-p", str(self._port), "-w", "workspace.yaml"]
        command += ["--db-pool-recycle", "2"]  # it never asks a pooled connection whether PostgreSQL is still there
        port = self._port
        ui = self._program("webserver", command, lambda _: _listens(port))
        self._others.append(ui.start())
        return f"http://127.0.0.1:{self._port}"

    def queue(self, item: str, **tags: str) -> str:
        """Launch a run of a registered scene as the UI does, by the webserver's GraphQL: its id."""
        client = DagsterGraphQLClient("127.0.0.1", port_number=self._port)
        return client.submit_job_execution(CLASSIFY, tags={"dagster/partition": item, **tags})

    def command(self, *arguments: object) -> str:
        """`lc-assets` on the coordinator: what it says.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        command = [sys.executable, "-m", "lc_assets.cli.main", *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"lc-assets {arguments[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> Cluster:
        """Start all of it; the tables are made first, alone."""
        try:
            self.postgresql.start()
            self.redis.start()
            with self.instance() as instance:
                instance.get_runs_count()
                instance.get_dynamic_partitions("scenes")
                instance.all_instigator_state()
            for program in (self.daemon, *self.workers):
                program.start(wait=0)
            for program in (self.daemon, *self.workers):
                program.ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all of it."""
        for program in (*self._others, *self.workers, self.daemon, self.redis, self.postgresql):
            program.stop()

    def __enter__(self) -> Cluster:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def instance(self) -> dg.DagsterInstance:
        """Dagster's instance, for a look from outside."""
        names = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "LC_ASSETS_BROKER")
        os.environ.update({name: self.environment[name] for name in names})
        return dg.DagsterInstance.from_config(self.environment["DAGSTER_HOME"])

    def _program(
        self,
        name: str,
        module: list[str],
        ready: Callable[[Process], bool],
        environment: dict[str, str] | None = None,
    ) -> Process:
        whole = {**self.environment, **(environment or {})}
        return Process(name, [sys.executable, "-m", *module], self.folder, environment=whole, ready=ready)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(
    true: Callable[[], Any], what: str, programs: Iterable[Process] = (), *, seconds: float = WAIT_SECONDS
) -> Any:
    """Wait for something to become true, and return it.

    Raises:
        AssertionError: it does not; with the end of the programs' logs.
    """
    deadline = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > deadline:
            logs = "\n".join(f"--- {program.name}\n{_noteworthy(program.said())[-8000:]}" for program in programs)
            raise AssertionError(f"not within {seconds:.0f} s: {what}\n{logs}")
        time.sleep(0.2)
    return found


def _noteworthy(said: str) -> str:
    """Leave out the lines of sensors, of which there are two every five seconds."""
    return "\n".join(line for line in said.splitlines() if "SensorDaemon" not in line)


def _deployed() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "dagster.yaml").read_text())


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        merged[key] = (
            _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        )
    return merged
