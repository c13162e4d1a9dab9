"""The maps of all scenes and season maps on one map that pans and zooms (`templates/map.html.j2`).

Only the file server has this page, because its tiles are made when they are looked at (`map_tiles`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import lc_assets
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.products.pages.formats import text
from lc_assets.products.pages.gallery_items import Gallery, SceneCard, SeasonCard
from lc_assets.products.pages.html import data_url, render
from lc_assets.products.pages.locator_map import Ring, extent_of, land_png
from lc_assets.products.pages.map_tiles import MAX_ZOOM, MIN_ZOOM, MapSource, mercator
from lc_assets.store.layout import MAPS_FOLDER, SCENES_FOLDER, Store


def map_sources(store: Store, gallery: Gallery) -> list[MapSource]:
    """Return the maps of a store: the scenes, the newest first, then the season maps by name."""
    listed = [
        *(
            (f"{SCENES_FOLDER}/{card.scene}", store.scene(card.scene), card.moment, card.rings)
            for card in gallery.shown
        ),
        *((f"{MAPS_FOLDER}/{card.name}", store.map(card.name), None, card.rings) for card in gallery.seasons),
    ]
    return [
        MapSource(key, Path(str(layout.classified)), Path(str(layout.overview)), moment, rings)
        for key, layout, moment, rings in listed
    ]


def map_page(gallery: Gallery, sources: Sequence[MapSource]) -> bytes:
    """Return the HTML of the page.

    Args:
        gallery: the scenes and season maps.
        sources: what `map_sources` returns for them.

    Raises:
        LandCoverError: the land mask of the map is not installed correctly.
    """
    extent = extent_of([ring for source in sources for ring in source.rings])
    places: dict[tuple[Ring, ...], int] = {}
    entries = []
    cards: list[SceneCard | SeasonCard] = [*gallery.shown, *gallery.seasons]
    for source, card in zip(sources, cards, strict=True):
        title, tile = (card.title, card.tile or "") if isinstance(card, SceneCard) else (card.name, "")
        entries.append(
            {
                "key": source.key,
                "title": text(title),
                "time": source.moment.timestamp() if source.moment else None,
                "href": quote(f"{source.key}/report.html") if card.report else None,
                "tile": text(tile),
                "place": places.setdefault(source.rings, len(places)),
            }
        )
    west, north = mercator(extent.west, extent.north)
    east, south = mercator(extent.east, extent.south)
    data: dict[str, Any] = {
        "extent": [west, north, east, south],
        "places": [_outlines(rings) for rings in places],
        "maps": entries,
        "zooms": [MIN_ZOOM, MAX_ZOOM],
    }
    page = render(
        "map.html.j2",
        land=data_url("image/png", land_png(extent, mercator=True)),
        scenes=len(gallery.shown),
        seasons=len(gallery.seasons),
        present=[c for c in ALL_CLASSES if c is not NO_DATA],
        data=data,
        years=gallery.years,
        version=lc_assets.__version__,
    )
    return page.encode()


def _outlines(rings: Iterable[Ring]) -> list[list[list[float]]]:
    """Return outlines in Web Mercator, to about a metre."""
    return [[[round(value, 8) for value in mercator(*position)] for position in ring] for ring in rings]
