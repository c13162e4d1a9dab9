"""`lc-assets search`, `backfill`, `stale`: what there is, how it stands, and what is left to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

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

if TYPE_CHECKING:
    from lc_assets.sentinel2.item.scene import Scene
    from lc_assets.sentinel2.search.query import Query

_SEARCH = (
    click.option("--bbox", metavar="W,S,E,N", help="Box in degrees, e.g. 13.2,55.4,13.6,55.7."),
    click.option("--geometry", type=click.File("r"), help="GeoJSON file of a polygon; '-' is standard input."),
    click.option("--tile", "tiles", multiple=True, help="MGRS tile, e.g. 33UUB; may be repeated."),
    click.option("--datetime", "when", metavar="WHEN", help="Acquired: 2024-06, 2024-06-01/2024-06-30, 2024-06-01/.."),
    click.option("--max-cloud", type=float, metavar="PERCENT", help="No scene with more cloud."),
    click.option("--max-nodata", type=float, metavar="PERCENT", help="No scene with more empty pixels."),
)


def search_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what to look for."""
    for option in reversed(_SEARCH):
        command = option(command)
    return command


@click.command()
@search_options
@store_option
@click.option("--ids", is_flag=True, help="Print ids only, for a pipe.")
@click.option("--register", is_flag=True, help="Register what is new as partitions.")
@click.option(
    "--backfill", is_flag=True, help="Register, and launch a backfill of what is new, missing, failed or stale."
)
@click.option("--done", is_flag=True, help="Maps that are made, by the store's own collection (lc-assets collection).")
@user_errors
def search(store: str | None, ids: bool, register: bool, backfill: bool, done: bool, **place: Any) -> None:
    """Search the configured collection: a table of what is there, what is done already, what is new.

    It asks the STAC API of LC_ASSETS_STAC_URL (the Planetary Computer) for LC_ASSETS_COLLECTION (sentinel-2-l2a). Give
    a --bbox, a --geometry or a --tile.

    With --done neither that API nor Dagster is asked, the place may be left out, and --max-nodata is of the map.
    """
    if done:
        if register or backfill:
            raise click.UsageError("what is done needs no --register and no --backfill")
        settings = settings_with(store)
        from lc_assets.cli.search_done import EVERYWHERE, show_done

        show_done(settings, _query(**place, anywhere=True) or EVERYWHERE, ids=ids)
        return
    query = _query(**place)
    if query is None:
        raise click.UsageError("say where to look: --bbox, --geometry or --tile")
    settings = settings_with(store)
    from lc_assets.cli.search_steps import find, show_search

    documents = find(settings, query)
    finish(show_search(settings, documents, ids=ids, register=register, backfill=backfill), len(documents))


@click.command()
@references
@from_option
@search_options
@store_option
@stride_option
@mask_option
@dilation_option
@click.option("--all", "everything", is_flag=True, help="Run what is done already, too.")
@click.option("--dry-run", is_flag=True, help="Only say what would be run: an id and how it stands, one a line.")
@user_errors
def backfill(
    references: tuple[str, ...],
    listed: Iterable[str] | None,
    store: str | None,
    stride: int | None,
    mask_clouds: bool | None,
    mask_dilation: int | None,
    everything: bool,
    dry_run: bool,
    **place: Any,
) -> None:
    """Launch an asset backfill of the REFERENCEs, of what a search finds, or of all registered scenes.

    Only what is new, missing, failed or stale (made by another model, or by older code) is run, so that the same
    command goes on with a backfill that was stopped. The daemon of `lc-assets ui` (or `dagster-daemon run`) works it
    off; the UI shows it under Runs, Backfills.
    """
    query = _query(**place)
    if query and (references or listed):
        raise click.UsageError("give REFERENCEs, or search options, not both")
    settings = settings_with(store)
    from lc_assets.cli.search_steps import find, parsed, run_backfill

    scenes: list[Scene] | None = None
    failures: list[str] = []
    if references or listed:
        scenes, failures = resolved(all_references(references, listed), settings)
    elif query:
        scenes, failures = parsed(settings, find(settings, query))
    config = run_config(settings, stride, mask_clouds, mask_dilation)
    run_backfill(settings, scenes, config, everything=everything, dry_run=dry_run)
    finish(failures, len(failures) + len(scenes or ()))


@click.command()
@store_option
@click.option("--backfill", is_flag=True, help="Launch a backfill of them, for the daemon of `lc-assets ui`.")
@user_errors
def stale(store: str | None, backfill: bool) -> None:
    """List the scenes whose map was made by another model than the configured one, or by older code; one id a line.

    `lc-assets stale --backfill` hands them all to a backfill; `lc-assets stale | lc-assets classify --from -` does
    them here.
    """
    settings = settings_with(store)
    from lc_assets.cli.search_steps import list_stale

    list_stale(settings, backfill=backfill)


def _query(
    bbox: str | None,
    geometry: Any,
    tiles: tuple[str, ...],
    when: str | None,
    max_cloud: float | None,
    max_nodata: float | None,
    anywhere: bool = False,
) -> Query | None:
    """What is looked for; None if no option says anything.

    Args:
        anywhere: no place means everywhere, which is too much to ask a server for.
    """
    from lc_assets.sentinel2.search.area import box_of, geometry_of
    from lc_assets.sentinel2.search.query import Query

    # An empty value is a mistake (an unset variable), not an option that was left out.
    if not tiles and all(given is None for given in (bbox, geometry, when, max_cloud, max_nodata)):
        return None
    everywhere = (-180.0, -90.0, 180.0, 90.0) if anywhere and not geometry else None
    return Query(
        bbox=box_of(bbox) if bbox is not None else everywhere,
        geometry=geometry_of(geometry.read(), geometry.name) if geometry else None,
        tiles=tiles,
        datetime=when,
        max_cloud=max_cloud,
        max_nodata=max_nodata,
    )
