"""What a user names a scene by: an item's URL, a bare id, a path to an item's JSON, a folder with a `catalog.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lc_assets.errors import BadReference, LandCoverError, without_query
from lc_assets.sentinel2.item import Scene, checked_id, is_remote, local_path, parse_scene, read_document, unsigned

PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
COLLECTION = "sentinel-2-l2a"
TIMEOUT = (10.0, 30.0)

_STAC_FILES = ("catalog.json", "collection.json")


@dataclass(frozen=True)
class Catalog:
    """Where bare ids are looked up: a STAC API and one of its collections."""

    url: str = PLANETARY_COMPUTER
    collection: str = COLLECTION

    def item_url(self, item_id: str) -> str:
        """The item's own address."""
        return f"{self.url.rstrip('/')}/collections/{quote(self.collection)}/items/{quote(item_id)}"

    def scene(self, item_id: str) -> Scene:
        """Look an id up.

        Raises:
            BadReference: there is no such item, or the API does not answer.
            BadItem: what it answers is no usable item.
        """
        return _from_url(self.item_url(checked_id(item_id)), item_id)


@dataclass(frozen=True)
class Resolved:
    """What became of one item of a reference: a scene, or the error that says why not."""

    reference: str
    scene: Scene | None = None
    error: LandCoverError | None = None


def resolve(reference: str, lookup: Callable[[str], Scene]) -> Iterator[Resolved]:
    """All items that a reference names. One that cannot be used becomes an error beside the others, never an exception.

    Args:
        reference: an item's URL, a path to its JSON, a folder with a `catalog.json` (or that file), or a bare id.
        lookup: finds the scene of a bare id, e.g. `Catalog.scene`.
    """
    shown = without_query(reference)
    try:
        if is_remote(reference):
            yield Resolved(shown, _from_url(reference))
            return
        path = local_path(reference)
        if path.is_dir() or path.name in _STAC_FILES:
            yield from _from_catalog(path / "catalog.json" if path.is_dir() else path, frozenset())
        elif path.is_file() or "/" in reference or "\\" in reference or reference.endswith(".json"):
            yield Resolved(shown, parse_scene(read_document(path), base=path))
        else:
            yield Resolved(shown, lookup(checked_id(reference)))
    except LandCoverError as error:
        yield Resolved(shown, error=error)


def _from_catalog(path: Path, above: frozenset[Path]) -> Iterator[Resolved]:
    """Items of a static catalog and of the catalogs below it, in the order of its links."""
    path = path.resolve()
    document = read_document(path)
    links = document.get("links") if isinstance(document, dict) else None
    if not isinstance(links, list) or document.get("type") not in ("Catalog", "Collection"):
        raise BadReference(f"{path} is no STAC catalog", remedy="name a folder whose catalog.json is one")
    if path in above:
        raise BadReference(f"the catalog {path} contains itself", remedy="mend its child links")
    found = False
    for link in links:
        relation, href = (link.get("rel"), link.get("href")) if isinstance(link, dict) else (None, None)
        if relation not in ("item", "child") or not isinstance(href, str):
            continue
        found = True
        if relation == "item":
            yield _linked_item(href, path)
            continue
        try:
            yield from _from_catalog(path.parent / href, above | {path})
        except LandCoverError as error:
            yield Resolved(href, error=error)
    if not found:
        raise BadReference(f"the catalog {path} has no items", remedy="name a catalog that links to items")


def _linked_item(href: str, catalog: Path) -> Resolved:
    """An item link of a static catalog: an item and nothing else, so that no catalog can lead in circles."""
    try:
        if is_remote(href):
            return Resolved(without_query(href), _from_url(href))
        path = catalog.parent / local_path(href)
        return Resolved(str(path), parse_scene(read_document(path), base=path))
    except LandCoverError as error:
        return Resolved(without_query(href), error=error)


def _from_url(url: str, item_id: str | None = None) -> Scene:
    return parse_scene(_get_json(url, item_id), base=unsigned(url))


def _get_json(url: str, item_id: str | None) -> Any:
    import requests

    shown = unsigned(url)
    try:
        answer = requests.get(url, timeout=TIMEOUT, headers={"Accept": "application/geo+json, application/json"})
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
        raise BadReference(
            f"{shown} is no usable URL ({type(error).__name__})", item=item_id, remedy="check its spelling"
        ) from None
    except requests.RequestException as error:
        raise BadReference(
            f"{shown} cannot be reached ({type(error).__name__})",
            item=item_id,
            remedy=(
                "it is not registered in this store, so it was looked up: check its spelling, the network and "
                "LC_ASSETS_STAC_URL"
                if item_id
                else "check the network and the URL, then run it again"
            ),
            transient=True,
        ) from None
    if answer.status_code == 404:
        raise BadReference(
            f"there is no such item: {shown} answers 404",
            item=item_id,
            remedy="check the id and the collection (LC_ASSETS_COLLECTION); it is the catalog's id, not the product's",
        )
    if answer.status_code != 200:
        raise BadReference(
            f"{shown} answers {answer.status_code}",
            item=item_id,
            remedy="try again later, or check the URL",
            transient=answer.status_code >= 429,
        )
    try:
        return answer.json()
    except ValueError:
        raise BadReference(
            f"{shown} answers with something that is no JSON", item=item_id, remedy="check the URL"
        ) from None
