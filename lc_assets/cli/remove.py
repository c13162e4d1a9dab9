"""`lc-assets remove`: remove scenes from the store and from Dagster's records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from lc_assets.cli.completion import complete_scenes
from lc_assets.cli.instance import open_instance
from lc_assets.cli.options import echo_error, exit_if_failed, settings_with, store_option, user_errors
from lc_assets.cli.view import update_gallery
from lc_assets.core.errors import LandCoverError
from lc_assets.core.wording import amount, quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.core.settings import Settings
    from lc_assets.operations.removal import SceneRemoval
    from lc_assets.operations.season_maps import FusedMap
    from lc_assets.store.layout import Store


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_scenes)
@store_option
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@user_errors
def remove(names: tuple[str, ...], store: str | None, dry_run: bool, yes: bool) -> None:
    """Remove scenes: their files, their partitions, what Dagster's records and the collection say of them.

    A NAME is a scene's id, or words that no other scene of the store has: 33UUB 2024-06-21. The command shows first
    what it removes, and asks. A scene that is in use is left alone. Season maps that were made of the scene stay, and
    are stale. The sensor and searches do not take a removed scene again; `lc-assets classify ID` does.
    """
    if dry_run and yes:
        raise click.UsageError("give --dry-run or --yes, not both")
    settings = settings_with(store)
    from lc_assets.operations.season_maps import fused_maps
    from lc_assets.sentinel2.search.scene_names import SceneNames, join_words
    from lc_assets.store.layout import Store

    opened = Store.at(settings.store)
    known = SceneNames(opened)
    items = list(dict.fromkeys(known.one(name) for name in join_words(names)))
    with open_instance(settings) as instance:
        maps = fused_maps(instance)
        _show(opened, instance, items, maps)
        if dry_run:
            click.echo("nothing has been removed (--dry-run)")
            return
        if not yes and not _confirmed(len(items)):
            raise LandCoverError("nothing has been removed", remedy="answer y, or give --yes")
        failures = _remove_all(settings, opened, instance, items, maps)
    exit_if_failed(failures, len(items))


def _show(store: Store, instance: DagsterInstance, items: list[str], maps: Mapping[str, FusedMap]) -> None:
    """Print what will be removed."""
    from lc_assets.operations.removal import plan_removal

    plans = [plan_removal(store, instance, item, maps) for item in items]
    for plan in plans:
        click.echo(f"{plan.item}: {_description(plan)}")
        for name in plan.maps:
            click.echo(f"  season map {name} was made of it, and will be stale")
    if len(plans) > 1:
        files, size = sum(plan.files.files for plan in plans), sum(plan.files.size for plan in plans)
        click.echo(f"in all: {quantity(len(plans), 'scene')}, {quantity(files, 'file')}, {amount(size)}")


def _description(plan: SceneRemoval) -> str:
    parts = [f"{quantity(plan.files.files, 'file')}, {amount(plan.files.size)}"]
    parts += ["its partition"] if plan.is_partition else []
    parts += [f"the records of {quantity(plan.runs, 'run')}"] if plan.runs else []
    return "; ".join(parts)


def _confirmed(scenes: int) -> bool:
    try:
        return click.confirm(f"Remove {'it' if scenes == 1 else f'these {scenes} scenes'}?", err=True)
    except click.Abort:  # no answer: the input has ended, or the user interrupted
        click.echo(err=True)
        return False


def _remove_all(
    settings: Settings, store: Store, instance: DagsterInstance, items: list[str], maps: Mapping[str, FusedMap]
) -> list[str]:
    """Remove scenes. Returns one error for each that cannot be removed.

    Raises:
        LandCoverError: the collection cannot be updated. The same command then does the rest.
    """
    from lc_assets.defs.build import build_definitions
    from lc_assets.operations.removal import forget_item, remove_scene
    from lc_assets.operations.run_retention import InUse
    from lc_assets.products.collection.removal import drop_scenes

    in_use = InUse(instance, build_definitions(settings))
    removed, failures = [], []
    for item in items:
        try:
            remove_scene(store, instance, in_use, item, maps)
            removed.append(item)
        except LandCoverError as error:
            failures.append(str(error))
            echo_error(error, "left alone")
    if removed:
        drop_scenes(store, removed)
        update_gallery(store)
        for item in removed:
            forget_item(store, item)
            click.echo(f"removed: {item}")
    return failures
