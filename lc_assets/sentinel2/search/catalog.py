"""Where bare ids are looked up and scenes are searched: a STAC API and one of its collections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.settings import COLLECTION, PLANETARY_COMPUTER, Settings
from lc_assets.remote.stac_api import StacApi
from lc_assets.sentinel2.item.providers import catalog_for_api
from lc_assets.sentinel2.item.scene import Scene, parse_scene, unsigned
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.ids import checked_id


@dataclass(frozen=True)
class StacCatalogClient:
    """Where bare ids are looked up and scenes are searched: a STAC API and one of its collections."""

    url: str = PLANETARY_COMPUTER
    collection: str = COLLECTION
    retry_policy: RetryPolicy = DEFAULT_POLICY

    @classmethod
    def of(cls, settings: Settings) -> StacCatalogClient:
        """The one that the settings name."""
        return cls(settings.stac_url, settings.collection, settings.retry_policy)

    def item_url(self, item_id: str) -> str:
        """The item's own address."""
        return f"{self.url.rstrip('/')}/collections/{quote(self.collection)}/items/{quote(item_id)}"

    def scene(self, item_id: str) -> Scene:
        """Look an id up.

        Raises:
            BadReference: there is no such item, or the API does not answer.
            BadItem: what it answers is no usable item.
        """
        return scene_at(self.item_url(checked_id(item_id)), self.retry_policy, item_id)

    def search(self, query: Query) -> Iterator[list[dict[str, Any]]]:
        """The items of the collection that a query asks for, page by page, none twice.

        The query's limits on tile, cloud and nodata are held against each item here too: some servers ignore what they
        do not know.

        Raises:
            BadReference: see `lc_assets.remote.stac_api.StacApi.search`.
        """
        api, kind = StacApi(self.url, self.retry_policy, min(self.retry_policy.tries, 4)), catalog_for_api(self.url)
        seen: set[str] = set()
        for part in query.parts():
            for page in api.search(self.collection, part.parameters(kind), partial(part.wants, kind=kind)):
                fresh = [item for item in page if item["id"] not in seen]
                seen |= {item["id"] for item in fresh}
                yield fresh

    def parse(self, document: dict[str, Any]) -> Scene:
        """An item that a search has found, as a scene.

        Raises:
            BadReference, BadItem: it cannot be used.
        """
        return parse_scene(document, base=self.item_url(checked_id(document.get("id"))))


def scene_at(url: str, retry_policy: RetryPolicy, item_id: str | None = None) -> Scene:
    """The item at a URL of whatever server; see `lc_assets.remote.stac_api.StacApi.document`."""
    return parse_scene(StacApi(url, retry_policy).document(url, item_id), base=unsigned(url))
