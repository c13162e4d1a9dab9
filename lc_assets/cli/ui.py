"""`lc-assets ui`: Dagster's UI and daemon, and a server of the store's files, on this machine."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import click

from lc_assets.cli.options import with_session
from lc_assets.cli.session import Session
from lc_assets.core.environment import set_variable
from lc_assets.core.errors import LandCoverError

_HOST = "127.0.0.1"
_OTHER_STORE = "open it; for another store set another DAGSTER_HOME, and choose another port with --port"


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65534),
    default=3000,
    show_default=True,
    help="Port of the UI on 127.0.0.1. The store's files are at the next one.",
)
@with_session
def ui(session: Session, port: int) -> None:
    """Open Dagster's UI on loopback, on the same instance and store.

    The files of a store on a disk are served too, read-only: the links in the UI open reports, maps and the page of all
    scenes. With LC_ASSETS_FILES_URL, links lead to that URL; if it is on loopback, the files are served there.
    """
    from lc_assets.operations.dagster_home import ensure_dagster_home, open_home

    settings = session.settings
    url = f"http://{_HOST}:{port}"
    with socket.socket() as probe:
        is_taken = probe.connect_ex((_HOST, port)) == 0
    if is_taken and _is_dagster(port):
        problem = f"Dagster's UI runs already: {url}"
        raise LandCoverError(problem, remedy=_OTHER_STORE)
    if is_taken:
        raise _unusable(f"port {port} is taken")
    files_url = settings.files_url or f"http://{_HOST}:{port + 1}"
    files = _listen(files_url) if isinstance(settings.store, Path) else None
    set_variable("LC_ASSETS_STORE", str(settings.store))
    open_home(settings.store).dispose()  # what cannot be opened is one error here
    _hold(ensure_dagster_home(settings.store), url)
    # A job that a shell starts in the background ignores interrupts, and so would Dagster's child processes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if files:
        set_variable("LC_ASSETS_FILES_URL", files_url)
        _serve_files(Path(settings.store), files)
        click.echo(f"All scenes: {files_url}/ (served while the UI runs)")
    click.echo(f"Dagster's UI: {url}")
    workspace = Path(__file__).with_name("workspace.yaml")
    # `dg dev`, which Dagster recommends instead, is in a package that is not a dependency.
    quiet = ["-W", "ignore::FutureWarning"]
    command = [sys.executable, *quiet, "-m", "dagster", "dev", "-w", str(workspace), "-h", _HOST, "-p", str(port)]
    sys.stdout.flush()
    os.execv(sys.executable, command)


def _hold(home: Path, url: str) -> int | None:
    """Hold a lock on a Dagster home until this process ends, also after `exec`. Each UI has a daemon, and with two of
    them every sensor would tick twice, and runs of one store could be executed with the settings of the other.

    Returns:
        The lock's file descriptor; None where the home cannot be locked, as that of an operator, which has a daemon of
        its own.

    Raises:
        LandCoverError: another process holds it.
    """
    try:
        lock = os.open(home / ".ui.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        running = os.read(lock, 100).decode(errors="replace")
        os.close(lock)
        raise LandCoverError(f"Dagster's UI of {home} runs already: {running}", remedy=_OTHER_STORE) from None
    except OSError:  # a file system without locks
        os.close(lock)
        return None
    os.set_inheritable(lock, True)
    os.ftruncate(lock, 0)
    os.write(lock, url.encode())
    return lock


def _listen(url: str) -> socket.socket | None:
    """Listen at the port of a URL; None if the URL is that of another web server.

    Raises:
        LandCoverError: the port is taken.
    """
    parts = urlsplit(url)
    if parts.hostname not in (_HOST, "localhost") or parts.scheme != "http" or parts.path.strip("/"):
        return None
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, parts.port or 80))
        listening.listen()
    except OSError as error:
        listening.close()
        raise _unusable(f"port {parts.port or 80} of the store's files cannot be used ({error.strerror})") from None
    return listening


def _is_dagster(port: int) -> bool:
    """Whether the program at a port of this machine is Dagster's UI."""
    connection = HTTPConnection(_HOST, port, timeout=5)
    try:
        connection.request("GET", "/server_info")
        return b"dagster_webserver_version" in connection.getresponse().read(1000)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _unusable(problem: str) -> LandCoverError:
    remedy = "stop the program that uses it (another lc-assets ui?), or choose another with --port"
    return LandCoverError(problem, remedy=remedy)


def _serve_files(store: Path, listening: socket.socket) -> None:
    """Start the server of the store's files. It ends when this process does, also after `exec`."""
    from lc_assets.products.pages import file_server

    end, held = os.pipe()  # the server reads it to its end, which comes when this process has ended
    os.set_inheritable(held, True)
    number = listening.fileno()
    subprocess.Popen(
        [sys.executable, "-m", file_server.__name__, str(store), str(number)],
        stdin=end,
        pass_fds=[number],
        start_new_session=True,  # an interrupt of the UI reaches it by way of the pipe
    )
    os.close(end)
    listening.close()
