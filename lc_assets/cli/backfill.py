"""`lc-assets backfill` and `lc-assets stale`: which scenes need a run, and the backfill that runs them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.completion import complete_scenes
from lc_assets.cli.options import (
    class_raster_options,
    exit_if_failed,
    resolve_scenes,
    run_config,
    scene_references,
    warn_of_another_store,
    with_session,
)
from lc_assets.cli.query import find_items, parse_items, parse_query, query_options
from lc_assets.cli.session import Session
from lc_assets.core.wording import quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.operations.status import SceneStatus
    from lc_assets.sentinel2.item.scene import Scene

_DAEMON_SECONDS = 90
"""A daemon counts as running if its last heartbeat is at most this old."""


@click.command()
@scene_references
@query_options
@class_raster_options
@click.option("--all", "everything", is_flag=True, help="Run what is done already, too.")
@click.option("--dry-run", is_flag=True, help="Only show what would be run: an id and its status, one a line.")
@with_session
def backfill(
    session: Session,
    scene_refs: tuple[str, ...],
    listed: Iterable[str] | None,
    class_raster: dict[str, Any],
    everything: bool,
    dry_run: bool,
    **query_values: Any,
) -> None:
    """Launch an asset backfill of the REFERENCEs, of what a search finds, or of all registered scenes.

    Only what is new, missing, failed or stale (made by another model, by older code, or of something older) is run, so
    the same command continues a backfill that was stopped. The daemon of `lc-assets ui` (or `dagster-daemon run`) runs
    it; the UI shows it under Runs, Backfills.
    """
    query = parse_query(session, **query_values)
    if query and (scene_refs or listed):
        raise click.UsageError("give REFERENCEs, or search options, not both")
    scenes: list[Scene] | None = None
    failures: list[str] = []
    if scene_refs or listed:
        scenes, failures = resolve_scenes(session, scene_refs, listed)
    elif query:
        scenes, failures = parse_items(session, find_items(session, query))
    config = run_config(session, class_raster)
    backfill_scenes(session, scenes, config, named=query is None, everything=everything, dry_run=dry_run)
    exit_if_failed(failures, len(failures) + len(scenes or ()))


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_scenes)
@click.option("--backfill", is_flag=True, help="Launch a backfill of them, for the daemon of `lc-assets ui`.")
@with_session
def stale(session: Session, names: tuple[str, ...], backfill: bool) -> None:
    """List the scenes whose map was made by another model than the configured one, or by older code, or of which an
    asset was made of an older version of another one; one id a line. With NAMEs, only those that fit one, such as 33UUB
    or 2024-06.

    `lc-assets stale --backfill` launches a backfill of them all; `lc-assets stale | lc-assets classify --from -`
    classifies them in this process. Season maps that are stale, because a scene or the registration has changed since,
    are named on standard error: `lc-assets map --name NAME` makes one again.
    """
    from lc_assets.operations.season_maps import map_statuses
    from lc_assets.operations.status import NEEDS_RUN, SceneStatus, stale_items, waiting_items
    from lc_assets.products.season_map.plan import plan_digests
    from lc_assets.sentinel2.search.scene_names import SceneNames, join_words
    from lc_assets.store.paths import reading

    session.contract()
    with session.open_instance() as instance:
        with reading(session.store.root):
            gone = session.store.scenes_without_folder()  # which are missing, not stale
        items = [item for item in stale_items(instance, session.definitions) if item not in gone]
        if names:
            known = SceneNames(session.store)
            fitting = {item for name in join_words(names) for item in known.matching(name) or [known.one(name)]}
            items = [item for item in items if item in fitting]
        warn_of_another_store(session, instance)
        if not items:
            click.echo("no scene is stale", err=True)
        elif not backfill:
            click.echo("\n".join(items))
        else:
            waiting = waiting_items(instance, session.definitions)
            statuses = {item: SceneStatus.WAITING if item in waiting else SceneStatus.STALE for item in items}
            launch(session, instance, statuses, NEEDS_RUN, {})
        plans = plan_digests(session.store)
        for name, found in map_statuses(instance, session.definitions, session.store, plans).items():
            if found.status is SceneStatus.STALE:
                click.echo(f"season map {name} is stale: {found.reasons[0]}", err=True)


def backfill_scenes(
    session: Session,
    scenes: Sequence[Scene] | None,
    config: dict[str, Any],
    *,
    named: bool,
    everything: bool,
    dry_run: bool,
) -> None:
    """Launch a backfill of the scenes that need a run.

    Args:
        session: store, model, instance.
        scenes: the scenes to choose from; None means all that are registered.
        config: run config of the ops, from `run_config`.
        named: whether the user named the scenes. Others are not run if they were removed from the store.
        everything: also run scenes that are done.
        dry_run: only print the ids and what their status is.
    """
    from lc_assets.operations.status import NEEDS_RUN, SceneStatus, scene_statuses

    session.contract()
    with session.open_instance() as instance:
        ids = None if scenes is None else [scene.id for scene in scenes]
        statuses = scene_statuses(instance, session.definitions, session.store, ids)
        if scenes is None:
            warn_of_another_store(session, instance)
        runnable = {*NEEDS_RUN, *([SceneStatus.DONE] * everything), *([SceneStatus.REMOVED] * named)}
        if dry_run:
            to_run = {item: status for item, status in statuses.items() if status in runnable}
            for item, status in to_run.items():
                click.echo(f"{item}\t{status.value}")
            click.echo(f"{count_statuses(list(statuses.values()))}; {len(to_run)} to run", err=True)
            return
        wanted = [scene for scene in scenes or () if named or statuses[scene.id] is not SceneStatus.REMOVED]
        session.register(instance, wanted)
        launch(session, instance, statuses, runnable, config)
        if scenes is None and not statuses:
            click.echo(session.explain_empty(), err=True)


def launch(
    session: Session,
    instance: DagsterInstance,
    statuses: Mapping[str, SceneStatus],
    runnable: Collection[SceneStatus],
    config: dict[str, Any],
) -> None:
    """Launch a backfill of registered scenes, and print what is launched.

    Args:
        session: store and model.
        instance: whose daemon runs the backfill.
        statuses: item ids, each with its status.
        runnable: the statuses of scenes that are run.
        config: run config of the ops.
    """
    from lc_assets.operations.backfills import launch_backfill
    from lc_assets.operations.status import SceneStatus

    items = [item for item, status in statuses.items() if status in runnable]
    waiting = sum(status is SceneStatus.WAITING for status in statuses.values())
    if items:
        contract = session.contract()
        title = f"{quantity(len(items), 'scene')} to run: {_listed([statuses[item] for item in items])}"
        backfill_id = launch_backfill(
            instance, session.definitions, items, fingerprint=contract.fingerprint, config=config, title=title
        )
        click.echo(f"backfill {backfill_id}: {title}")
        click.echo(f"  {backfill_url(backfill_id)} shows it; lc-assets status counts what is done")
        if not _daemon_is_alive(instance):
            click.echo("no daemon runs: start one with make ui, or lc-assets ui")
        click.echo(
            f"(its runs stop if the model is not {contract.name}: run the UI, or daemon and workers, with the same "
            "LC_ASSETS_MODEL)"
        )
    else:
        click.echo("nothing to run")
    if waiting:
        click.echo(f"{waiting} were queued or running already")


def backfill_url(backfill_id: str) -> str:
    """Where the UI shows a backfill, if `lc-assets ui` has its usual port."""
    from lc_assets.core.settings import UI_URL

    return f"{UI_URL}/runs/b/{backfill_id}?tab=runs"


def _daemon_is_alive(instance: DagsterInstance) -> bool:
    heartbeats = instance.get_daemon_heartbeats().values()
    return any(time.time() - heartbeat.timestamp < _DAEMON_SECONDS for heartbeat in heartbeats)


def count_statuses(statuses: Sequence[SceneStatus]) -> str:
    """How many scenes there are of each status, as text: `3 scenes: 1 new, 2 done`."""
    parts = _listed(statuses)
    return f"{quantity(len(statuses), 'scene')}{': ' if parts else ''}{parts}"


def _listed(statuses: Sequence[SceneStatus]) -> str:
    """`1 new, 2 failed before`. (`2 failed` would read as if the command had failed.)"""
    from lc_assets.operations.status import SceneStatus

    counts = Counter(statuses)
    words = {SceneStatus.FAILED: "failed before"}
    return ", ".join(f"{counts[s]} {words.get(s, s.value)}" for s in SceneStatus if counts[s])
