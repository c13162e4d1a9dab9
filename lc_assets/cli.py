"""`lc-assets`: the command line. Dagster is imported late, so that `--help` and mistakes answer at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

import lc_assets
from lc_assets.cli_models import model, train
from lc_assets.cli_shared import BAD_INPUT, said, settings_with
from lc_assets.errors import LandCoverError, without_query

if TYPE_CHECKING:
    from lc_assets.sentinel2.item import Scene
    from lc_assets.settings import Settings

store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="Folder in which everything is written.  [default: LC_ASSETS_STORE, else ./store]",
)
references = click.argument("references", nargs=-1, metavar="REFERENCE...")
from_option = click.option(
    "--from",
    "listed",
    type=click.File("r"),
    help="Read more references from this file, one a line; '-' reads standard input.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(lc_assets.__version__, prog_name="lc-assets")
def main() -> None:
    """Sentinel-2 scenes in, land-cover maps out.

    A REFERENCE to a scene is one of: the URL of a STAC item (of the Planetary Computer, say), a bare item id, which is
    looked up among the registered items and then in the configured collection, a path to an item's JSON, or a folder
    with a catalog.json (all of its items).

    Settings come from the environment: LC_ASSETS_STORE, LC_ASSETS_MODEL, LC_ASSETS_PRECISION, LC_ASSETS_CHIPS,
    LC_ASSETS_STACK, LC_ASSETS_STAC_URL, LC_ASSETS_COLLECTION, DAGSTER_HOME (default ./.dagster), KERAS_BACKEND (default
    openvino).
    """


main.add_command(train)
main.add_command(model)


@main.command()
@references
@from_option
@store_option
@click.option("--stride", type=int, help="Step between 64 px windows in pixels; divides 64.  [default: 8]")
@click.option(
    "--mask-clouds/--no-mask-clouds",
    default=None,
    help="Call clouds and their shadows No Data (by SCL).  [default: mask]",
)
@click.option("-v", "--verbose", is_flag=True, help="Show Dagster's log.")
@said
def classify(
    references: tuple[str, ...],
    listed: Iterable[str] | None,
    store: Path | None,
    stride: int | None,
    mask_clouds: bool | None,
    verbose: bool,
) -> None:
    """Classify scenes: register, materialise all five assets of each, say what became of them.

    One scene that fails does not stop the others; the exit status is 1 when any failed.
    """
    settings = settings_with(store)
    scenes, failures = _resolve(_all_references(references, listed), settings)
    config = {key: value for key, value in (("stride", stride), ("mask_clouds", mask_clouds)) if value is not None}
    from lc_assets.console import classify_all

    total = len(scenes) + len(failures)
    run_config = {"class_raster": {"config": config}} if config else {}
    failures += classify_all(settings, scenes, run_config, verbose=verbose)
    _finish(failures, total)


@main.command()
@references
@from_option
@store_option
@said
def register(references: tuple[str, ...], listed: Iterable[str] | None, store: Path | None) -> None:
    """Register scenes as partitions, without classifying them: the UI and the `dagster` commands can take over."""
    settings = settings_with(store)
    scenes, failures = _resolve(_all_references(references, listed), settings)
    from lc_assets.console import register_all

    register_all(settings, scenes)
    _finish(failures, len(scenes) + len(failures))


@main.command()
@store_option
@click.option("--backfill", is_flag=True, help="Queue a run of each, for the daemon of `lc-assets ui`.")
@said
def stale(store: Path | None, backfill: bool) -> None:
    """List the scenes whose map was made by another model than the configured one, or by older code; one id a line.

    `lc-assets stale --backfill` queues them all; `lc-assets stale | lc-assets classify --from -` does them here.
    """
    settings = settings_with(store)
    from lc_assets.console import list_stale

    list_stale(settings, backfill=backfill)


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
@said
def demo(store: Path | None, folder: Path) -> None:
    """Write a synthetic scene, classify it, and say how much of it was classified right."""
    settings = settings_with(store)
    from lc_assets.console import run_demo

    _finish(run_demo(settings, folder), 1)


@main.command()
@store_option
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
@said
def ui(store: Path | None, port: int) -> None:
    """Open Dagster's UI (`dagster dev`) on loopback, on the same instance and store."""
    settings = settings_with(store)
    from lc_assets.home import ensure_home

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise LandCoverError(f"port {port} is taken", remedy="end what listens there, or name another with --port")
    # A shell that starts a background job lets it ignore interrupts, and Dagster's children inherit that for good.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ensure_home(settings.store)
    os.environ["LC_ASSETS_STORE"] = str(settings.store)
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "lc_assets.definitions",
        "-m",
        "lc_assets.model_definitions",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    os.execv(sys.executable, command)


def _all_references(given: tuple[str, ...], listed: Iterable[str] | None) -> list[str]:
    try:
        lines = [line.strip().lstrip("\ufeff") for line in listed or ()]
    except UnicodeDecodeError:
        raise LandCoverError("the list of references is no text", remedy="give one reference a line, UTF-8") from None
    found = [*given, *(line for line in lines if line and not line.startswith("#"))]
    if not found and listed is None:
        raise click.UsageError("name at least one REFERENCE, or a file of them with --from")
    if not found:
        click.echo("the list of references is empty: nothing to do", err=True)
    return found


def _resolve(references: list[str], settings: Settings) -> tuple[list[Scene], list[str]]:
    """Scenes to work on, each once, and what to say of the references that gave none."""
    from lc_assets.registry import Registry
    from lc_assets.sentinel2.references import resolve
    from lc_assets.store import Store

    registry = Registry(Store(settings.store), settings.catalog)
    scenes: dict[str, Scene] = {}
    failures: list[str] = []
    for reference in references:
        for found in resolve(reference, registry.scene, settings.patience):
            if found.scene is None:
                failures.append(_named(without_query(found.reference), str(found.error)))
            elif found.scene.id in scenes and scenes[found.scene.id].document != found.scene.document:
                failures.append(
                    f"{without_query(found.reference)}: item {found.scene.id} was named twice with different contents "
                    "-> name one of them only; the first was taken"
                )
            else:
                scenes[found.scene.id] = found.scene
    for failure in failures:
        click.secho(f"error: {failure}", fg="red", err=True)
    return list(scenes.values()), failures


def _named(reference: str, error: str) -> str:
    """An error that names what it is about, once."""
    return error if reference in error else f"{reference}: {error}"


def _finish(failures: list[str], total: int) -> None:
    if failures and total > 1:
        click.secho(f"{len(failures)} of {total} failed:", fg="red", err=True)
        for failure in failures:
            click.echo(f"  {failure}", err=True)
    if failures:
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
