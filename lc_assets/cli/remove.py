"""`lc-assets remove`: remove scenes and season maps from the store and from Dagster's records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from lc_assets.cli.completion import complete_maps, complete_scenes
from lc_assets.cli.options import echo_error, echo_warning, exit_if_failed, with_session
from lc_assets.cli.session import Session
from lc_assets.cli.view import update_gallery
from lc_assets.core.errors import BadReference, LandCoverError
from lc_assets.core.wording import amount, quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.operations.removal import SceneRemoval
    from lc_assets.operations.season_maps import FusedMap
    from lc_assets.store.layout import Store
    from lc_assets.store.paths import StorePath


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_scenes)
@click.option(
    "--map", "map_names", multiple=True, metavar="MAP", shell_complete=complete_maps, help="A season map. Repeatable."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_session
def remove(session: Session, names: tuple[str, ...], map_names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Remove scenes, or season maps (--map): their files, their partitions, what Dagster's records and the collection
    say of them.

    A NAME is a scene's id, or words that no other scene of the store has: 33UUB 2024-06-21, with the tile before each
    date. The command shows first what it removes, and asks. What is in use is left alone. Season maps that were made of
    a scene stay, and are stale. The sensor and searches do not take a removed scene again; `lc-assets classify ID`
    does.
    """
    if dry_run and yes:
        raise click.UsageError("give --dry-run or --yes, not both")
    if not (names or map_names):
        raise click.UsageError("name a scene, or a season map (--map)")
    from lc_assets.operations.season_maps import fused_maps

    chosen = list(dict.fromkeys(map_names))
    _check_maps(session, chosen)
    with session.open_instance() as instance:
        items = _scenes(session.store, instance, names)
        maps = fused_maps(instance)
        _show(session.store, instance, items, maps)
        _show_maps(session.store, chosen)
        if dry_run:
            click.echo("nothing has been removed (--dry-run)")
            return
        if not yes and not _confirmed(len(items) + len(chosen)):
            raise LandCoverError("nothing has been removed", remedy="answer y, or give --yes")
        failures = _remove_all(session, instance, items, maps)
        failures += _remove_maps(session, instance, chosen)
    exit_if_failed(failures, len(items) + len(chosen))


def _scenes(store: Store, instance: DagsterInstance, names: Sequence[str]) -> list[str]:
    """Return the ids of the named scenes. One that is a partition only, because its files were removed by hand, counts.

    Raises:
        BadReference: a name fits no scene or several, or is that of a season map.
    """
    from lc_assets.operations.keys import SCENES
    from lc_assets.sentinel2.search.scene_names import SceneNames, join_words

    known, items = SceneNames(store), list[str]()
    for name in join_words(names):
        there = known.matching(name)
        if not there and name in store.map_names():
            raise BadReference(f"{name} is a season map", remedy=f"give --map {name}")
        is_partition = not there and instance.get_existing_dynamic_partitions(SCENES, [name])
        items.append(name if is_partition else known.one(name))
    return list(dict.fromkeys(items))


def _check_maps(session: Session, names: Sequence[str]) -> None:
    """Check that season maps may be removed.

    Raises:
        BadReference: the store has no map of a name, or the sensor would make it again.
    """
    from lc_assets.operations.watch import watched_map
    from lc_assets.store.paths import reading

    if not names:
        return
    with reading(session.store.root):
        known = {*session.store.registered_maps(), *session.store.map_names()}
    watch = session.settings.watch
    watched = watched_map(watch)
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            remedy = f"did you mean {near[0]}?" if near else "lc-assets status lists the maps"
            raise BadReference(f"no season map in {session.store.root} is {name[:100]!r}", remedy=remedy)
        if name == watched:
            raise BadReference(
                f"the season map {name} is that of {watch}, so its sensor would make it again",
                remedy=f"take `map: {name}` out of that file first",
            )


def _show(store: Store, instance: DagsterInstance, items: list[str], maps: Mapping[str, FusedMap]) -> None:
    """Print what will be removed."""
    from lc_assets.operations.removal import plan_removal

    plans = [plan_removal(store, instance, item, maps) for item in items]
    for plan in plans:
        click.echo(f"{plan.item}: {_description(plan)}")
        _warn_of_link(store.scene(plan.item).folder)
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
        size = f"{quantity(found.files, 'file')}, {amount(found.size)}"
        click.echo(f"season map {name}: {size}; its partition and its runs; its scenes stay")
        _warn_of_link(store.map(name).folder)


def _warn_of_link(folder: StorePath) -> None:
    from lc_assets.store.paths import is_link

    if is_link(folder):
        echo_warning(f"only the link {folder} is removed: the files in {folder.readlink()} stay", indent="  ")


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
    removed, failures = _each(items, lambda item: remove_scene(store, instance, in_use, item, maps))
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

    removed, failures = _each(names, lambda name: remove_map(session.store, instance, session.definitions, name))
    if removed:
        link_season_maps(session.store)
        update_gallery(session.store)
        for name in removed:
            forget_map(session.store, name)
            click.echo(f"removed: season map {name}")
    return failures


def _each(names: Sequence[str], remove_one: Callable[[str], None]) -> tuple[list[str], list[str]]:
    """Remove one after the other. Returns the names that were removed, and an error for each other one."""
    removed, failures = list[str](), list[str]()
    for name in names:
        try:
            remove_one(name)
            removed.append(name)
        except LandCoverError as error:
            failures.append(str(error))
            echo_error(error, "left alone")
    return removed, failures
