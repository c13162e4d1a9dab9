"""A server of a scene's files behind a network of a given rate, in a process of its own.

The rate is that of all connections together. The process also pays for the server's side of TLS, which no machine of a
user does: its CPU time is told apart.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopback.file_host import HOST, files_of
from loopback.relay import Relay


@contextmanager
def network(files: Path, work: Path, megabits: float) -> Iterator[dict[str, Any]]:
    """Serve the files of a folder as `https://HOST/<name>` inside the context.

    Args:
        files: the folder.
        work: folder for the certificate.
        megabits: rate in Mbit/s.

    Yields:
        `environment`: variables of clients. After the context also `cpu`: CPU-seconds of the server.
    """
    command = [sys.executable, "-m", "benchmarks.network", str(files), str(work), str(megabits)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        found: dict[str, Any] = {"environment": json.loads(server.stdout.readline())}
        try:
            yield found
        finally:
            server.stdin.close()
            found["cpu"] = json.loads(server.stdout.read() or "0")


def main() -> None:
    """Serve until the standard input ends."""
    files, work, megabits = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    relay = Relay(rate=megabits * 1e6 / 8)
    relay.add_host(HOST, files_of(files))
    print(json.dumps(relay.client_environment(relay.write_authority(work / "authority.pem"))), flush=True)
    sys.stdin.read()
    relay.stop()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    main()
