"""A gate: an HTTP proxy in front of an object store, which writes down each request and refuses some.

A process of its own: GDAL reads headers with Python's lock held, so no server may be a thread of the one that reads.
"""

from __future__ import annotations

import http.client
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from loopback.programs import Program, free_port


class Gate:
    """The running gate.

    Attributes:
        port: where clients find it, on 127.0.0.1.
    """

    def __init__(self, target: int, port: int | None = None) -> None:
        """Start it in front of another loopback port."""
        self._folder = tempfile.TemporaryDirectory(prefix="rig-gate-", ignore_cleanup_errors=True)
        self._log, self._refused = (Path(self._folder.name) / name for name in ("requests", "refuse"))
        self.clear()
        self.port = port or free_port()
        command = [sys.executable, str(Path(__file__)), str(self.port), str(target), self._folder.name]
        paths = {"PYTHONPATH": str(Path(__file__).parents[1])}
        self._program = Program(command, self.port, Path(self._folder.name), environment=paths).wait()

    @property
    def requests(self) -> list[tuple[str, str, str, int]]:
        """(method, path without query, Range header or "", status) of each request, in the order of their ends."""
        return [(method, path, asked, status) for method, path, asked, status, _, _ in self._entries()]

    def traffic(self) -> dict[str, tuple[int, int, int]]:
        """Method -> requests, bytes that came with them, bytes that were answered; `LIST` apart from `GET`."""
        found: dict[str, tuple[int, int, int]] = {}
        for method, path, _, _, sent, answered in self._entries():
            kind = "LIST" if method == "GET" and path.count("/") == 1 else method
            count, up, down = found.get(kind, (0, 0, 0))
            found[kind] = (count + 1, up + sent, down + answered)
        return found

    def _entries(self) -> list[tuple[str, str, str, int, int, int]]:
        lines = [line.split("\t") for line in self._log.read_text().splitlines()]
        return [(m, p, asked, int(status), int(sent), int(got)) for m, p, asked, status, sent, got in lines]

    def clear(self) -> None:
        """Forget the requests, and refuse none."""
        self._log.write_text("")
        self.refuse()

    def refuse(self, method: str = "", status: int = 0) -> None:
        """Answer requests of a method with a status, from now on; without one, pass all on."""
        self._refused.write_text(f"{method} {status}")

    def stop(self) -> None:
        """End it."""
        self._program.stop()
        self._folder.cleanup()


def _serve(port: int, target: int, folder: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms between its head and its body

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            method, _, status = (folder / "refuse").read_text().partition(" ")
            told, answered = int(status) if method == self.command else 0, 0
            if told:
                self.send_response(told)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                told, answered = self._ask(body)
            asked = self.headers.get("Range") or ""
            line = (self.command, self.path.partition("?")[0], asked, told, len(body), answered)
            with (folder / "requests").open("a") as log:
                log.write("\t".join(map(str, line)) + "\n")

        def _ask(self, body: bytes) -> tuple[int, int]:
            connection = http.client.HTTPConnection("127.0.0.1", target, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
            connection.request(self.command, self.path, body, {**headers, "Connection": "close"})
            answer = connection.getresponse()
            content = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(content)
            connection.close()
            return answer.status, len(content)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
