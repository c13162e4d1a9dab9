"""A running server of a store's files, and requests that reach it as they are."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from lc_assets.products.pages import file_server


class Answer(NamedTuple):
    status: int
    head: str
    body: bytes


class Server:
    """A running server, asked without a client's corrections of a path."""

    def __init__(self, store: Path, port: int) -> None:
        self.store, self.port = store, port

    def ask(self, path: str, *headers: str, method: str = "GET", host: str = "127.0.0.1") -> Answer:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "Connection: close", "", ""]
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            connection.sendall("\r\n".join(lines).encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return Answer(int(head.split()[1]), head.decode().lower(), body)


@contextmanager
def serving(store: Path) -> Iterator[Server]:
    """The server of a store, in a process of its own. It must end with its standard input."""
    end, held = os.pipe()
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        number, port = listening.fileno(), listening.getsockname()[1]
        command = [sys.executable, "-m", file_server.__name__, str(store), str(number)]
        process = subprocess.Popen(command, stdin=end, pass_fds=[number], start_new_session=True)
    os.close(end)
    try:
        yield Server(store, port)
    finally:
        os.close(held)
        assert process.wait(60) == 0
