"""What `lc-assets search --done` does and shows: maps that are there, by the index. No catalogue and no instance is
asked."""

from __future__ import annotations

from collections import Counter

import click

from lc_assets.core.errors import StoreError, printable
from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.core.settings import Settings
from lc_assets.products.collection.export import no_collection
from lc_assets.products.collection.extras import check_tools
from lc_assets.products.collection.scratch import scratch
from lc_assets.products.collection.search import EARTH, Found, find
from lc_assets.products.collection.update import fetch, folder_of
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.layout import Store
from lc_assets.store.paths import StorePath

_TITLES = {c.name.replace(" ", ""): c.title for c in ALL_CLASSES}
_TOP = 3

EVERYWHERE = Query(bbox=EARTH)
"""What to look for where nothing limits it."""


def show_done(settings: Settings, query: Query, *, ids: bool) -> None:
    """A table of the maps that a search finds, or their scenes' ids.

    Raises:
        LandCoverError: what reads the index is not installed.
        StoreError: there is no index, or it cannot be read.
    """
    check_tools()
    store = Store.at(settings.store)
    try:
        with scratch(store) as work:
            index, _ = fetch(store, work)
            if index is None:
                raise no_collection(store)
            found = find(index, query)
    except OSError as error:
        raise StoreError(
            f"the collection in {folder_of(store)} cannot be read ({error.strerror or error})",
            remedy="see that the store can be reached, then run it again",
        ) from None
    for one in found:
        click.echo(one.scene if ids else _row(store, one))
    models = Counter(str(one.model or "?") for one in found)
    said = ", ".join(f"{count} by {printable(model)}" for model, count in models.most_common())
    click.echo(f"{len(found)} maps{': ' if said else ''}{said}", err=True)


def map_of(store: Store, found: Found) -> StorePath:
    """Where a class map lies."""
    folder = store.scene(found.scene)
    return folder.folder / found.map.rsplit("/", 1)[-1] if isinstance(found.map, str) else folder.classified


def _row(store: Store, found: Found) -> str:
    shares = ", ".join(f"{_TITLES.get(name, name)} {share:.0f} %" for name, share in list(found.shares.items())[:_TOP])
    cells = [
        found.scene,
        found.datetime[:19],
        f"{found.tile or '?':<5}",
        f"{found.cloud:5.1f} % cloud" if isinstance(found.cloud, (int, float)) else "    ? % cloud",
        str(found.model or "?"),
        shares or "no pixel classified",
        str(map_of(store, found)),
    ]
    return printable("  ".join(cells)).replace("\n", " ")
