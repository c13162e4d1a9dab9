"""The programs that the rig runs: where they are on this machine, and how one is started and surely ended."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

RIG = Path(__file__).parents[1] / ".rig"
"""What `make rig` has installed."""

WAIT_SECONDS = 300.0
"""How long a test waits for what must come. Only a failing test waits so long. A machine that executes other tests
beside this one can need several times as long as a quiet one."""

_RANDOM = random.SystemRandom()
"""Not seeded: with one seed, all processes that run tests would try the same ports."""

# The program ends when its standard input does: also when the tests are killed and can end nothing any more.
_LEASH = """
end=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(cat <&3 >/dev/null; kill -s "$end" "$program" 2>/dev/null) &
exec 3<&-
wait "$program"
"""


class Missing(Exception):
    """A program that the rig needs is not on this machine; the text says which, and what installs it."""


def node() -> str:
    """Path of node.

    Raises:
        Missing: there is none.
    """
    found = shutil.which("node")
    if not found:
        raise Missing("needs node (install nodejs and npm, then `make rig`)")
    return found


def azurite() -> Path:
    """Azurite's blob service.

    Raises:
        Missing: it is not installed.
    """
    script = RIG / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not script.exists():
        raise Missing("needs azurite (install nodejs and npm, then `make rig`)")
    return script


def postgres() -> Path:
    """The folder with initdb, pg_isready, postgres and psql: Debian keeps them out of PATH.

    Raises:
        Missing: no folder has all four.
    """
    on_path = [Path(folder) for folder in os.get_exec_path()]
    # PATH alone says what a machine has: Debian puts psql there when it has a server or a client.
    installed = Path("/usr/lib/postgresql").glob("*/bin") if shutil.which("psql") else ()
    debian = sorted(installed, key=lambda path: path.parent.name.zfill(4), reverse=True)
    for folder in (*debian, *on_path):
        if all((folder / name).exists() for name in ("initdb", "pg_isready", "postgres", "psql")):
            return folder
    raise Missing("needs PostgreSQL with PostGIS (install postgresql and postgresql-postgis, then `make rig`)")


def pgstac(name: str) -> Path:
    """A command of the virtual environment that has pgstac.

    Raises:
        Missing: it is not installed.
    """
    command = RIG / "pgstac" / "bin" / name
    if not command.exists():
        raise Missing("needs stac-fastapi-pgstac (install postgresql and postgresql-postgis, then `make rig`)")
    return command


def unprivileged() -> pwd.struct_passwd:
    """Whom PostgreSQL runs as: it refuses root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Missing("needs a user other than root (add one called postgres)")


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """What subprocess takes to run something as another user; nothing where we are not root."""
    if user is None or os.geteuid() != 0:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def free_port(count: int = 1) -> int:
    """The first of `count` ports in a row that nobody listens at now.

    They are below those that the system gives to outgoing connections (from 32768 on, ip(7)), which could take one
    before the program does that it is for."""
    while True:
        first = _RANDOM.randrange(10_000, 32_768 - count)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


class Program:
    """A running program that is to listen at a loopback port."""

    def __init__(
        self,
        command: list[str],
        port: int,
        folder: Path,
        *,
        environment: dict[str, str] | None = None,
        user: pwd.struct_passwd | None = None,
        end: str = "KILL",
    ) -> None:
        """Start it, without waiting.

        Args:
            command: what to run.
            port: where it will listen.
            folder: its working folder; its output goes to a file in it.
            environment: added to ours.
            user: whom to run it as; None is ourselves.
            end: the signal that ends it.
        """
        self.port = port
        self.command = command
        self.log = folder / f"{Path(command[0]).name}-{port}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _LEASH, "leash", end, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                **as_user(user),
            )

    def wait(self) -> Program:
        """Until it listens.

        Raises:
            RuntimeError: it ended, or does not listen; with what it wrote.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.02)
        said = self.log.read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"{' '.join(self.command)} does not listen at port {self.port}: {said}")

    def stop(self) -> None:
        """End it, at once."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:  # a forked child of ours holds the pipe open, or it hangs
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
