"""`lc-assets search --done`: the maps of this store, by its own collection, without a STAC API and without Dagster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lc_assets.cli.options import echo_warning
from lc_assets.core.errors import printable
from lc_assets.core.wording import quantity
from lc_assets.store.ids import is_id
from lc_assets.store.product_layout import MAP_SUFFIX

if TYPE_CHECKING:
    from lc_assets.products.collection.search import Found
    from lc_assets.sentinel2.search.query import Query
    from lc_assets.store.layout import Store
    from lc_assets.store.paths import StorePath

_TOP = 3
"""Classes shown per map: those with the largest shares."""


def show_done(store: Store, query: Query | None, *, ids: bool) -> None:
    """Print a table of the maps that a search finds, or the ids of their scenes.

    Args:
        store: the store.
        query: what to look for; None finds all maps.
        ids: print ids only.

    Raises:
        LandCoverError: the packages that read the collection are not installed.
        StoreError: there is no collection, or it cannot be read.
    """
    from lc_assets.products.collection.export import no_collection
    from lc_assets.products.collection.extras import check_tools
    from lc_assets.products.collection.parquet import ids as ids_of
    from lc_assets.products.collection.scratch import scratch
    from lc_assets.products.collection.search import EARTH, find
    from lc_assets.products.collection.update import fetch
    from lc_assets.sentinel2.search.query import Query
    from lc_assets.store.paths import reading

    check_tools()
    with reading(store.collection), scratch(store) as folder:
        index, _ = fetch(store, folder)
        if index is None:
            raise no_collection(store)
        found = find(index, query or Query(bbox=EARTH))
        outdated = _has_other_maps(store, ids_of(index))
    for one in found:
        click.echo(one.scene if ids else map_row(store, one))
    models = Counter(str(one.model or "?") for one in found)
    counts = ", ".join(f"{count} by {printable(model)}" for model, count in models.most_common())
    click.echo(f"{quantity(len(found), 'map')}{': ' if counts else ''}{counts}", err=True)
    if outdated:
        echo_warning("the store has maps that its collection does not have yet -> lc-assets collection, then search")


def _has_other_maps(store: Store, listed: Sequence[str]) -> bool:
    """Return whether the store has a complete map of a scene that is not among the listed items."""
    known = {*listed}
    return any(store.scene(s).stac_item.exists() for s in store.folders() if is_id(s) and s + MAP_SUFFIX not in known)


def map_row(store: Store, found: Found) -> str:
    """One line of the table: scene, time, tile, cloud, model, largest classes, path of the map."""
    from lc_assets.core.landcover import ALL_CLASSES

    titles = {c.name.replace(" ", ""): c.title for c in ALL_CLASSES}
    shares = ", ".join(f"{titles.get(name, name)} {share:.0f} %" for name, share in list(found.shares.items())[:_TOP])
    cells = [
        found.scene,
        found.datetime[:19],
        f"{found.tile or '?':<5}",
        f"{found.cloud:5.1f} % cloud" if isinstance(found.cloud, (int, float)) else "    ? % cloud",
        str(found.model or "?"),
        shares or "no pixel classified",
        str(_map_path(store, found)),
    ]
    return printable("  ".join(cells)).replace("\n", " ")


def _map_path(store: Store, found: Found) -> StorePath:
    """Path of the class map; the usual one if the collection does not name it."""
    layout = store.scene(found.scene)
    return layout.folder / found.map.rsplit("/", 1)[-1] if isinstance(found.map, str) else layout.classified
