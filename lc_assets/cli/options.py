"""What the commands share: options, the scenes that a user names, and how errors are shown."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.completion import complete_references
from lc_assets.cli.session import Session, open_session
from lc_assets.core.errors import LandCoverError, without_query
from lc_assets.core.wording import quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.sentinel2.item.scene import Scene

BAD_INPUT = 1
"""Exit status after an error in a reference, a scene or a setting. (click exits with 2 after a wrong command line.)"""

INTERRUPTED = 130
"""Exit status after an interrupt, as of a program that SIGINT ends."""

min_area_option = click.option(
    "--min-area", type=float, metavar="HA", help="Smallest polygon in hectares.  [default: 0.5]"
)


def with_session(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option `--store`. The command gets a `Session` as its first argument; `user_errors` shows its errors."""

    @click.option(
        "--store",
        metavar="PLACE",
        help="Where everything is written: a folder, or s3://, az://, gs://.  [default: LC_ASSETS_STORE, else ./store]",
    )
    @user_errors
    @wraps(command)
    def wrapped(store: str | None, **options: Any) -> Any:
        return command(open_session(store), **options)

    return wrapped


def scene_references(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument REFERENCE and the option `--from`. The command passes their values, `scene_refs` and `listed`,
    to `resolve_scenes`."""
    argument = click.argument("scene_refs", nargs=-1, metavar="[REFERENCE]...", shell_complete=complete_references)
    listed = click.option(
        "--from",
        "listed",
        type=click.File("r"),
        help="Read more references from this file, one a line; '-' reads standard input.",
    )
    return argument(listed(command))


def class_raster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the asset `class_raster`. The command passes their values, `class_raster`, to `run_config`."""

    @click.option(
        "--window",
        type=int,
        help="0 for a map of positions; 64 for one of windows, in which small objects vanish.  "
        "[default: LC_ASSETS_WINDOW, else what the model has]",
    )
    @click.option(
        "--stride",
        type=int,
        help="Step between 64 px windows in pixels; divides 64. Positions do not use it.  [default: 8]",
    )
    @click.option(
        "--mask-clouds/--no-mask-clouds",
        default=None,
        help="Set clouds and their shadows to No Data (by SCL).  [default: mask]",
    )
    @click.option(
        "--mask-dilation",
        type=int,
        metavar="METRES",
        help="Grow cloud, cirrus and shadow by this distance before they mask pixels, in steps of 20.  [default: 100]",
    )
    @wraps(command)
    def wrapped(**options: Any) -> Any:
        values = {name: options.pop(name) for name in ("window", "stride", "mask_clouds", "mask_dilation")}
        return command(class_raster=values, **options)

    return wrapped


def run_config(session: Session, class_raster: Mapping[str, Any]) -> dict[str, Any]:
    """The `ops` part of a Dagster run config; empty if no option is set.

    The values are checked here because otherwise each scene's run would fail.

    Args:
        session: the model, and the window of the settings.
        class_raster: name -> value of the options of `class_raster_options`; None is not set.

    Raises:
        BadModel: the window or the stride does not suit the configured model.
        LandCoverError: the dilation is out of range.
    """
    config = {name: value for name, value in class_raster.items() if value is not None}
    window = config.get("window", session.settings.window)
    if "stride" in config or window is not None:
        from lc_assets.inference.windows.grid import check_stride

        contract = session.contract()
        contract.resolve_window(window)
        if "stride" in config:  # of positions too, which do not use it
            check_stride(config["stride"], contract.chip_size)
    if "mask_dilation" in config:
        from lc_assets.sentinel2.scl import check_dilation

        check_dilation(config["mask_dilation"], masked=config.get("mask_clouds", True))
    return {"class_raster": {"config": config}} if config else {}


def user_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Show a `LandCoverError` of the command as one line without a traceback, and exit with `BAD_INPUT`.

    After an interrupt (Ctrl-C) the command ends with one line too, and exits with `INTERRUPTED`.
    """

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LandCoverError as error:
            echo_error(error)
            sys.exit(BAD_INPUT)
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
                raise
            echo_error(f"{error.filename} cannot be a path ({error.strerror}) -> correct it")
            sys.exit(BAD_INPUT)
        except BaseException as error:
            # Dagster raises its own exception where a run is interrupted. Its name is enough: Dagster is imported late.
            if not isinstance(error, KeyboardInterrupt) and type(error).__name__ != "DagsterExecutionInterruptedError":
                raise
            echo_error(str(error) or "it was interrupted -> run it again", "interrupted")
            sys.exit(INTERRUPTED)

    return wrapped


def echo_error(error: object, label: str = "error") -> None:
    """Print an error to standard error, in red."""
    click.secho(f"{label}: {error}", fg="red", err=True)


def echo_warning(text: object, *, indent: str = "") -> None:
    """Print a warning to standard error, in yellow."""
    click.secho(f"{indent}warning: {text}", fg="yellow", err=True)


def warn_of_another_store(session: Session, instance: DagsterInstance) -> None:
    """Warn if the store does not have any scene of Dagster's instance, so that the records are of another store.

    Raises:
        StoreError: the store cannot be read.
    """
    from lc_assets.operations.keys import SCENES
    from lc_assets.sentinel2.search.scene_names import SceneNames
    from lc_assets.store.ids import is_id
    from lc_assets.store.paths import reading

    items, store = instance.get_dynamic_partitions(SCENES), session.store
    with reading(store.root):
        # Usually the first scene is there, so the store need not be listed.
        if items and is_id(items[0]) and store.registered(items[0]).exists():
            return
    if items and not {*items} & {*SceneNames(store).known}:
        known = f"the {quantity(len(items), 'scene')} that this Dagster instance knows"
        echo_warning(
            f"the store {without_query(str(session.settings.store))} does not have any of {known}: their records are "
            "of another store -> name that one (--store, LC_ASSETS_STORE)"
        )


def resolve_scenes(
    session: Session, scene_refs: Iterable[str], listed: Iterable[str] | None
) -> tuple[list[Scene], list[str]]:
    """Read the items that references name, and print an error for each that cannot be used.

    Args:
        session: store and catalog.
        scene_refs: references of the command line; a tile and a date after one another are one reference.
        listed: lines of the file of `--from`; empty lines and lines that start with `#` are skipped.

    Returns:
        scenes: each scene once, in the order of the references.
        failures: the printed errors.

    Raises:
        click.UsageError: there is neither a reference nor a file.
        LandCoverError: the file is not UTF-8 text.
    """
    from lc_assets.sentinel2.search.references import resolve

    scenes: dict[str, Scene] = {}
    failures: list[str] = []
    for scene_ref in _read_scene_refs(scene_refs, listed):
        for found in resolve(scene_ref, session.registry.named, session.settings.retry_policy):
            name = without_query(found.reference)
            if found.scene is None:
                error = str(found.error)
                failures.append(error if name in error else f"{name}: {error}")
            elif found.scene.id in scenes and scenes[found.scene.id].document != found.scene.document:
                failures.append(
                    f"{name}: item {found.scene.id} was named twice with different contents "
                    "-> name one of them only; the first was taken"
                )
            else:
                scenes[found.scene.id] = found.scene
    for failure in failures:
        echo_error(failure)
    return list(scenes.values()), failures


def _read_scene_refs(given: Iterable[str], listed: Iterable[str] | None) -> list[str]:
    from lc_assets.sentinel2.search.scene_names import join_words

    try:
        lines = [line.strip().lstrip("\ufeff") for line in listed or ()]
    except UnicodeDecodeError:
        raise LandCoverError(
            "the list of references is not text", remedy="write one reference a line, in UTF-8"
        ) from None
    refs = [*join_words(given), *(line for line in lines if line and not line.startswith("#"))]
    if not refs and listed is None:
        raise click.UsageError("name at least one REFERENCE, or a file of them with --from")
    if not refs:
        click.echo("the list of references is empty: nothing to do", err=True)
    return refs


def for_each_scene(scenes: list[Scene], work: Callable[[Scene], None]) -> list[str]:
    """Call a function for each scene, with a line that counts them. An error is printed, and does not stop the others.

    Returns:
        One error per scene that failed.
    """
    failures = []
    for number, scene in enumerate(scenes, start=1):
        click.echo(f"[{number}/{len(scenes)}] {scene.id}")
        try:
            work(scene)
        except LandCoverError as error:
            failures.append(str(error))
            echo_error(error, "      failed")
    return failures


def exit_if_failed(failures: list[str], total: int) -> None:
    """Exit with `BAD_INPUT` if there are failures; list them first if the command had several scenes."""
    if failures and total > 1:
        click.secho(f"{len(failures)} of {total} failed:", fg="red", err=True)
        for failure in failures:
            click.echo(f"  {failure}", err=True)
    if failures:
        sys.exit(BAD_INPUT)
