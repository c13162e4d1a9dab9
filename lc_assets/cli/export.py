"""`lc-assets export`: a map in the files of other programs."""

from __future__ import annotations

from pathlib import Path

import click

from lc_assets.cli.classify import shown_path
from lc_assets.cli.completion import complete_scenes_and_maps
from lc_assets.cli.options import min_area_option, with_session
from lc_assets.cli.session import Session
from lc_assets.products.export import FORMATS


@click.command()
@click.argument("name", nargs=-1, required=True, metavar="NAME", shell_complete=complete_scenes_and_maps)
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files; it is created if necessary.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    default=("gpkg", "csv", "qgz"),
    show_default=True,
    help="gpkg, geoparquet: polygons with class and hectares. csv: hectares per class. qgz: QGIS project. Repeatable.",
)
@min_area_option
@with_session
def export(
    session: Session, name: tuple[str, ...], folder: Path, formats: tuple[str, ...], min_area: float | None
) -> None:
    """Write a map for other programs: as polygons, as a table of areas, and as a QGIS project with its rasters.

    NAME is that of a season map, a scene's id, or words that no other scene of the store has: 33UUB 2024-06-21. If
    one of the files is in the folder already, nothing is written.
    """
    if min_area is not None and not {"gpkg", "geoparquet"} & {*formats}:
        raise click.UsageError("--min-area is for polygons: --format gpkg or geoparquet")
    from lc_assets.products.export.write import export_map
    from lc_assets.sentinel2.search.scene_names import scene_or_map

    done = export_map(session.store, scene_or_map(session.store, " ".join(name)), folder, formats, min_area)
    for path in done.files:
        click.echo(shown_path(path))
    if done.without_picture:
        click.secho("the project has no picture: the raw bands are not in the store", fg="yellow", err=True)
