"""`lc-assets`: the group of all commands, and `lc-assets ui`.

A command imports Dagster, numpy and GDAL inside its functions, so that `--help` and usage errors answer at once.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import click

import lc_assets
from lc_assets.cli.agreement import agreement
from lc_assets.cli.backfill import backfill, stale
from lc_assets.cli.classify import classify, register
from lc_assets.cli.collection import collection
from lc_assets.cli.crash_watch import watched
from lc_assets.cli.demo import demo
from lc_assets.cli.models import model, train
from lc_assets.cli.options import settings_with, store_option, user_errors
from lc_assets.cli.prune import prune
from lc_assets.cli.search import search
from lc_assets.cli.season_map import change, season_map
from lc_assets.cli.status import status
from lc_assets.cli.view import view
from lc_assets.core.environment import set_variable
from lc_assets.core.errors import LandCoverError

_WITH_NETWORK = ("classify", "demo", "model", "train")
"""Commands that run the network in their own process."""


class _Program(click.Group):
    """The group as a program: the end of a command by a signal is reported."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if set(sys.argv[1:2]) & set(_WITH_NETWORK) and not {"-h", "--help"} & set(sys.argv):
            with watched():
                return super().__call__(*args, **kwargs)
        return super().__call__(*args, **kwargs)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(lc_assets.__version__, prog_name="lc-assets")
def main() -> None:
    """Sentinel-2 scenes in, land-cover maps out.

    A REFERENCE to a scene is one of: the URL of a STAC item (of the Planetary Computer, say), a bare item id or the
    name of an ESA product, which is looked up among the registered items and then in the configured collection, a path
    to an item's JSON, or a folder with a catalog.json (all of its items).

    Settings come from the environment: LC_ASSETS_STORE, LC_ASSETS_AREA, LC_ASSETS_MODEL, LC_ASSETS_PRECISION,
    LC_ASSETS_CHIPS, LC_ASSETS_SCENES, LC_ASSETS_WINDOW, LC_ASSETS_STACK, LC_ASSETS_STAC_URL, LC_ASSETS_COLLECTION,
    LC_ASSETS_TIMEOUT, LC_ASSETS_WATCH, LC_ASSETS_SCRATCH, LC_ASSETS_REFERENCE, LC_ASSETS_CROSSWALK, LC_ASSETS_THREADS,
    LC_ASSETS_INFERENCE_SLOTS, DAGSTER_HOME (default ./.dagster), KERAS_BACKEND (default openvino).
    """


@click.command()
@store_option
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
@user_errors
def ui(store: str | None, port: int) -> None:
    """Open Dagster's UI (`dagster dev`) on loopback, on the same instance and store."""
    settings = settings_with(store)
    from lc_assets.operations.dagster_home import ensure_dagster_home

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise LandCoverError(
                f"port {port} is taken", remedy="stop the program that uses it, or choose another with --port"
            )
    # A job that a shell starts in the background ignores interrupts, and so would Dagster's child processes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ensure_dagster_home(settings.store)
    set_variable("LC_ASSETS_STORE", str(settings.store))
    workspace = Path(__file__).with_name("workspace.yaml")
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    os.execv(sys.executable, command)


for command in (
    train,
    model,
    search,
    backfill,
    stale,
    status,
    collection,
    agreement,
    prune,
    view,
    classify,
    season_map,
    change,
    register,
    demo,
    ui,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
