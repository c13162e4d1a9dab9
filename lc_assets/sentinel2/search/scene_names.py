"""Find a scene of a store by what a user calls it.

A name is the id of an item, the name of an ESA product, or some words that only one scene of the store has: a tile
(`32ULC`), a date of acquisition (`2024-06-21`, `2024-06`), a part of the id. Tile and date are those of the id, or of
the registered item if the id is of an unknown form. This module imports nothing that takes
long, because the shell's completion uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise

from lc_assets.core.errors import BadReference
from lc_assets.core.json_values import parse_json
from lc_assets.sentinel2.product import product_named
from lc_assets.sentinel2.scene_ids import id_parts, scene_label
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.paths import reading
from lc_assets.store.season_layout import MapLayout

_MOST_LISTED = 10
"""Scenes that an error message lists."""
SHORTEST_PART = 3
"""Characters of the shortest part of an id that is a name."""
_TILE = re.compile(r"T?(\d{1,2}[A-Z]{3})")
_DATE = re.compile(r"(?:19|20)\d\d(?:-?\d\d(?:-?\d\d)?)?")


class SceneNames:
    """The names of the scenes that a store knows. The store is listed at most once.

    Args:
        store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def known(self) -> list[str]:
        """The sorted ids of all scenes that are registered or have a folder.

        Raises:
            StoreError: the store cannot be read.
        """
        with reading(self._store.root):
            return self._store.known_scenes()

    def matching(self, name: str) -> list[str]:
        """Return the ids of the scenes that a name fits. An id, or the name of a product, fits that scene only.

        Raises:
            StoreError: the store cannot be read.
        """
        if name in self.known:
            return [name]
        product = product_named(name)
        if product:
            return [item for item in product.ids if item in self.known][:1]
        words = name.upper().split()
        return [item for item, label in self._labels.items() if words and all(_fits(w, item, *label) for w in words)]

    @cached_property
    def _labels(self) -> dict[str, tuple[str, str]]:
        """Item id -> its tile and its date; empty texts where neither its id nor its registered item says them."""
        return {item: self._label(item) for item in self.known}

    def _label(self, item: str) -> tuple[str, str]:
        if id_parts(item):
            tile, _, day = scene_label(item).partition(" ")
            return tile, day
        from lc_assets.sentinel2.acquisition import acquisition_of  # takes long to import

        try:
            document = parse_json(self._store.registered(item).read_text(encoding="utf-8"))
            return acquisition_of(document).tile or "", document["properties"]["datetime"][:10]
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return "", ""

    def one(self, name: str) -> str:
        """Return the id of the one scene that a name fits.

        Raises:
            BadReference: the name fits no scene, or several.
            StoreError: the store cannot be read.
        """
        found = self.matching(name)
        if not found:
            raise BadReference(f"no scene in {self._store.root} is {name[:100]!r}", remedy=_elsewhere(name))
        if len(found) > 1:
            more = f" and {len(found) - _MOST_LISTED} more" if found[_MOST_LISTED:] else ""
            raise BadReference(
                f"{name[:100]!r} fits {len(found)} scenes: {', '.join(found[:_MOST_LISTED])}{more}",
                remedy="name more of the one you mean, such as tile and date",
            )
        return found[0]


def scene_or_map(store: Store, name: str) -> SceneLayout | MapLayout:
    """Return the season map of this name, else the one scene that the name fits.

    Raises:
        BadReference: no scene fits, or several.
        StoreError: the store cannot be read.
    """
    with reading(store.root):
        maps, scenes = store.map_names(), SceneNames(store)
    if name in maps:
        return store.map(name)
    near = get_close_matches(name, maps, 1)
    if near and not scenes.matching(name):
        raise BadReference(
            f"no scene or season map in {store.root} is {name[:100]!r}", remedy=f"did you mean {near[0]}?"
        )
    return store.scene(scenes.one(name))


def is_full_name(name: str) -> bool:
    """Return True for the id of an item in a known form, and for the name of a product."""
    return bool(id_parts(name))


def is_short_name(name: str) -> bool:
    """Return True for a tile, a date, or several words. No catalog has an item with such an id."""
    words = name.upper().split()
    return len(words) != 1 or _is_tile(words[0]) or _is_date(words[0])


def join_words(arguments: Iterable[str]) -> list[str]:
    """Return the names in a list of arguments: a tile and a date after one another are one name.

    Raises:
        BadReference: a second date follows a tile and a date. Alone it would mean the scenes of all tiles.
    """
    names: list[str] = []
    for word in arguments:
        last = names[-1] if names else ""
        if (_is_tile(last) and _is_date(word)) or (_is_date(last) and _is_tile(word)):
            names[-1] = f"{last} {word}"
        else:
            names.append(word)
    for before, name in pairwise(names):
        if _is_date(name) and " " in before and _is_tile(before.split()[0]):
            raise BadReference(f"{name} follows {before!r} without a tile", remedy="write the tile before each date")
    return names


def _is_tile(word: str) -> bool:
    return _TILE.fullmatch(word.upper()) is not None


def _is_date(word: str) -> bool:
    return _DATE.fullmatch(word) is not None


def _fits(word: str, item: str, tile: str, day: str) -> bool:
    """Whether a scene has a word in upper case: as its tile, as the beginning of its date, or in its id.

    In an id, a number is found as a whole only: `..._1` is no part of `..._10`. A shorter part than `SHORTEST_PART`
    fits no id: a slip must not name a scene.
    """
    if tile and (match := _TILE.fullmatch(word)):
        return match[1].zfill(5) == tile
    if day and _DATE.fullmatch(word):
        return day.replace("-", "").startswith(word.replace("-", ""))
    if len(word.strip("-_.")) < SHORTEST_PART:
        return False
    part = re.escape(word.replace("-", ""))
    begin = r"(?<!\d)" if word[0].isdigit() else ""
    end = r"(?!\d)" if word[-1].isdigit() else ""
    return re.search(begin + part + end, item.upper().replace("-", "")) is not None


def _elsewhere(name: str) -> str:
    """Return where a user finds the scene of a name that the store does not have."""
    tile = next((match[1] for word in name.upper().split() if (match := _TILE.fullmatch(word))), None)
    if tile:
        return f"see what is there: lc-assets status; find others: lc-assets search --tile {tile.zfill(5)}"
    return "see what is there: lc-assets status; classify another: lc-assets classify REFERENCE"
