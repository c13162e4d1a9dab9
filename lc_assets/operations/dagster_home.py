"""Sets up DAGSTER_HOME, so that no command works in a temporary home and no two processes set it up at once.

The `dagster` commands read DAGSTER_HOME from the environment, or from a `.env` file in the current folder. Without
both they use a temporary home and delete it at the end. So `lc-assets` writes a `.env` that names `./.dagster` into a
checkout (an environment variable still has priority), and creates the databases itself, under a lock.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from filelock import FileLock

from lc_assets.core.environment import set_variable, variable
from lc_assets.core.errors import StoreError

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


def _create_databases(home: Path) -> None:
    marker = home / ".databases-created"
    if marker.exists():
        return
    from dagster import DagsterInstance

    from lc_assets.operations.keys import SCENES

    with DagsterInstance.get() as instance:
        # Dagster creates each of its three databases at the first use.
        instance.get_runs_count()
        instance.get_dynamic_partitions(SCENES)
        instance.all_instigator_state()
    marker.touch()
