"""Say in one line what ended a command when a signal did: a crash in a library, or the system for lack of memory.

Such a signal ends the process without any Python code. So the process forks a small one at its start, before it has
threads or memory, and keeps its own id, exit status and signals. The small process reads a pipe, to which the command
writes what it works on, and Python's `faulthandler` the name of a crash (it can do so within a signal handler). At the
end of the pipe without the word of a regular end, the process was killed.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lc_assets.cli.options import echo_error
from lc_assets.core.environment import variable
from lc_assets.core.errors import LandCoverError

_SIGNALS = {
    "Segmentation fault": "SIGSEGV",
    "Floating point exception": "SIGFPE",
    "Floating-point exception": "SIGFPE",
    "Aborted": "SIGABRT",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
}
"""Words of `faulthandler` -> signal. Python 3.13 has changed those of SIGFPE."""
_CRASHED, _WORKING, _ENDED = b"Fatal Python error: ", b"working on: ", b"ended"
_NETWORK = "class_raster"
"""The asset that runs the network."""
_pipe: int | None = None


@contextmanager
def watched() -> Iterator[None]:
    """Watch this process: the message about its end by a signal goes to standard error."""
    global _pipe
    if not hasattr(os, "fork"):
        yield
        return
    read_end, _pipe = os.pipe()
    if os.fork() == 0:
        try:
            os.close(_pipe)
            _watch(read_end)
        finally:
            os._exit(0)
    os.close(read_end)
    faulthandler.enable(_pipe, all_threads=False)
    try:
        yield
    finally:
        _write(_ENDED)


def working_on(item: str, asset: str) -> None:
    """Note what the process works on, for the message; nothing happens in a process that is not watched."""
    _write(_WORKING + f"{item} {asset}".encode())


def _write(line: bytes) -> None:
    if _pipe is not None:
        with suppress(OSError):
            os.write(_pipe, line + b"\n")


def _watch(read_end: int) -> None:
    """Read the pipe to its end, and print a message unless the process ends by itself."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for standard in (0, 1):
        with suppress(OSError):
            os.close(standard)
    item = asset = ""
    rest, done = b"", False
    while chunk := os.read(read_end, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(_WORKING):
                item, _, asset = line.removeprefix(_WORKING).decode(errors="replace").partition(" ")
            elif line == _ENDED:
                done = True
            elif line.startswith(_CRASHED):
                done = True
                _tell(line.removeprefix(_CRASHED).decode(errors="replace"), item, asset)
    if not done:
        _tell("", item, asset)


def _tell(crash: str, item: str, asset: str) -> None:
    with suppress(OSError):
        if os.isatty(2):
            os.write(2, b"\n")  # below the progress bar
        echo_error(crash_message(crash, item, asset))


def crash_message(crash: str, item: str = "", asset: str = "") -> LandCoverError:
    """Return the message about a process that a signal has ended.

    Args:
        crash: the words of `faulthandler`; empty where the process was killed.
        item, asset: what it worked on; empty before the first scene.
    """
    backend, precision = variable("KERAS_BACKEND") or "openvino", variable("LC_ASSETS_PRECISION") or "auto"
    if not crash:
        problem = "the process was killed, perhaps by the system because memory ran out"
        remedy = "if nobody ended it, set LC_ASSETS_THREADS=1 or close other programs, then run it again"
    elif crash in _SIGNALS and asset in ("", _NETWORK):
        problem = f"a library crashed ({_SIGNALS[crash]}, {crash.lower()}) with KERAS_BACKEND={backend}"
        problem += f" and LC_ASSETS_PRECISION={precision}"
        tries = ["LC_ASSETS_PRECISION=float32"] if precision != "float32" else []
        tries += ["LC_ASSETS_THREADS=1"]
        others = ", ".join(name for name in ("openvino", "torch", "jax") if name != backend)
        remedy = f"run it again with {', then with '.join(tries)}, then with another KERAS_BACKEND ({others})"
    else:
        problem = f"a library crashed ({_SIGNALS.get(crash, 'by a signal')}, {crash.lower()[:80]})"
        remedy = "run it again; if it ends in the same way, report it with the item"
    return LandCoverError(problem, remedy=remedy, item=item or None, asset=asset or None)
