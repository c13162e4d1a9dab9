"""`lc-assets search`: the scenes of the configured collection, each with its status here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.backfill import count_statuses, launch
from lc_assets.cli.options import exit_if_failed, with_session
from lc_assets.cli.query import find_items, parse_items, parse_query, query_options
from lc_assets.cli.search_done import show_done
from lc_assets.cli.session import Session
from lc_assets.core.errors import printable
from lc_assets.core.json_values import is_percentage

if TYPE_CHECKING:
    from lc_assets.operations.status import SceneStatus

_COLOURS = {"done": "green", "failed": "red", "stale": "yellow", "waiting": "cyan"}
"""Value of a `SceneStatus` -> its colour on the terminal."""


@click.command()
@query_options
@click.option("--ids", is_flag=True, help="Print ids only, for a pipe.")
@click.option("--register", is_flag=True, help="Register what is new as partitions.")
@click.option(
    "--backfill", is_flag=True, help="Register, and launch a backfill of what is new, missing, failed or stale."
)
@click.option("--done", is_flag=True, help="Maps that are made, by the store's own collection (lc-assets collection).")
@with_session
def search(session: Session, ids: bool, register: bool, backfill: bool, done: bool, **query_values: Any) -> None:
    """Search the configured collection: a table of its scenes, with what is done already and what is new.

    The search asks the STAC API of LC_ASSETS_STAC_URL (the Planetary Computer) for LC_ASSETS_COLLECTION
    (sentinel-2-l2a). Give a --bbox, a --geometry or a --tile; in a store of an area, the place may be left out.

    With --done the maps of this store are searched, without that API and without Dagster. The place may then be left
    out, and --max-nodata is of the map.
    """
    if done:
        if register or backfill:
            raise click.UsageError("--done cannot be used with --register or --backfill")
        show_done(session.store, parse_query(session, **query_values, anywhere=True), ids=ids)
        return
    query = parse_query(session, **query_values)
    if query is None:
        raise click.UsageError("say where to look: --bbox, --geometry or --tile")
    from lc_assets.operations.status import NEEDS_RUN, SceneStatus, scene_statuses
    from lc_assets.store.ids import is_id

    documents = find_items(session, query)
    with session.open_instance() as instance:
        names = [str(document.get("id")) for document in documents]
        statuses = scene_statuses(instance, session.definitions, session.store, names)
        for document, name in zip(documents, names, strict=True):
            if not ids:
                click.echo(_row(document, statuses[name]))
            elif is_id(name):  # an id with a line break would be two references in a pipe
                click.echo(name)
        click.echo(count_statuses(list(statuses.values())), err=True)
        if not documents:
            where = f"{session.settings.collection} at {session.settings.stac_url}"
            click.echo(f"nothing in {where}: use wider limits, or check LC_ASSETS_COLLECTION", err=True)
        if not (register or backfill):
            return
        scenes, failures = parse_items(session, documents)
        scenes = [scene for scene in scenes if statuses[scene.id] is not SceneStatus.REMOVED]
        new = session.register(instance, scenes)
        click.echo(f"{len(new)} registered", err=True)
        if backfill:
            valid = {scene.id for scene in scenes}
            launch(session, instance, {item: s for item, s in statuses.items() if item in valid}, NEEDS_RUN, {})
    exit_if_failed(failures, len(documents))


def _row(document: dict[str, Any], status: SceneStatus) -> str:
    """One line of the table: status, time, tile, cloud, empty pixels, processing baseline, id."""
    from lc_assets.sentinel2.acquisition import acquisition_of
    from lc_assets.sentinel2.item.baseline import UNKNOWN, baseline_of
    from lc_assets.sentinel2.item.catalog_conventions import catalog_of

    found = document.get("properties")
    properties: dict[str, Any] = found if isinstance(found, dict) else {}
    provider = catalog_of(document)
    baseline = properties.get("s2:processing_baseline") or baseline_of(document).text.replace(UNKNOWN, "?")
    cells = [
        click.style(f"{status.value:<8}", fg=_COLOURS.get(status.value)),
        f"{printable(str(properties.get('datetime')))[:19]:<19}",
        f"{acquisition_of(document).tile or '?':<5}",
        f"{_percentage(provider.cloud(properties))} cloud",
        f"{_percentage(provider.nodata(properties))} empty",
        f"{printable(str(baseline))[:5]:<5}",
        printable(str(document.get("id"))).replace("\n", " ")[:200],
    ]
    return "  ".join(cells)


def _percentage(value: Any) -> str:
    return f"{value:5.1f} %" if is_percentage(value) else "    ? %"
