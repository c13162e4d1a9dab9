"""Which items have gone from where they came from. A server that does not answer, or a disk that is not there, has not
lost anything: then nothing is said to have gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lc_assets.core.errors import BadReference, LandCoverError
from lc_assets.core.urls import is_remote
from lc_assets.remote.stac_api import StacApi
from lc_assets.sentinel2.item.providers import Provider
from lc_assets.sentinel2.item.scene import local_path, parse_scene, read_document
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.layout import Store

AT_ONCE = 200
"""Ids in one request: less than a page of the public catalogs' answers."""
_MOST_PAGES = 4
_NO_SUCH = "there is no such item"


@dataclass(frozen=True)
class ByIds(Query):
    """A search for items by their ids."""

    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Ids need no place."""

    def parts(self) -> list[Query]:
        """One search."""
        return [self]

    def parameters(self, kind: Provider) -> dict[str, Any]:
        """As pystac-client's `ItemSearch` takes them."""
        return {"ids": list(self.ids)}

    def wants(self, item: dict[str, Any], kind: Provider) -> bool:
        """Whether it was asked for."""
        return item["id"] in self.ids


@dataclass
class Gone:
    """What has become of items.

    Attributes:
        items: those that have gone.
        elsewhere: how many are neither in the catalog nor of it: another catalog's, or local files whose folder cannot
            be seen just now. They count as there.
    """

    items: list[str] = field(default_factory=list)
    elsewhere: int = 0


def gone_items(catalog: StacCatalogClient, store: Store, items: Sequence[str]) -> Gone:
    """Ask the catalog for items, in batches; what it does not give is looked at one by one.

    Raises:
        LandCoverError: the catalog cannot be reached, has no such collection, or does not answer what was asked.
    """
    found = Gone()
    there: set[str] = set()
    missing = []
    for start in range(0, len(items), AT_ONCE):
        batch = items[start : start + AT_ONCE]
        present = _present(catalog, batch)
        there |= present
        missing += [item for item in batch if item not in present]
    if missing and not there:
        _check_collection(catalog)
    for item in missing:
        home = _home(catalog, store, item)
        if home is None or not (_is_not_in(catalog, item) if home == "catalog" else home == "gone"):
            found.elsewhere += home is None
        else:
            found.items.append(item)
    return found


def _present(catalog: StacCatalogClient, items: Sequence[str]) -> set[str]:
    there: set[str] = set()
    for number, page in enumerate(catalog.search(ByIds(ids=tuple(items)))):
        there |= {str(item["id"]) for item in page}
        if len(there) == len(items):
            break
        if number > _MOST_PAGES:
            raise BadReference(
                f"{catalog.url} does not search by ids", remedy="leave --gone out: it cannot be told what has gone"
            )
    return there


def _check_collection(catalog: StacCatalogClient) -> None:
    """One that has none of them may be the wrong one."""
    url = f"{catalog.url.rstrip('/')}/collections/{quote(catalog.collection)}"
    try:
        StacApi(catalog.url, catalog.retry_policy).document(url)
    except BadReference as error:
        raise BadReference(
            f"{catalog.url} has none of these items ({error.problem})",
            remedy="check LC_ASSETS_STAC_URL and LC_ASSETS_COLLECTION; nothing has been removed",
            transient=error.transient,
        ) from None


def _is_not_in(catalog: StacCatalogClient, item: str) -> bool:
    """Asked for by its own address, the catalog says that it has no such item: a search may leave some out."""
    try:
        StacApi(catalog.url, catalog.retry_policy).document(catalog.item_url(item), item)
    except BadReference as error:
        if error.problem.startswith(_NO_SUCH):
            return True
        raise
    return False


def _home(catalog: StacCatalogClient, store: Store, item: str) -> str | None:
    """`catalog` where an item is that catalog's; `gone` or `here` where it was made of local files; None if it is
    somebody else's, or cannot be told."""
    try:
        document = read_document(store.registered(item))
    except BadReference:
        return None if store.registered(item).exists() else "catalog"
    except LandCoverError:
        return None
    try:
        scene = parse_scene(document)
    except LandCoverError:
        return None
    local = [local_path(href) for href in scene.hrefs.values() if not is_remote(href)]
    if local:
        return _local(local)
    own = list(_links(document, "self"))
    mine = document.get("collection") in (None, catalog.collection)
    return "catalog" if mine and (not own or any(href.startswith(catalog.url.rstrip("/")) for href in own)) else None


def _local(files: Sequence[Path]) -> str | None:
    if any(file.exists() for file in files):
        return "here"
    # Where the place around the scene's folder is not there either, a disk may not be mounted.
    return "gone" if all(file.parent.parent.is_dir() for file in files) else None


def _links(document: dict[str, Any], relation: str) -> Iterator[str]:
    links = document.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == relation and isinstance(link.get("href"), str):
            yield link["href"]
