"""`lc-assets map`: the map of an area and a period, fused from several scenes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lc_assets.cli.classify import classify_all, shown_path
from lc_assets.cli.instance import open_instance
from lc_assets.cli.options import (
    echo_error,
    exit_if_failed,
    from_option,
    read_scene_refs,
    resolve_scenes,
    scene_refs_argument,
    settings_with,
    store_option,
    user_errors,
)
from lc_assets.cli.query import find_items, parse_items, read_area
from lc_assets.core.errors import LandCoverError
from lc_assets.core.wording import quantity

if TYPE_CHECKING:
    from lc_assets.core.settings import Settings
    from lc_assets.products.season_map.write import Made
    from lc_assets.raster.polygons import Polygons
    from lc_assets.sentinel2.item.scene import Scene


@click.command("map")
@scene_refs_argument
@from_option
@click.option(
    "--area",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="File of polygons: GeoJSON, GeoPackage, shapefile, FlatGeobuf; '-' is standard input.",
)
@click.option("--bbox", metavar="W,S,E,N", help="Box in degrees, e.g. 13.2,55.4,13.6,55.7.")
@click.option("--period", metavar="WHEN", help="Search scenes of this time: 2024, 2024-06, 2024-05/2024-09.")
@click.option("--max-cloud", type=float, metavar="PERCENT", help="Search no scene with more cloud.")
@click.option("--name", help="Name of the map.  [default: that of the area's file, and the period]")
@click.option("--crs", help="CRS of the map, in metres, e.g. EPSG:3035.  [default: UTM zone of the area's centre]")
@click.option("--polygons", is_flag=True, help="Write the map as polygons too, as GeoPackage and GeoParquet.")
@click.option("--min-area", type=float, metavar="HA", help="Smallest polygon in hectares.  [default: 0.5]")
@store_option
@user_errors
def season_map(
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
    store: str | None,
) -> None:
    """Make one land-cover map of an area from several scenes: from the REFERENCEs, from what a search of a --period
    finds, or else from all scenes of the store.

    Scenes without an up-to-date map are classified first. The map, its confidence, the number of dates that see each
    pixel and the hectares of each class in each polygon are written to maps/NAME in the store.
    """
    if (area is None) == (bbox is None):
        raise click.UsageError("give the area: --area or --bbox")
    if (scene_refs or listed) and (period is not None or max_cloud is not None):
        raise click.UsageError("give REFERENCEs, or --period, not both")
    if max_cloud is not None and period is None:
        raise click.UsageError("--max-cloud needs a search: give --period")
    if min_area is not None and not polygons:
        raise click.UsageError("--min-area is for --polygons")
    settings = settings_with(store)
    place = _area(area, bbox)
    name = _default_name(area, period) if name is None else name
    from lc_assets.products.season_map.grid import check_area, checked_crs, utm_zone
    from lc_assets.products.season_map.polygons import MIN_AREA, check_min_area
    from lc_assets.store.ids import is_id
    from lc_assets.store.layout import Store

    # What cannot work is said before anything is fetched.
    layout = Store.at(settings.store).map(name)
    crs = utm_zone(place) if crs is None else checked_crs(crs)
    check_area(place.to(crs))
    if min_area is not None:
        check_min_area(min_area)
    failures: list[str] = []
    if scene_refs or listed:
        scenes, failures = resolve_scenes(read_scene_refs(scene_refs, listed), settings)
        items = _up_to_date(settings, scenes, failures)
    elif period is not None:
        scenes, failures = _found(settings, place, period, max_cloud)
        items = _up_to_date(settings, scenes, failures)
    else:
        opened = Store.at(settings.store)
        items = [item for item in opened.folders() if is_id(item) and opened.scene(item).classified.exists()]
    smallest = (MIN_AREA if min_area is None else min_area) if polygons else None
    if failures and not items:
        exit_if_failed(failures, len(failures))
    made = _make(settings, layout.name, place, items, crs, smallest)
    _show(made)
    exit_if_failed(failures, len(failures) + len(items))


def _area(area: str | None, bbox: str | None) -> Polygons:
    from lc_assets.raster.polygons import box_polygon
    from lc_assets.sentinel2.search.area import box_of

    return box_polygon(*box_of(bbox)) if bbox is not None else read_area(str(area))


def _default_name(area: str | None, period: str | None) -> str:
    stem = Path(area).name.partition(".")[0] if area and area != "-" else "area"
    words = f"{stem}_{period}" if period else stem
    return re.sub(r"[^A-Za-z0-9._-]+", "_", words).strip("._-") or "area"


def _found(settings: Settings, area: Polygons, period: str, max_cloud: float | None) -> tuple[list[Scene], list[str]]:
    from lc_assets.sentinel2.search.query import Query

    query = Query(geometry=area.degrees(), datetime=period, max_cloud=max_cloud)
    scenes, failures = parse_items(settings, find_items(settings, query))
    if not scenes:
        raise LandCoverError(f"no scene was found in {period}", remedy="choose a longer period, or allow more cloud")
    click.echo(f"found {quantity(len(scenes), 'scene')}")
    return scenes, failures


def _up_to_date(settings: Settings, scenes: Sequence[Scene], failures: list[str]) -> list[str]:
    """Classify the scenes that need it, and return the ids of all that have a map; add errors to `failures`."""
    from lc_assets.defs.build import build_definitions
    from lc_assets.operations.status import NEEDS_RUN, scene_statuses
    from lc_assets.store.layout import Store

    with open_instance(settings) as instance:
        statuses = scene_statuses(instance, build_definitions(settings), [scene.id for scene in scenes])
    missing = [scene for scene in scenes if statuses[scene.id] in NEEDS_RUN]
    if missing:
        click.echo(f"classifying {quantity(len(missing), 'scene')} of {len(scenes)}")
        failures += classify_all(settings, missing, {}, verbose=False)
    opened = Store.at(settings.store)
    return [scene.id for scene in scenes if opened.scene(scene.id).catalog.exists()]


def _make(
    settings: Settings, name: str, area: Polygons, items: Sequence[str], crs: str, min_area: float | None
) -> Made:
    from lc_assets.products.season_map.write import make_season_map
    from lc_assets.store.layout import Store

    label = f"fusing {quantity(len(items), 'scene')}"
    with click.progressbar(length=1000, label=label, show_eta=False, hidden=not sys.stdout.isatty()) as bar:

        def progress(share: float) -> None:
            bar.update(round(1000 * share) - bar.pos)

        opened = Store.at(settings.store)
        return make_season_map(opened, name, area, items, crs=crs, min_area=min_area, progress=progress)


def _show(made: Made) -> None:
    """Print the hectares of each class, what was used, and where the map is."""
    from lc_assets.core.landcover import ALL_CLASSES

    for item, newer in made.replaced.items():
        click.secho(f"      left out: {item}, of which {newer} is a later version", fg="yellow", err=True)
    for item in made.beside:
        click.secho(f"      left out: {item}, which does not touch the area", fg="yellow", err=True)
    total = max(int(made.pixels.sum()), 1)
    for kind in ALL_CLASSES:
        count = int(made.pixels[kind.code])
        if count:
            click.echo(f"      {kind.title:<24}{count * made.pixel_area:12.1f} ha {100 * count / total:6.1f} %")
    if made.mean_confidence is None:
        echo_error("no date sees the ground of the area; the map is all No Data", "      warning")
    confidence = "" if made.mean_confidence is None else f", mean confidence {made.mean_confidence:.0f} %"
    click.echo(f"      {quantity(len(made.scenes), 'scene')} of {quantity(made.dates, 'date')}{confidence}")
    click.echo(f"      {shown_path(made.layout.classified)}")
    click.echo(f"      {shown_path(made.layout.areas)}")
    click.echo(f"      {shown_path(made.layout.report)}")


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--sure", default=60, show_default=True, help="Least confidence of both maps in percent.")
@click.option("--baseline", metavar="MAP", help="Another map of the first period: how much do two such maps differ?")
@store_option
@user_errors
def change(before: str, after: str, sure: int, baseline: str | None, store: str | None) -> None:
    """Compare two maps of `lc-assets map`: which class became which, in hectares.

    A pixel counts as changed only where both maps are sure enough. Maps of two seasons differ without any change, since
    they are made of other dates: --baseline measures by how much.
    """
    settings = settings_with(store)
    from lc_assets.products.season_map.change import NOTHING, SAME, UNSURE, compare_maps
    from lc_assets.store.layout import Store

    found = compare_maps(Store.at(settings.store), before, after, sure=sure, baseline=baseline)
    known = max(int(found.pixels[:NOTHING].sum()), 1)

    def line(words: str, pixels: int) -> str:
        return f"      {words:<48}{pixels * found.pixel_area:12.1f} ha {100 * pixels / known:6.1f} %"

    for old, new, pixels in found.transitions[:10]:
        click.echo(line(f"{old.title} to {new.title}", pixels))
    if len(found.transitions) > 10:
        click.echo(f"      and {quantity(len(found.transitions) - 10, 'smaller transition')}")
    click.echo(line("changed", found.changed))
    click.echo(line("differs, but not sure enough: not counted", int(found.pixels[UNSURE])))
    click.echo(line("unchanged", int(found.pixels[SAME])))
    if baseline is None:
        click.echo("      Two maps of other dates differ without change; --baseline MAP measures by how much.")
    elif found.baseline is None:
        click.echo(f"      {baseline} has no pixel where it and {before} are sure")
    else:
        click.echo(
            f"      {before} and {baseline}, of one period, differ on {100 * found.baseline:.1f} % of sure pixels"
        )
    click.echo(f"      {shown_path(found.layout.transitions)}")
    click.echo(f"      {shown_path(found.layout.table)}")
