"""Resolve a user's reference to scenes: an item's URL, an id, the name of an ESA product, the path of an item's JSON, a
folder with a `catalog.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lc_assets.core.errors import BadReference, LandCoverError, without_query
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.urls import is_remote
from lc_assets.sentinel2.item.hrefs import local_path
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.sentinel2.product import product_named
from lc_assets.sentinel2.search.catalog import scene_at

_STAC_FILES = ("catalog.json", "collection.json")


@dataclass(frozen=True)
class Resolved:
    """The result for one item of a reference: a scene, or the error that explains why there is none."""

    reference: str
    scene: Scene | None = None
    error: LandCoverError | None = None


def resolve(
    reference: str,
    lookup: Callable[[str], Scene],
    retry_policy: RetryPolicy = DEFAULT_POLICY,
) -> Iterator[Resolved]:
    """Yield a result for each item that a reference names. An item that cannot be used yields an error; none is raised.

    Args:
        reference: an item's URL, the path of its JSON, a folder with a `catalog.json` (or that file), or a name that
            `lookup` knows.
        lookup: returns the scene of an id or of another name, e.g. `RegisteredItems.named`.
        retry_policy: limits of the requests.
    """
    shown = without_query(reference)
    try:
        if is_remote(reference):
            yield Resolved(shown, scene_at(reference, retry_policy))
            return
        product = product_named(reference.rstrip("/\\"))
        reference = reference.rstrip("/\\") if product else reference
        path = local_path(reference)
        product = product or product_named(path.name)
        if product and path.exists() and path.suffix.lower() in (".safe", ".zip"):
            raise BadReference(
                f"{path} is a downloaded product, which has no STAC item",
                remedy=f"name the product's item in the catalog: {product.full_name}",
            )
        if path.is_dir() or path.name in _STAC_FILES:
            yield from _from_catalog(path / "catalog.json" if path.is_dir() else path, frozenset(), retry_policy)
        elif path.is_file() or "/" in reference or "\\" in reference or reference.endswith(".json"):
            yield Resolved(shown, parse_scene(read_document(path), base=path))
        else:
            yield Resolved(shown, lookup(reference))
    except LandCoverError as error:
        yield Resolved(shown, error=error)


def _from_catalog(path: Path, above: frozenset[Path], retry_policy: RetryPolicy) -> Iterator[Resolved]:
    """Yield the items of a static catalog and of the catalogs below it, in the order of its links."""
    path = path.resolve()
    document = read_document(path)
    links = document.get("links") if isinstance(document, dict) else None
    if not isinstance(links, list) or document.get("type") not in ("Catalog", "Collection"):
        raise BadReference(f"{path} is no STAC catalog", remedy="name a folder whose catalog.json is one")
    if path in above:
        raise BadReference(f"the catalog {path} contains itself", remedy="correct its child links")
    found = False
    for link in links:
        relation, href = (link.get("rel"), link.get("href")) if isinstance(link, dict) else (None, None)
        if relation not in ("item", "child") or not isinstance(href, str):
            continue
        found = True
        if relation == "item":
            yield _linked_item(href, path, retry_policy)
            continue
        try:
            yield from _from_catalog(path.parent / href, above | {path}, retry_policy)
        except LandCoverError as error:
            yield Resolved(href, error=error)
    if not found:
        raise BadReference(f"the catalog {path} has no items", remedy="name a catalog that links to items")


def _linked_item(href: str, catalog: Path, retry_policy: RetryPolicy) -> Resolved:
    """Return the item behind an item link. Only an item is read there, so that catalogs cannot form a loop."""
    try:
        if is_remote(href):
            return Resolved(without_query(href), scene_at(href, retry_policy))
        path = catalog.parent / local_path(href)
        return Resolved(str(path), parse_scene(read_document(path), base=path))
    except LandCoverError as error:
        return Resolved(without_query(href), error=error)
