"""Sets up DAGSTER_HOME, so that no command works in a temporary home and no two processes set it up at once.

The `dagster` commands read DAGSTER_HOME from the environment, or from a `.env` file in the current folder. Without
both they use a temporary home and delete it at the end. So `lc-assets` writes a `.env` that names `./.dagster` into a
checkout (an environment variable still has priority), and creates the databases itself, under a lock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance
from filelock import FileLock

from lc_assets.core.environment import set_variable, variable
from lc_assets.core.errors import StoreError
from lc_assets.operations.keys import SCENES

_TEMPLATE = Path(__file__).with_name("dagster.yaml")


def ensure_dagster_home(store: Path | str) -> Path:
    """Set DAGSTER_HOME (default `./.dagster`), create the folder if it is missing, and return its path.

    Args:
        store: the store in use, written into a new `.env` beside the home.

    Raises:
        StoreError: the folder cannot be created.
    """
    chosen = variable("DAGSTER_HOME")
    try:
        home = Path(chosen or ".dagster").expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:  # unknown user in `~user`, or links in a circle
        raise StoreError(f"DAGSTER_HOME is no path ({error})", remedy="correct it, or unset it") from None
    if (home / "dagster.yaml").exists() and not os.access(home, os.W_OK):
        return home  # set up by an operator, for all users of the machine
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not chosen and Path("workspace.yaml").exists() and not Path(".env").exists():
            Path(".env").write_text(
                "# Written by lc-assets: what the `dagster` commands use when these variables are not set.\n"
                f"DAGSTER_HOME=${{DAGSTER_HOME:-{home}}}\nLC_ASSETS_STORE=${{LC_ASSETS_STORE:-{store}}}\n",
                encoding="utf-8",
            )
        set_variable("DAGSTER_HOME", str(home))
        with FileLock(home / ".setup.lock"):
            if not (home / "dagster.yaml").exists():
                shutil.copyfile(_TEMPLATE, home / "dagster.yaml")
            _create_databases(home)
    except OSError as error:
        raise StoreError(
            f"DAGSTER_HOME {home} cannot be set up ({error.strerror})",
            remedy="set DAGSTER_HOME to a folder that you may write",
        ) from None
    return home


def open_home(store: Path | str) -> DagsterInstance:
    """Set DAGSTER_HOME up (see `ensure_dagster_home`) and open its instance.

    Raises:
        StoreError: the folder cannot be set up, or its `dagster.yaml` or a database cannot be used.
    """
    home = ensure_dagster_home(store)
    with _usable(home):
        instance = DagsterInstance.get()
        try:
            _use_databases(instance)
        except BaseException:
            instance.dispose()
            raise
    return instance


def _create_databases(home: Path) -> None:
    marker = home / ".databases-created"
    if marker.exists():
        return
    with _usable(home), DagsterInstance.get() as instance:
        _use_databases(instance)
    marker.touch()


def _use_databases(instance: DagsterInstance) -> None:
    """Read from each of the three databases. Dagster creates one when it is first used."""
    instance.get_runs_count()
    instance.has_dynamic_partition(SCENES, "")
    instance.all_instigator_state()


@contextmanager
def _usable(home: Path) -> Iterator[None]:
    """Turn what Dagster raises for an instance that it cannot open into one error."""
    try:
        yield
    except Exception as error:  # dagster.yaml names the classes of the storages, and each raises errors of its own
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0].rstrip(":. ")
        raise StoreError(
            f"Dagster cannot open its instance in DAGSTER_HOME {home} ({reason})",
            remedy="correct its dagster.yaml, put its databases back, start their server, or set another DAGSTER_HOME",
        ) from None
