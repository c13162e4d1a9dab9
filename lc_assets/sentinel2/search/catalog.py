"""Look up ids and search for scenes in one collection of a STAC API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote

from lc_assets.core.progress import notify
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.settings import COLLECTION, PLANETARY_COMPUTER, Settings
from lc_assets.remote.stac_api import PageSize, StacApi
from lc_assets.sentinel2.item.providers import catalog_for_api
from lc_assets.sentinel2.item.scene import Scene, parse_scene, unsigned
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.ids import checked_id


@dataclass(frozen=True)
class StacCatalogClient:
    """Looks up ids and searches for scenes in one collection of a STAC API.

    Attributes:
        url: address of the API.
        collection: id of the collection.
        retry_policy: limits of the requests.
    """

    url: str = PLANETARY_COMPUTER
    collection: str = COLLECTION
    retry_policy: RetryPolicy = DEFAULT_POLICY

    @classmethod
    def of(cls, settings: Settings) -> StacCatalogClient:
        """Return the client for the API and the collection in the settings."""
        return cls(settings.stac_url, settings.collection, settings.retry_policy)

    def item_url(self, item_id: str) -> str:
        """Return the URL of an item."""
        return f"{self.url.rstrip('/')}/collections/{quote(self.collection)}/items/{quote(item_id)}"

    def scene(self, item_id: str) -> Scene:
        """Look up an id and return its scene.

        Raises:
            BadReference: the item does not exist, or the API does not answer.
            BadItem: the item cannot be used.
        """
        return scene_at(self.item_url(checked_id(item_id)), self.retry_policy, item_id)

    def search(self, query: Query, on_incomplete: Callable[[str], None] = notify) -> Iterator[list[dict[str, Any]]]:
        """Yield the items that match a query, page by page, without duplicates.

        The query's limits on tile, date, cloud and nodata are checked for each item here too, because some servers
        ignore filters that they do not know.

        Args:
            query: what is searched.
            on_incomplete: receives a warning if it cannot be decided whether the items are all.

        Raises:
            BadReference: see `lc_assets.remote.stac_api.StacApi.search`.
        """
        api = StacApi(self.url, self.retry_policy, min(self.retry_policy.tries, 4), self._page_size)
        provider = catalog_for_api(self.url)
        seen: set[str] = set()
        for part in query.parts():
            parameters, wants = part.parameters(provider), partial(part.wants, provider=provider)
            for page in api.search(self.collection, parameters, wants, on_incomplete):
                fresh = [item for item in page if item["id"] not in seen]
                seen |= {item["id"] for item in fresh}
                yield fresh

    @cached_property
    def _page_size(self) -> PageSize:
        """Items per page, for all searches of this client: it stays smaller after the API could not send as many."""
        return PageSize()

    def parse(self, document: dict[str, Any]) -> Scene:
        """Return an item from a search as a scene.

        Raises:
            BadReference, BadItem: the item cannot be used.
        """
        return parse_scene(document, base=self.item_url(checked_id(document.get("id"))))


def scene_at(url: str, retry_policy: RetryPolicy, item_id: str | None = None) -> Scene:
    """Return the scene at the URL of an item, on any server; see `lc_assets.remote.stac_api.StacApi.document`."""
    return parse_scene(StacApi(url, retry_policy).document(url, item_id), base=unsigned(url))
