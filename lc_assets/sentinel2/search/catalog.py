"""Look up ids and product names, and search for scenes, in one collection of a STAC API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote

from lc_assets.core.errors import BadReference, NoSuchItem, without_query
from lc_assets.core.progress import notify
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.settings import COLLECTION, PLANETARY_COMPUTER, Settings
from lc_assets.remote.stac_api import PageSize, StacApi
from lc_assets.sentinel2.item.catalog_conventions import catalog_for_api
from lc_assets.sentinel2.item.scene import Scene, parse_scene
from lc_assets.sentinel2.product import Product, product_named, product_of
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.ids import checked_id

_MOST_SUGGESTED = 4
"""Ids that the message about a missing product lists."""


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
        """Look up an id, or the name of an ESA product, and return its scene.

        The id of a product's item differs between catalogs (see `lc_assets.sentinel2.product`). The likely ids are
        tried first; then the product is searched by its tile and day.

        Raises:
            NoSuchItem: the item does not exist. For a product, the message lists other items of its acquisition.
            BadReference: the API does not answer.
            BadItem: the item cannot be used.
        """
        product = product_named(checked_id(item_id))
        own_id = catalog_for_api(self.url).id_of_product(product) if product else None
        if product is None or item_id == own_id:
            return scene_at(self.item_url(item_id), self.retry_policy, item_id)
        likely = () if own_id is None else dict.fromkeys((own_id or product.full_name, product.full_name, item_id))
        for name in likely:
            try:
                return scene_at(self.item_url(name), self.retry_policy, name)
            except NoSuchItem:
                pass
        return self._scene_of(product)

    def _scene_of(self, product: Product) -> Scene:
        """Search for the item of a product; see `scene`."""
        similar = []
        try:
            days = f"{product.day - timedelta(days=1)}/{product.day + timedelta(days=1)}"
            query = Query(tiles=(product.tile,), datetime=days)
        except (ValueError, OverflowError, BadReference):  # an impossible date or tile
            raise self._no_product(product, []) from None
        for page in self.search(query):
            for document in page:
                found = product_of(document)
                if found and product.is_same(found):
                    return self.parse(document)
                if found and product.is_same_acquisition(found):
                    similar.append(str(document["id"]))
        raise self._no_product(product, similar)

    def _no_product(self, product: Product, similar: list[str]) -> NoSuchItem:
        text = f"there is no item of the product {product.full_name} in {self.collection} at {self.url}"
        if similar:
            return NoSuchItem(
                f"{text}; of its acquisition there is {', '.join(similar[:_MOST_SUGGESTED])}",
                remedy=f"use that, or set LC_ASSETS_COLLECTION to one of {product.level} that has this product",
            )
        month = f"{product.datatake[:4]}-{product.datatake[4:6]}"
        return NoSuchItem(
            text,
            remedy="check the name, LC_ASSETS_STAC_URL and LC_ASSETS_COLLECTION, or see what there is: "
            f"lc-assets search --tile {product.tile} --datetime {month}",
        )

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
    return parse_scene(StacApi(url, retry_policy).document(url, item_id), base=without_query(url))
