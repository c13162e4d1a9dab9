"""What `lc-assets search` and `lc-assets backfill` look for: the options, their query, and the items that it finds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.options import echo_error, echo_warning
from lc_assets.cli.session import Session
from lc_assets.core.errors import BadReference, LandCoverError
from lc_assets.core.local_files import check_readable

if TYPE_CHECKING:
    from lc_assets.raster.polygons import Polygons
    from lc_assets.sentinel2.item.scene import Scene
    from lc_assets.sentinel2.search.query import Query

_QUERY = (
    click.option("--bbox", metavar="W,S,E,N", help="Box in degrees, e.g. 13.2,55.4,13.6,55.7."),
    click.option(
        "--geometry",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True),
        help="File of polygons: GeoJSON, GeoPackage, shapefile, FlatGeobuf; '-' is standard input.",
    ),
    click.option("--tile", "tiles", multiple=True, help="MGRS tile, e.g. 33UUB; may be repeated."),
    click.option("--datetime", metavar="WHEN", help="Acquired: 2024-06, 2024-06-01/2024-06-30, 2024-06-01/.."),
    click.option("--max-cloud", type=float, metavar="PERCENT", help="No scene with more cloud."),
    click.option("--max-nodata", type=float, metavar="PERCENT", help="No scene with more empty pixels."),
)


def query_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a search. The command takes them as keyword arguments, and passes them to `parse_query`."""
    for option in reversed(_QUERY):
        command = option(command)
    return command


def parse_query(
    session: Session, bbox: str | None, geometry: str | None, anywhere: bool = False, **limits: Any
) -> Query | None:
    """The query of the options of `query_options`; None if no option is given.

    Args:
        session: a query without a place is of the area of its store, if it has one.
        bbox: text of `--bbox`.
        geometry: path of `--geometry`.
        anywhere: a query without a place covers the whole Earth, which is too much for a STAC API.
        limits: the other options, which are attributes of `Query`.

    Raises:
        BadReference: an option is not valid, or there is no place.
    """
    from lc_assets.sentinel2.search.query import Query, box_of

    # An empty value counts as given: it comes from an unset shell variable, and Query refuses it.
    if all(value in (None, ()) for value in (bbox, geometry, *limits.values())):
        return None
    everywhere = (-180.0, -90.0, 180.0, 90.0) if anywhere and not geometry else None
    area = read_area(geometry) if geometry else None
    if not anywhere and bbox is None and geometry is None and not limits["tiles"]:
        area = store_area(session)
    return Query(
        bbox=box_of(bbox) if bbox is not None else everywhere, geometry=area.degrees() if area else None, **limits
    )


def store_area(session: Session) -> Polygons | None:
    """Return the area of the store: what it keeps and classifies of each scene. None if that is all.

    Raises:
        LandCoverError: it cannot be read, or LC_ASSETS_AREA is another one.
    """
    from lc_assets.sentinel2.search.store_area import area_of

    return area_of(session.store, session.settings.area)


def read_area(path: str) -> Polygons:
    """Read the polygons of a file; `-` is standard input.

    Raises:
        BadReference: it cannot be read, or has no polygons.
    """
    from lc_assets.raster.polygons import read_polygons

    if path == "-":
        return read_polygons(sys.stdin.buffer.read(), "standard input")
    try:
        check_readable(Path(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadReference(f"{path} cannot be read ({reason})", remedy="name a file of polygons") from None
    return read_polygons(Path(path), path)


def find_items(session: Session, query: Query) -> list[dict[str, Any]]:
    """Search the configured collection, and print warnings. Returns all items found, as JSON, by acquisition time."""
    from lc_assets.core.progress import progress_callbacks

    with progress_callbacks(None, echo_warning):
        found = [item for page in session.registry.catalog.search(query) for item in page]
    return sorted(found, key=lambda item: (str((item.get("properties") or {}).get("datetime")), str(item.get("id"))))


def parse_items(session: Session, documents: Sequence[dict[str, Any]]) -> tuple[list[Scene], list[str]]:
    """Parse found items, and print an error for each that cannot be used.

    Returns:
        scenes: of the items that are valid.
        failures: the printed errors.
    """
    scenes, failures = [], []
    for document in documents:
        try:
            scenes.append(session.registry.catalog.parse(document))
        except LandCoverError as error:
            failures.append(str(error))
            echo_error(error)
    return scenes, failures
