"""What all commands share: options, references, how a fault is told, where the settings come from."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from lc_assets.core.errors import LandCoverError, without_query

if TYPE_CHECKING:
    from lc_assets.core.settings import Settings
    from lc_assets.sentinel2.item.scene import Scene

BAD_INPUT = 1
"""Exit status when a reference, a scene or a setting was at fault. (click itself uses 2 for a wrong command line.)"""


store_option = click.option(
    "--store",
    metavar="PLACE",
    help="Where everything is written: a folder, or s3://, az://, gs://.  [default: LC_ASSETS_STORE, else ./store]",
)
references = click.argument("references", nargs=-1, metavar="[REFERENCE]...")
from_option = click.option(
    "--from",
    "listed",
    type=click.File("r"),
    help="Read more references from this file, one a line; '-' reads standard input.",
)
stride_option = click.option(
    "--stride", type=int, help="Step between 64 px windows in pixels; divides 64.  [default: 8]"
)
mask_option = click.option(
    "--mask-clouds/--no-mask-clouds",
    default=None,
    help="Call clouds and their shadows No Data (by SCL).  [default: mask]",
)

dilation_option = click.option(
    "--mask-dilation",
    type=int,
    metavar="METRES",
    help="Grow cloud, cirrus and shadow by so much before they hide pixels, in steps of 20.  [default: 100]",
)


def run_config(
    settings: Settings, stride: int | None, mask_clouds: bool | None, mask_dilation: int | None
) -> dict[str, Any]:
    """Config of the ops for what the command line says of class_raster.

    Raises:
        BadModel: the stride is none for the configured model; better told here than by a failed run of each scene.
        LandCoverError: the dilation is out of range.
    """
    if stride is not None:
        from lc_assets.inference.loading import read_contract
        from lc_assets.inference.windows.grid import check_stride

        check_stride(stride, read_contract(settings.model)[0].chip_size)
    if mask_dilation is not None:
        from lc_assets.sentinel2.scl import check_dilation

        check_dilation(mask_dilation, masked=mask_clouds is not False)
    said = {"stride": stride, "mask_clouds": mask_clouds, "mask_dilation": mask_dilation}
    config = {key: value for key, value in said.items() if value is not None}
    return {"class_raster": {"config": config}} if config else {}


def user_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a fault that a person can mend into one line and a non-zero exit; no traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LandCoverError as error:
            click.secho(f"error: {error}", fg="red", err=True)
            sys.exit(BAD_INPUT)

    return wrapped


def settings_with(store: str | None) -> Settings:
    """The settings of the environment, with the store of the command line where one is named."""
    if store is not None:
        os.environ["LC_ASSETS_STORE"] = str(store)
    from lc_assets.core.settings import Settings

    return Settings.from_environment()


def all_references(given: tuple[str, ...], listed: Iterable[str] | None, called: str = "REFERENCE") -> list[str]:
    """References to scenes of the command line and of `--from`; `called` is what the command's help calls one."""
    try:
        lines = [line.strip().lstrip("\ufeff") for line in listed or ()]
    except UnicodeDecodeError:
        raise LandCoverError("the list of references is no text", remedy="give one reference a line, UTF-8") from None
    found = [*given, *(line for line in lines if line and not line.startswith("#"))]
    if not found and listed is None:
        raise click.UsageError(f"name at least one {called}, or a file of them with --from")
    if not found:
        click.echo("the list of references is empty: nothing to do", err=True)
    return found


def resolved(references: list[str], settings: Settings) -> tuple[list[Scene], list[str]]:
    """Scenes to work on, each once, and what to say of the references that gave none."""
    from lc_assets.sentinel2.search.catalog import StacCatalogClient
    from lc_assets.sentinel2.search.references import resolve
    from lc_assets.sentinel2.search.registry import RegisteredItems
    from lc_assets.store.layout import Store

    registry = RegisteredItems(Store.at(settings.store), StacCatalogClient.of(settings))
    scenes: dict[str, Scene] = {}
    failures: list[str] = []
    for reference in references:
        for found in resolve(reference, registry.find, settings.retry_policy):
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


def finish(failures: list[str], total: int) -> None:
    """List what failed, and leave with the status that says so."""
    if failures and total > 1:
        click.secho(f"{len(failures)} of {total} failed:", fg="red", err=True)
        for failure in failures:
            click.echo(f"  {failure}", err=True)
    if failures:
        sys.exit(BAD_INPUT)
