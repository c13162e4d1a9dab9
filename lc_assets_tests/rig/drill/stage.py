"""Where the drill plays: the environment of its clients, in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from loopback.planetary_computer import PlanetaryComputer

PRECISION = "float32"
"""What promises the same map on any number of threads: two runs share the cores in a backfill."""
_FOREIGN = ("ALL_PROXY", "all_proxy", "SSL_CERT_DIR", "PC_SDK_SAS_URL", "PC_SDK_SUBSCRIPTION_KEY")


def without_settings() -> None:
    """The defaults are rehearsed, whatever the caller's environment says."""
    for name in [name for name in os.environ if name.startswith("LC_ASSETS_") or name == "DAGSTER_HOME"]:
        del os.environ[name]
    os.environ.setdefault("KERAS_BACKEND", "openvino")
    # Dagster tells of its beta parameters, rasterio of masks without a place; a report is no place for them.
    warnings.simplefilter("ignore")


@contextmanager
def clients_of(pc: PlanetaryComputer) -> Iterator[None]:
    """All clients, also of processes started inside, go through the rig."""
    with mock.patch.dict(os.environ):
        for name in _FOREIGN:
            os.environ.pop(name, None)
        os.environ.update(pc.environment)
        renew(pc)
        yield


def renew(pc: PlanetaryComputer) -> None:
    """The rig as after its start (blobs and items stay), and no token cached in this process."""
    import planetary_computer as sdk

    pc.renew()
    sdk.sas.TOKEN_CACHE.clear()
    sdk.settings.Settings.get.cache_clear()


@dataclass
class Shell:
    """`lc-assets` and Dagster's daemon as a user starts them, with a store and an instance of their own.

    Attributes:
        folder: theirs; everything that they write and say lies in it.
    """

    folder: Path
    _calls: int = field(default=0, init=False)

    @property
    def home(self) -> Path:
        """DAGSTER_HOME."""
        return self.folder / "home"

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / "store"

    @property
    def log(self) -> Path:
        """What the daemon and its runs say."""
        return self.folder / "daemon.log"

    @property
    def environment(self) -> dict[str, str]:
        """Of both."""
        places = {"DAGSTER_HOME": str(self.home), "LC_ASSETS_STORE": str(self.store)}
        return {**os.environ, **places, "LC_ASSETS_TIMEOUT": "2", "LC_ASSETS_PRECISION": PRECISION}

    def run(self, *arguments: object, given: str = "", seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """`lc-assets ...`; what it printed is kept in a file, to be searched for secrets.

        Raises:
            RuntimeError: it failed.
        """
        command = [sys.executable, "-m", "lc_assets.cli.main", *map(str, arguments)]
        done = subprocess.run(
            command,
            input=given,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        self._calls += 1
        said = self.folder / f"said-{self._calls}-{arguments[0]}.txt"
        said.write_text(f"{' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}")
        if done.returncode:
            raise RuntimeError(f"lc-assets {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """`dagster-daemon run`."""
        command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "lc_assets.definitions"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """A list that holds the seconds of what is done inside, afterwards."""
    spent: list[float] = []
    started = time.monotonic()
    try:
        yield spent
    finally:
        spent.append(time.monotonic() - started)
