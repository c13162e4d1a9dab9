"""The STAC Catalog of the store: its links lead to the collection, each scene and each season map.

All links are relative. An update of the collection writes it too, after the collection and from the same index; a
season map adds its own link. It is replaced as a whole, and only if it is still the file that was read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lc_assets.core.errors import StoreError
from lc_assets.core.stac import STAC_VERSION, link
from lc_assets.sentinel2.scene_ids import scene_label
from lc_assets.store import paths
from lc_assets.store.layout import COLLECTION_FILE, COLLECTION_FOLDER, MAPS_FOLDER, SCENES_FOLDER, Store

_TRIES = 8
_STATE = "lc:generation"


def publish_catalog(store: Store, scenes: Sequence[str], generation: int) -> None:
    """Write the store's `catalog.json`, unless it belongs to a later version of the index.

    Args:
        generation: number of this version of the index.

    Raises:
        OSError: the store cannot be read or written.
    """
    for _ in range(_TRIES):
        before, version = _read(store)
        if before.get(_STATE, 0) > generation:
            return
        document = _document(store, sorted(scenes, key=lambda scene: (scene_label(scene), scene)), generation)
        if document == before or _replace(store, document, version):
            return


def link_season_maps(store: Store) -> None:
    """Bring the links to season maps up to date. Without a `catalog.json` nothing is written: the collection makes it.

    Raises:
        StoreError: the store cannot be read or written.
    """
    try:
        for _ in range(_TRIES):
            before, version = _read(store)
            if not before:
                return
            children = [each["href"] for each in before["links"] if each["rel"] == "child"]
            scenes = [href.split("/")[2] for href in children if href.startswith(f"./{SCENES_FOLDER}/")]
            document = _document(store, scenes, before.get(_STATE, 0))
            if document == before or _replace(store, document, version):
                return
    except OSError as error:
        raise StoreError(
            f"{store.catalog} cannot be written ({error.strerror or error})",
            remedy="check that the store can be reached and written, then run lc-assets collection",
            transient=True,
        ) from None


def _document(store: Store, scenes: Sequence[str], generation: int) -> dict[str, Any]:
    maps = [name for name in store.map_names() if store.map(name).catalog.exists()]
    children = [
        (f"{COLLECTION_FOLDER}/{COLLECTION_FILE}", "Collection of all scenes"),
        *((f"{SCENES_FOLDER}/{scene}/{store.scene(scene).catalog.name}", _label(scene)) for scene in scenes),
        *((f"{MAPS_FOLDER}/{name}/{store.map(name).catalog.name}", f"Season map {name}") for name in maps),
    ]
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "land-cover",
        "title": "Land cover from Sentinel-2",
        "description": "Land-cover maps of Sentinel-2 scenes, season maps made of several scenes, and the collection "
        "of all scenes.",
        "links": [
            link("root", f"./{store.catalog.name}"),
            *(link("child", f"./{href}", title=title) for href, title in children),
        ],
        _STATE: generation,
    }


def _label(scene: str) -> str:
    label = scene_label(scene)
    return label if label == scene else f"{label} ({scene})"


def _read(store: Store) -> tuple[dict[str, Any], str | None]:
    """Return the document and its ETag; an empty document if there is none, or if it is not one of ours."""
    version = paths.etag(store.catalog)
    try:
        document = json.loads(store.catalog.read_text(encoding="utf-8"))
        return (document if isinstance(document[_STATE], int) else {}), version
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return {}, version


def _replace(store: Store, document: dict[str, Any], version: str | None) -> bool:
    content = (json.dumps(document, indent=2) + "\n").encode()
    return paths.compare_and_swap(store.catalog, content, version) is not None
