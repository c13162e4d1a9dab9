"""`lc-assets`: the command line. Dagster is imported late, so that `--help` and mistakes answer at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import click

import lc_assets
from lc_assets.cli.agreement import agreement
from lc_assets.cli.collection import collection
from lc_assets.cli.models import model, train
from lc_assets.cli.options import (
    all_references,
    dilation_option,
    finish,
    from_option,
    mask_option,
    references,
    resolved,
    run_config,
    settings_with,
    store_option,
    stride_option,
    user_errors,
)
from lc_assets.cli.prune import prune
from lc_assets.cli.search import backfill, search, stale
from lc_assets.cli.view import view
from lc_assets.core.errors import LandCoverError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(lc_assets.__version__, prog_name="lc-assets")
def main() -> None:
    """Sentinel-2 scenes in, land-cover maps out.

    A REFERENCE to a scene is one of: the URL of a STAC item (of the Planetary Computer, say), a bare item id, which is
    looked up among the registered items and then in the configured collection, a path to an item's JSON, or a folder
    with a catalog.json (all of its items).

    Settings come from the environment: LC_ASSETS_STORE, LC_ASSETS_MODEL, LC_ASSETS_PRECISION, LC_ASSETS_CHIPS,
    LC_ASSETS_STACK, LC_ASSETS_STAC_URL, LC_ASSETS_COLLECTION, LC_ASSETS_TIMEOUT, LC_ASSETS_WATCH, LC_ASSETS_SCRATCH,
    LC_ASSETS_REFERENCE, LC_ASSETS_CROSSWALK, LC_ASSETS_THREADS, LC_ASSETS_INFERENCE_SLOTS, DAGSTER_HOME (default
    ./.dagster), KERAS_BACKEND (default openvino).
    """


main.add_command(train)
main.add_command(model)
main.add_command(search)
main.add_command(backfill)
main.add_command(stale)
main.add_command(collection)
main.add_command(agreement)
main.add_command(prune)
main.add_command(view)


@main.command()
@references
@from_option
@store_option
@stride_option
@mask_option
@dilation_option
@click.option("-v", "--verbose", is_flag=True, help="Show Dagster's log.")
@user_errors
def classify(
    references: tuple[str, ...],
    listed: Iterable[str] | None,
    store: str | None,
    stride: int | None,
    mask_clouds: bool | None,
    mask_dilation: int | None,
    verbose: bool,
) -> None:
    """Classify scenes: register, materialise all six assets of each, say what became of them.

    One scene that fails does not stop the others; the exit status is 1 when any failed.
    """
    settings = settings_with(store)
    config = run_config(settings, stride, mask_clouds, mask_dilation)
    scenes, failures = resolved(all_references(references, listed), settings)
    from lc_assets.cli.classify import classify_all

    total = len(scenes) + len(failures)
    failures += classify_all(settings, scenes, config, verbose=verbose)
    finish(failures, total)


@main.command()
@references
@from_option
@store_option
@user_errors
def register(references: tuple[str, ...], listed: Iterable[str] | None, store: str | None) -> None:
    """Register scenes as partitions, without classifying them: the UI and the `dagster` commands can take over."""
    settings = settings_with(store)
    scenes, failures = resolved(all_references(references, listed), settings)
    from lc_assets.cli.classify import register_all

    register_all(settings, scenes)
    finish(failures, len(scenes) + len(failures))


@main.command()
@store_option
@click.option(
    "--scene",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("demo_scene"),
    show_default=True,
    help="Where the demo scene is written.",
)
@user_errors
def demo(store: str | None, folder: Path) -> None:
    """Write a synthetic scene, classify it, and hold the map against its truth: how much is right."""
    settings = settings_with(store)
    from lc_assets.cli.demo import run_demo

    finish(run_demo(settings, folder), 1)


@main.command()
@store_option
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
@user_errors
def ui(store: str | None, port: int) -> None:
    """Open Dagster's UI (`dagster dev`) on loopback, on the same instance and store."""
    settings = settings_with(store)
    from lc_assets.operations.dagster_home import ensure_dagster_home

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise LandCoverError(f"port {port} is taken", remedy="end what listens there, or name another with --port")
    # A shell that starts a background job lets it ignore interrupts, and Dagster's children inherit that for good.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ensure_dagster_home(settings.store)
    os.environ["LC_ASSETS_STORE"] = str(settings.store)
    workspace = Path(__file__).with_name("workspace.yaml")
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
