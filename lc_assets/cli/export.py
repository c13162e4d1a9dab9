"""`lc-assets export`: a map in the files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lc_assets.cli.classify import shown_path
from lc_assets.cli.completion import complete_scenes_and_maps
from lc_assets.cli.options import min_area_option, settings_with, store_option, user_errors
from lc_assets.products.export import FORMATS

if TYPE_CHECKING:
    from lc_assets.store.layout import SceneLayout, Store
    from lc_assets.store.season_layout import MapLayout


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
@store_option
@user_errors
def export(
    name: tuple[str, ...], folder: Path, formats: tuple[str, ...], min_area: float | None, store: str | None
) -> None:
    """Write a map for other programs: as polygons, as a table of areas, and as a QGIS project with its rasters.

    NAME is that of a season map, a scene's id, or words that no other scene of the store has: 33UUB 2024-06-21. Files
    that are in the folder already are not replaced.
    """
    if min_area is not None and not {"gpkg", "geoparquet"} & {*formats}:
        raise click.UsageError("--min-area is for polygons: --format gpkg or geoparquet")
    settings = settings_with(store)
    from lc_assets.products.export.write import export_map
    from lc_assets.store.layout import Store

    opened = Store.at(settings.store)
    done = export_map(opened, _find(opened, " ".join(name)), folder, formats, min_area)
    for path in done.files:
        click.echo(shown_path(path))
    if done.without_picture:
        click.secho("the project has no picture: the raw bands are not in the store", fg="yellow", err=True)


def _find(store: Store, wanted: str) -> SceneLayout | MapLayout:
    """Return the season map of this name, else the scene that is meant.

    Raises:
        LandCoverError: no scene fits, or several.
    """
    from lc_assets.sentinel2.search.scene_names import SceneNames

    return store.map(wanted) if wanted in store.map_names() else store.scene(SceneNames(store).one(wanted))
