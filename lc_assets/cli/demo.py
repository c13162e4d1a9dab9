"""`lc-assets demo`: write a synthetic scene or season, classify it, and compare the map with its truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lc_assets.cli.agreement import compare_with_truth
from lc_assets.cli.classify import classify_all, shown_path
from lc_assets.cli.options import exit_if_failed, with_session
from lc_assets.cli.season_map import fuse
from lc_assets.cli.session import Session

if TYPE_CHECKING:
    from lc_assets.demo.season_figures import SeasonFigures
    from lc_assets.store.paths import StorePath

SEASON_MAP = "demo-season"
"""Name of the fused map."""


@click.command()
@click.option(
    "--scene",
    "folder",
    type=click.Path(path_type=Path),
    help="Where the scenes are written.  [default: demo_scene, with --season demo_season]",
)
@click.option("--season", is_flag=True, help="Fuse six dates of two tiles into one map, in place of one scene.")
@with_session
def demo(session: Session, folder: Path | None, season: bool) -> None:
    """Write a synthetic scene, classify it, and compare the map with its truth: how much is right."""
    if season:
        _run_season(session, folder or Path("demo_season"))
    else:
        _run_demo(session, folder or Path("demo_scene"))


def _run_demo(session: Session, folder: Path) -> None:
    """Write the demo scene to `folder`, classify it, and compare the map with its truth."""
    from lc_assets.demo.scene import write_demo_scene
    from lc_assets.sentinel2.item.scene import parse_scene, read_document

    started = time.perf_counter()
    path = write_demo_scene(folder)
    click.echo(f"demo scene written to {folder} ({time.perf_counter() - started:.1f} s)")
    scene = parse_scene(read_document(path), base=path)
    exit_if_failed(classify_all(session, [scene]), 1)
    compare_with_truth(session, scene)
    _show_where(session, session.store.scene(scene.id).report)


def _run_season(session: Session, folder: Path) -> None:
    """Write a synthetic season to `folder`, classify its scenes, fuse them, and compare the map with the truth."""
    from lc_assets.demo.season import write_demo_season
    from lc_assets.demo.season_figures import measure_season
    from lc_assets.products.season_map.grid import utm_zone
    from lc_assets.products.season_map.plan import MapPlan
    from lc_assets.raster.polygons import read_polygons
    from lc_assets.sentinel2.item.scene import parse_scene, read_document
    from lc_assets.store.paths import gdal_path

    started = time.perf_counter()
    season = write_demo_season(folder)
    click.echo(f"demo season written to {folder} ({time.perf_counter() - started:.1f} s)")
    scenes = [parse_scene(read_document(path), base=path) for path in season.items]
    exit_if_failed(classify_all(session, scenes), 1)
    store, area = session.store, read_polygons(season.area, season.area.name)
    started = time.perf_counter()
    fuse(session, SEASON_MAP, MapPlan(area, utm_zone(area), scenes=tuple(scene.id for scene in scenes)))
    click.echo(f"{len(scenes)} scenes fused ({time.perf_counter() - started:.1f} s)")
    layout = store.map(SEASON_MAP)
    dates: dict[str, list[str]] = {}
    for scene in scenes:
        dates.setdefault(scene.properties["datetime"][:10], []).append(gdal_path(store.scene(scene.id).classified))
    rasters = [gdal_path(path) for path in (layout.classified, layout.confidence, layout.observations)]
    _show_season(measure_season(rasters, gdal_path(season.truth), dates, area))
    click.echo(f"  {shown_path(season.truth)}")
    _show_where(session, layout.report)


def _show_where(session: Session, report: StorePath) -> None:
    """Print where the model's figures on real scenes and the report are."""
    from lc_assets.core.settings import CARD_FILE, UI_URL
    from lc_assets.inference.loading import read_contract

    card = read_contract(session.settings.model)[1].with_name(CARD_FILE)
    if card.exists():
        click.echo(f"\nThis ground is synthetic. How good maps of real scenes are: {shown_path(card)}")
    click.echo(f"\nTo look at it: open {shown_path(report)} in a browser,")
    click.echo(f"or Dagster's UI: make ui (or: lc-assets ui), then {UI_URL}")


def _show_season(found: SeasonFigures) -> None:
    """Print the figures of the fused map beside those of each date."""
    click.echo("\n  date        sees   right   the fused map is right there")
    for date, one in found.dates.items():
        shares = f"{100 * one.seen:5.1f} % {100 * one.right:5.1f} %   {100 * one.fused_right:5.1f} %"
        click.echo(f"  {date} {shares}")
    click.secho(f"  fused      {100 * found.seen:5.1f} % {100 * found.right:5.1f} %", bold=True)
    click.echo(
        f"  wrong within 200 m of a tile's border {100 * found.wrong_at_borders:.1f} %, "
        f"elsewhere {100 * found.wrong_elsewhere:.1f} %"
    )
    click.echo(f"  confidence differs from the share of right pixels by {100 * found.calibration_error:.1f} %")
    click.echo(f"  pixels whose number of dates is wrong: {found.miscounted}")
