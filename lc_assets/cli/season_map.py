"""`lc-assets map`: the map of an area and a period, fused from several scenes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.classify import classify_all, shown_path
from lc_assets.cli.completion import complete_maps
from lc_assets.cli.options import (
    echo_warning,
    exit_if_failed,
    min_area_option,
    resolve_scenes,
    scene_references,
    with_session,
)
from lc_assets.cli.progress_bar import ProgressBar
from lc_assets.cli.query import find_items, parse_items, read_area, store_area
from lc_assets.cli.session import Session
from lc_assets.core.errors import LandCoverError, StoreError
from lc_assets.core.wording import quantity

if TYPE_CHECKING:
    import dagster as dg

    from lc_assets.products.season_map.plan import MapPlan
    from lc_assets.raster.polygons import Polygons
    from lc_assets.sentinel2.item.scene import Scene
    from lc_assets.store.layout import Store
    from lc_assets.store.season_layout import MapLayout


@click.command("map")
@scene_references
@click.option(
    "--area",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="File of polygons: GeoJSON, GeoPackage, shapefile, FlatGeobuf; '-' is standard input.",
)
@click.option("--bbox", metavar="W,S,E,N", help="Box in degrees, e.g. 13.2,55.4,13.6,55.7.")
@click.option("--period", metavar="WHEN", help="Search scenes of this time: 2024, 2024-06, 2024-05/2024-09.")
@click.option("--max-cloud", type=float, metavar="PERCENT", help="Search no scene with more cloud.")
@click.option(
    "--name", shell_complete=complete_maps, help="Name of the map.  [default: that of the area's file, and the period]"
)
@click.option("--crs", help="CRS of the map, in metres, e.g. EPSG:3035.  [default: UTM zone of the area's centre]")
@click.option("--polygons", is_flag=True, help="Write the map as polygons too, as GeoPackage and GeoParquet.")
@min_area_option
@with_session
def season_map(
    session: Session,
    scene_refs: tuple[str, ...],
    listed: Iterable[str] | None,
    area: str | None,
    bbox: str | None,
    period: str | None,
    max_cloud: float | None,
    name: str | None,
    crs: str | None,
    polygons: bool,
    min_area: float | None,
) -> None:
    """Make one land-cover map of an area from several scenes: from the REFERENCEs, from what a search of a --period
    finds, or else from all scenes of the store. A store of an area (LC_ASSETS_AREA) is mapped whole without --area.

    REFERENCEs, and scenes that the search finds, are classified first if they have no up-to-date map. The map, its
    confidence, the number of dates that see each pixel and the hectares of each class in each polygon are written to
    maps/NAME in the store. The map is registered, so that Dagster's UI and `lc-assets map --name NAME` can make it
    again from the scenes that are classified then.
    """
    if area is not None and bbox is not None:
        raise click.UsageError("give --area or --bbox, not both")
    if (scene_refs or listed) and (period is not None or max_cloud is not None):
        raise click.UsageError("give REFERENCEs, or --period, not both")
    if max_cloud is not None and period is None:
        raise click.UsageError("--max-cloud needs a search: give --period")
    if min_area is not None and not polygons:
        raise click.UsageError("--min-area is for --polygons")
    kept = store_area(session)
    if area is None and bbox is None:
        limited = scene_refs or listed or polygons or any(value is not None for value in (period, max_cloud, crs))
        if name is not None and not limited and (kept is None or session.store.registered_map(name).exists()):
            _fuse_again(session, name)
            return
        if kept is None:
            raise click.UsageError("give the area: --area or --bbox, or only the --name of a map that was made before")
    place, stem = _area(area, bbox, kept)
    from lc_assets.products.polygons import MIN_AREA, check_min_area
    from lc_assets.products.season_map.grid import check_area, checked_crs, utm_zone
    from lc_assets.products.season_map.plan import MapPlan, select_scenes

    # Errors of the user are raised before anything is fetched.
    name = _default_name(session.store, stem, period, place) if name is None else name
    session.store.map(name)
    crs = utm_zone(place) if crs is None else checked_crs(crs)
    check_area(place.to(crs))
    if kept is not None:
        _check_inside(place, kept, crs)
    if min_area is not None:
        check_min_area(min_area)
    scenes: list[Scene] = []
    failures: list[str] = []
    listed_ids = None
    if scene_refs or listed:
        scenes, failures = resolve_scenes(session, scene_refs, listed)
        listed_ids = tuple(scene.id for scene in scenes)
    elif period is not None:
        scenes, failures = _found(session, place, period, max_cloud)
    failures += _classify_missing(session, scenes, named=period is None)
    smallest = (MIN_AREA if min_area is None else min_area) if polygons else None
    plan = MapPlan(place, crs, period, max_cloud, listed_ids, smallest)
    if failures and not any(True for _ in select_scenes(session.store, plan)):
        exit_if_failed(failures, len(failures))
    fuse(session, name, plan)
    exit_if_failed(failures, len(failures) + len(scenes))


def _area(area: str | None, bbox: str | None, kept: Polygons | None) -> tuple[Polygons, str]:
    """The area of the options, or else that of the store, and a name for it."""
    from lc_assets.raster.polygons import box_polygon
    from lc_assets.sentinel2.search.query import box_of

    if bbox is not None:
        return box_polygon(*box_of(bbox)), "area"
    if area is None and kept is not None:
        return kept, kept.names[0]
    return read_area(str(area)), "area" if area == "-" else Path(str(area)).name.partition(".")[0]


def _default_name(store: Store, stem: str, period: str | None, area: Polygons) -> str:
    """Return the name of a map whose user gives none.

    Raises:
        LandCoverError: the store has a map of another area under this name.
    """
    from lc_assets.products.season_map.plan import read_plan
    from lc_assets.store.paths import reading

    words = f"{stem}_{period}" if period else stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", words).strip("._-") or "area"
    remedy = f"choose another name (--name), or replace that map (--name {name})"
    try:
        other = not read_plan(store, name).area.covers_same(area)
    except StoreError as error:
        with reading(store.root):
            if not store.registered_map(name).exists() and not store.map(name).catalog.exists():
                return name
        raise LandCoverError(f"the store has a map {name}, but {error.problem}", remedy=remedy) from None
    if other:
        raise LandCoverError(f"the store has a map of another area under the name {name}", remedy=remedy)
    return name


def _check_inside(area: Polygons, kept: Polygons, crs: str) -> None:
    """Warn if a part of the area is outside that of the store, which keeps and classifies no more than its own.

    Raises:
        BadReference: the whole area is outside.
    """
    from lc_assets.sentinel2.search.store_area import share_outside

    outside = share_outside(area, kept, crs)
    if outside >= 0.001:
        share = f"{100 * outside:.1f} % of the area are outside that of the store, {kept.names[0]}"
        echo_warning(f"{share}: scenes are classified inside it only")


def _found(session: Session, area: Polygons, period: str, max_cloud: float | None) -> tuple[list[Scene], list[str]]:
    from lc_assets.sentinel2.search.query import Query

    query = Query(geometry=area.degrees(), datetime=period, max_cloud=max_cloud)
    scenes, failures = parse_items(session, find_items(session, query))
    if not scenes:
        raise LandCoverError(f"no scene was found in {period}", remedy="choose a longer period, or allow more cloud")
    click.echo(f"found {quantity(len(scenes), 'scene')}")
    return scenes, failures


def _classify_missing(session: Session, scenes: Sequence[Scene], *, named: bool) -> list[str]:
    """Classify the scenes that need it. Returns one error per scene that failed.

    Those that were removed from the store are classified only if the user named them.
    """
    from lc_assets.operations.status import NEEDS_RUN, SceneStatus, scene_statuses

    if not scenes:
        return []
    with session.open_instance() as instance:
        statuses = scene_statuses(instance, session.definitions, session.store, [scene.id for scene in scenes])
    wanted = (*NEEDS_RUN, SceneStatus.REMOVED) if named else NEEDS_RUN
    missing = [scene for scene in scenes if statuses[scene.id] in wanted]
    if waiting := sum(status is SceneStatus.WAITING for status in statuses.values()):
        echo_warning(f"{quantity(waiting, 'scene')} queued or running: the map is made without the maps to come")
    if not missing:
        return []
    click.echo(f"classifying {quantity(len(missing), 'scene')} of {len(scenes)}")
    return classify_all(session, missing)


def fuse(session: Session, name: str, plan: MapPlan) -> None:
    """Register a map and fuse it. If it cannot be made, the registration is what it was before.

    Raises:
        LandCoverError: it cannot be fused.
    """
    from lc_assets.operations.keys import SEASON_MAPS
    from lc_assets.operations.season_maps import fused_map
    from lc_assets.products.season_map.plan import read_plan, write_plan
    from lc_assets.store.atomic import put

    registered = session.store.registered_map(name)
    try:
        before = registered.read_bytes()
    except OSError:  # there is none, or it cannot be read
        before = None
    write_plan(session.store, name, plan)
    digest = read_plan(session.store, name).digest
    try:
        _fuse_again(session, name)
    except BaseException:
        with session.open_instance() as instance:
            made = fused_map(instance, name)
            if made and made.plan == digest:
                raise  # it was made: a check of it failed, or the output was closed
            if before is None:
                registered.unlink(missing_ok=True)
                instance.delete_dynamic_partition(SEASON_MAPS, name)
            else:
                put(registered, before, item=name, asset="registration")
        raise


def _fuse_again(session: Session, name: str) -> None:
    """Fuse a registered map: a run of the asset `season_map` in this process. Prints the result.

    Raises:
        LandCoverError: it cannot be fused.
    """
    from lc_assets.core.progress import progress_callbacks
    from lc_assets.operations.keys import FUSE, SEASON_MAP
    from lc_assets.operations.runs import run_scene
    from lc_assets.operations.season_maps import register_map
    from lc_assets.products.season_map.plan import read_plan

    plan = read_plan(session.store, name)
    asset = SEASON_MAP.to_user_string()
    with session.open_instance() as instance:
        register_map(instance, name, plan.digest)
        with (
            ProgressBar((asset,), visible=sys.stdout.isatty()) as bar,
            progress_callbacks(bar.update, bar.note),
        ):
            result = run_scene(session.definitions, instance, name, {}, job=FUSE)
        result.raise_if_failed()
        _show(result.metadata[asset], session.store.map(name))
        _warn_of_outdated(session, instance, result.metadata[asset])


def _show(made: dict[str, Any], layout: MapLayout) -> None:
    """Print the hectares of each class, what was used, and where the map is."""
    from lc_assets.core.landcover import ALL_CLASSES
    from lc_assets.operations.season_maps import NOTE_COLUMN, SCENE_COLUMN, SCENE_TABLE

    rows = _rows(made[SCENE_TABLE])
    used = sum(not row[NOTE_COLUMN] for row in rows)
    for row in rows:
        if row[NOTE_COLUMN]:
            click.secho(f"      {row[SCENE_COLUMN]} is {row[NOTE_COLUMN]}", fg="yellow", err=True)
    titles = {c.code: c.title for c in ALL_CLASSES}
    for row in _rows(made["classes"]):
        if row["hectares"]:
            click.echo(f"      {titles[row['code']]:<24}{row['hectares']:12.1f} ha {row['percent']:6.1f} %")
    confidence = made.get("mean_confidence_percent")
    if confidence is None:
        echo_warning("no date sees the ground of the area; the map is all No Data", indent="      ")
    words = "" if confidence is None else f", mean confidence {confidence:.0f} %"
    click.echo(f"      {quantity(used, 'scene')} of {quantity(made['dates'], 'date')}{words}")
    click.echo(f"      {shown_path(layout.classified)}")
    click.echo(f"      {shown_path(layout.report)}")
    click.echo(f"      {shown_path(layout.areas)}")


def _warn_of_outdated(session: Session, instance: dg.DagsterInstance, made: dict[str, Any]) -> None:
    """Warn of scenes of the map that another model, other settings or older code has classified."""
    from lc_assets.operations.season_maps import NOTE_COLUMN, SCENE_COLUMN, SCENE_TABLE
    from lc_assets.operations.status import SceneStatus, scene_statuses

    used = [row[SCENE_COLUMN] for row in _rows(made[SCENE_TABLE]) if not row[NOTE_COLUMN]]
    statuses = scene_statuses(instance, session.definitions, session.store, used)
    outdated = sum(status is SceneStatus.STALE for status in statuses.values())
    if outdated:
        scenes = f"{quantity(outdated, 'scene')} of the map {'is' if outdated == 1 else 'are'} outdated"
        echo_warning(f"{scenes} (lc-assets stale) -> lc-assets stale | lc-assets classify --from -", indent="      ")


def _rows(table: Any) -> list[dict[str, Any]]:
    """Return the rows of a table of Dagster's metadata."""
    return [record.data for record in table.records]
