"""End a daemon of Dagster that a test has started."""

from __future__ import annotations

import subprocess
import time

from loopback.programs import WAIT_SECONDS

AGAIN_SECONDS = 20


def end_daemon(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM until the daemon has ended.

    Dagster turns the signal into a KeyboardInterrupt. Where it is raised in a callback whose exceptions Python ignores,
    it is lost and the daemon runs on. This was seen once in many runs; the second signal ended it.

    Raises:
        subprocess.TimeoutExpired: the daemon has not ended in time.
    """
    end = time.monotonic() + WAIT_SECONDS
    while True:
        process.terminate()
        try:
            process.wait(timeout=AGAIN_SECONDS)
            return
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                raise
