"""`lc-assets remove`: remove scenes and season maps from the store and from Dagster's records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lc_assets.cli.completion import complete_scenes_and_maps
from lc_assets.cli.options import echo_error, echo_warning, exit_if_failed, with_session
from lc_assets.cli.session import Session
from lc_assets.cli.view import update_gallery
from lc_assets.core.errors import LandCoverError
from lc_assets.core.wording import amount, quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.operations.removal import SceneRemoval
    from lc_assets.operations.season_maps import FusedMap
    from lc_assets.store.layout import Store


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_scenes_and_maps)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_session
def remove(session: Session, names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Remove scenes and season maps: their files, their partitions, what Dagster's records and the collection say of
    them.

    A NAME is that of a season map, or a scene's id, or words that no other scene of the store has: 33UUB 2024-06-21,
    with the tile before each date. The command shows first what it removes, and asks. What is in use is left alone.
    Season maps that were made of a scene stay, and are stale. The sensor and searches do not take a removed scene
    again; `lc-assets classify ID` does.
    """
    if dry_run and yes:
        raise click.UsageError("give --dry-run or --yes, not both")
    from lc_assets.operations.season_maps import fused_maps
    from lc_assets.sentinel2.search.scene_names import SceneNames, join_words
    from lc_assets.store.paths import reading

    known = SceneNames(session.store)
    with reading(session.store.root):
        all_maps = {*session.store.registered_maps(), *session.store.map_names()}
    chosen = list(dict.fromkeys(join_words(names)))
    map_names = [name for name in chosen if name in all_maps and name not in known.known]
    items = list(dict.fromkeys(known.one(name) for name in chosen if name not in map_names))
    with session.open_instance() as instance:
        maps = fused_maps(instance)
        _show(session.store, instance, items, maps)
        _show_maps(session.store, map_names)
        if dry_run:
            click.echo("nothing has been removed (--dry-run)")
            return
        if not yes and not _confirmed(len(items) + len(map_names)):
            raise LandCoverError("nothing has been removed", remedy="answer y, or give --yes")
        failures = _remove_all(session, instance, items, maps) if items else []
        failures += _remove_maps(session, instance, map_names)
    exit_if_failed(failures, len(items) + len(map_names))


def _show(store: Store, instance: DagsterInstance, items: list[str], maps: Mapping[str, FusedMap]) -> None:
    """Print what will be removed."""
    from lc_assets.operations.removal import plan_removal

    plans = [plan_removal(store, instance, item, maps) for item in items]
    for plan in plans:
        click.echo(f"{plan.item}: {_description(plan)}")
        folder = store.scene(plan.item).folder
        if isinstance(folder, Path) and folder.is_symlink():
            echo_warning(f"only the link {folder} is removed: the files in {folder.readlink()} stay", indent="  ")
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


def _show_maps(store: Store, names: list[str]) -> None:
    """Print what will be removed of season maps."""
    from lc_assets.operations.map_removal import map_usage

    for name in names:
        found = map_usage(store, name)
        click.echo(
            f"season map {name}: {quantity(found.files, 'file')}, {amount(found.size)}; its runs; its scenes stay"
        )


def _confirmed(count: int) -> bool:
    try:
        return click.confirm(f"Remove {'it' if count == 1 else f'all {count}'}?", err=True)
    except click.Abort:  # no answer: the input has ended, or the user interrupted
        click.echo(err=True)
        return False


def _remove_all(
    session: Session, instance: DagsterInstance, items: list[str], maps: Mapping[str, FusedMap]
) -> list[str]:
    """Remove scenes. Returns one error for each that cannot be removed.

    Raises:
        LandCoverError: the collection cannot be updated. The same command then does the rest.
    """
    from lc_assets.operations.removal import forget_item, remove_scene
    from lc_assets.operations.run_retention import InUse
    from lc_assets.products.collection.removal import drop_scenes

    store, in_use = session.store, InUse(instance, session.definitions)
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


def _remove_maps(session: Session, instance: DagsterInstance, names: list[str]) -> list[str]:
    """Remove season maps. Returns one error for each that cannot be removed.

    Raises:
        LandCoverError: the store's catalog or pages cannot be updated. The same command then does the rest.
    """
    from lc_assets.operations.map_removal import forget_map, remove_map
    from lc_assets.products.stac.store_catalog import link_season_maps

    removed, failures = [], []
    for name in names:
        try:
            remove_map(session.store, instance, session.definitions, name)
            removed.append(name)
        except LandCoverError as error:
            failures.append(str(error))
            echo_error(error, "left alone")
    if removed:
        link_season_maps(session.store)
        update_gallery(session.store)
        for name in removed:
            forget_map(session.store, name)
            click.echo(f"removed: season map {name}")
    return failures
