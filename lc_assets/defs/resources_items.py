"""Where items come from, as a resource: the store's register, then the configured STAC API."""

from dagster import ConfigurableResource, ResourceDependency
from pydantic import Field

from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.settings import COLLECTION, PLANETARY_COMPUTER
from lc_assets.defs.resources_store import StoreResource
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems


class ItemsResource(ConfigurableResource):
    """Looks items up by id."""

    store: ResourceDependency[StoreResource]
    stac_url: str = Field(default=PLANETARY_COMPUTER, description="STAC API for ids that are not registered.")
    collection: str = Field(default=COLLECTION, description="Collection of that API.")
    timeout: float = Field(default=DEFAULT_POLICY.read, description="Seconds between two pieces of the API's answer.")
    backoff: float = Field(default=DEFAULT_POLICY.backoff, description="Seconds before a request is tried again.")

    def catalog(self) -> StacCatalogClient:
        """The API and its collection."""
        return StacCatalogClient(self.stac_url, self.collection, RetryPolicy(read=self.timeout, backoff=self.backoff))

    def quick_catalog(self, collection: str | None = None) -> StacCatalogClient:
        """The same for who may not wait: a tick of a sensor is cut off after a minute."""
        bounds = {"connect": min(self.timeout, 5.0), "read": min(self.timeout, 10.0)}
        retry_policy = RetryPolicy(tries=2, backoff=self.backoff, **bounds)
        return StacCatalogClient(self.stac_url, collection or self.collection, retry_policy)

    def registry(self) -> RegisteredItems:
        """The register."""
        return RegisteredItems(self.store.store(), self.catalog())
