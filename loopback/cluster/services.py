"""PostgreSQL and Redis, as Debian packages them, on free ports of loopback."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from loopback.cluster.process import Process
from loopback.programs import Missing, as_user, free_port, postgres, unprivileged


def missing() -> list[str]:
    """Debian's packages that have to be installed first."""
    packages = []
    if not shutil.which("redis-server"):
        packages.append("redis-server")
    try:
        postgres()
    except Missing:
        packages.append("postgresql")
    return packages


def postgresql(folder: Path) -> tuple[Process, dict[str, str]]:
    """A new cluster of databases in `folder`, not started yet, and the environment that names it to its clients."""
    programs, user, port = postgres(), unprivileged(), free_port()
    home, data = folder / "postgresql", folder / "postgresql" / "data"
    home.mkdir()
    shutil.chown(home, user.pw_uid, user.pw_gid)
    word = secrets.token_hex(12)
    pwfile = home / "password"
    pwfile.write_text(word)
    shutil.chown(pwfile, user.pw_uid, user.pw_gid)
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "dagster", "-A", "scram-sha-256", "--pwfile", pwfile, "-E", "UTF8"],
        cwd=home,
        check=True,
        capture_output=True,
        **as_user(user),
    )
    pwfile.unlink()
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    command += ["-k", str(home), "-c", "fsync=off", "-c", "max_connections=200"]
    ask = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    process = Process(
        "postgresql",
        command,
        home,
        user=user,
        ready=lambda _: subprocess.run(ask, check=False).returncode == 0,
        end=signal.SIGINT,  # "fast": sessions are ended
    )
    names = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGDATABASE": "postgres", "PGUSER": "dagster"}
    return process, {**names, "PGPASSWORD": word}


def redis(folder: Path) -> tuple[Process, str]:
    """A Redis that keeps nothing on the disk, the worst case, not started yet; and its URL."""
    port = free_port()
    home = folder / "redis"
    home.mkdir()
    word = secrets.token_hex(12)
    settings = home / "redis.conf"
    settings.write_text(f'bind 127.0.0.1\nport {port}\nsave ""\nappendonly no\nrequirepass {word}\ndir {home}\n')
    process = Process(
        "redis",
        ["redis-server", str(settings)],
        home,
        ready=lambda process: "Ready to accept connections" in process.said(),
    )
    return process, f"redis://:{word}@127.0.0.1:{port}/0"
