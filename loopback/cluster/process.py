"""One program of the cluster: started, killed as a machine's failure would, started again, surely ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from loopback.programs import WAIT_SECONDS, as_user

_DIE_WITH_PARENT = 1


def _on_a_leash() -> None:
    """The kernel ends the program when whoever started it is killed."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


class Process:
    """A program with a log of its own; its children are in a session of its own, so that they end with it."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        *,
        environment: dict[str, str] | None = None,
        user: pwd.struct_passwd | None = None,
        ready: Callable[[Process], bool] = lambda process: True,
        end: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Nothing is started yet.

        Args:
            name: of the log, `<name>.log`.
            command: what to run.
            folder: where it runs and its log lies.
            environment: all of it; default is ours.
            user: whom to run it as; None is ourselves.
            ready: true when it does its work.
            end: the signal that ends it in order.
        """
        self.name, self.command, self.folder, self.log = name, command, folder, folder / f"{name}.log"
        self._environment, self._user, self._ready, self._end = environment, user, ready, end
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0

    def start(self, *, wait: float = WAIT_SECONDS) -> Process:
        """Start it, and wait until it is ready.

        Raises:
            RuntimeError: it ended, or is not ready in time; with what it wrote.
        """
        self._began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,
                preexec_fn=_on_a_leash,
                **as_user(self._user),
            )
        return self.ready(wait) if wait else self

    def ready(self, wait: float = WAIT_SECONDS) -> Process:
        """Wait until it does its work.

        Raises:
            RuntimeError: as from `start`.
        """
        assert self._process
        deadline = time.monotonic() + wait
        while not self._ready(self):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.said()[-3000:]
                self.stop()
                raise RuntimeError(f"{self.name} does not come up ({' '.join(self.command)}):\n{said}")
            time.sleep(0.05)
        return self

    @property
    def pid(self) -> int:
        """Of its main process."""
        assert self._process, f"{self.name} was never started"
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll() if self._process else 0

    def said(self) -> str:
        """What it wrote since it was started last."""
        return self.log.read_bytes()[self._began :].decode(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        """SIGKILL to it and all its children at once."""
        assert self._process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send its main process a signal."""
        assert self._process
        self._process.send_signal(number)

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        """Until it ends by itself: its exit status.

        Raises:
            subprocess.TimeoutExpired: it does not.
        """
        assert self._process
        return self._process.wait(seconds)

    def stop(self, seconds: float = 10) -> None:
        """End it in order, and what is left of it by force."""
        if not self._process:
            return
        if self._process.poll() is None:
            self._process.send_signal(self._end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
