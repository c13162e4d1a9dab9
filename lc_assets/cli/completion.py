"""What the shell completes: the names of the scenes and season maps of a store on this machine.

Completion must answer at once and print nothing else, so an object store is not asked, and errors are not shown.
"""

from __future__ import annotations

from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from lc_assets.core.environment import variable
from lc_assets.core.urls import is_url


def complete_scenes(context: click.Context, parameter: click.Parameter, text: str) -> list[str | CompletionItem]:
    """Return the tiles and the ids of scenes that begin with a text; after a tile, its dates."""
    given = context.params.get(str(parameter.name)) or ()
    with suppress(Exception):
        return list(_scenes(_store(context), text, str(given[-1]) if given else ""))
    return []


def complete_references(context: click.Context, parameter: click.Parameter, text: str) -> list[str | CompletionItem]:
    """Return what `complete_scenes` does; if that is nothing, files."""
    return complete_scenes(context, parameter, text) or [CompletionItem(text, type="file")]


def complete_maps(context: click.Context, parameter: click.Parameter, text: str) -> list[str | CompletionItem]:
    """Return the names of season maps that begin with a text."""
    from lc_assets.store.layout import Store

    with suppress(Exception):
        store = Store.at(_store(context))
        return [name for name in store.registered_maps() if name.startswith(text)]
    return []


def complete_scenes_and_maps(
    context: click.Context, parameter: click.Parameter, text: str
) -> list[str | CompletionItem]:
    """Return what `complete_scenes` and `complete_maps` return; after a word, which is a tile, no maps."""
    is_first = not context.params.get(str(parameter.name))
    maps = complete_maps(context, parameter, text) if is_first else []
    return [*maps, *complete_scenes(context, parameter, text)]


def _store(context: click.Context) -> str:
    """The folder of the store.

    Raises:
        ValueError: the store is an object store, which would have to be asked.
    """
    store = str(context.params.get("store") or variable("LC_ASSETS_STORE") or "store")
    if is_url(store):
        raise ValueError(store)
    return store


def _scenes(store: str, text: str, before: str) -> list[str]:
    """Return the names of scenes that complete a text after the word `before`."""
    from lc_assets.sentinel2.scene_ids import scene_label
    from lc_assets.sentinel2.search.scene_names import SceneNames
    from lc_assets.store.layout import Store

    names = SceneNames(Store.at(store))
    labels = [label.split() for item in names.known if (label := scene_label(item)) != item]
    dates = sorted({day for tile, day in labels if tile == before.upper() and day.startswith(text)})
    if dates:
        return dates
    tiles = sorted({tile for tile, _ in labels if tile.startswith(text.upper())})
    ids = [item for item in names.known if item.startswith(text)]
    if tiles or ids:
        return [*tiles, *ids]
    fitting = names.matching(text)
    return fitting if len(fitting) == 1 else []
