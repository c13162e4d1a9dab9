"""DAGSTER_HOME: never a throwaway by accident, never set up by two processes at once.

`dagster` commands take their home from the environment, or from a `.env` file in the folder they are called from;
without either they work in a temporary one that is deleted afterwards. So `lc-assets` gives a checkout a `.env` that
names `./.dagster` (a variable that is set still wins), and creates the databases itself, alone, under a lock.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from filelock import FileLock

from lc_assets.core.errors import StoreError

_TEMPLATE = Path(__file__).with_name("dagster.yaml")


def ensure_dagster_home(store: Path | str) -> Path:
    """Set DAGSTER_HOME (default `./.dagster`), create it if need be, and return it.

    Args:
        store: the store in force, noted in a new `.env` beside the home.

    Raises:
        StoreError: the folder cannot be made.
    """
    chosen = os.environ.get("DAGSTER_HOME")
    try:
        home = Path(chosen or ".dagster").expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:  # no such user's home, links in a circle
        raise StoreError(f"DAGSTER_HOME is no path ({error})", remedy="mend it, or unset it") from None
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
        os.environ["DAGSTER_HOME"] = str(home)
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


def _create_databases(home: Path) -> None:
    marker = home / ".databases-created"
    if marker.exists():
        return
    from dagster import DagsterInstance

    with DagsterInstance.get() as instance:
        # Each of the three databases is created at its first use.
        instance.get_runs_count()
        instance.get_dynamic_partitions("scenes")
        instance.all_instigator_state()
    marker.touch()
