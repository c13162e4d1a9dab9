"""Reference maps as a resource: found for a scene by name, path or URL."""

from dagster import ConfigurableResource, ResourceDependency
from pydantic import Field

from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.settings import REFERENCES
from lc_assets.defs.resources_items import ItemsResource
from lc_assets.products.agreement.references import Reference, find_reference
from lc_assets.sentinel2.item.scene import Scene


class ReferenceResource(ConfigurableResource):
    """Where maps to compare with come from."""

    items: ResourceDependency[ItemsResource]
    names: list[str] = Field(default=list(REFERENCES), description="References to compare with where a run names none.")
    crosswalk: str = Field(default="", description="Crosswalk for references that come without one.")
    backoff: float = Field(default=DEFAULT_POLICY.backoff, description="Seconds before a request is tried again.")

    def scene(self, item: str) -> Scene:
        """The item behind a partition key."""
        return self.items.registry().find(item)

    def find(self, named: str, scene: Scene, crosswalk: str) -> Reference:
        """The reference that a name, path or URL means for a scene."""
        return find_reference(named, scene, self.items.catalog(), crosswalk or None, self.crosswalk or None)

    def retry_policy(self) -> RetryPolicy:
        """Bounds of a request for pixels."""
        return RetryPolicy(read=self.items.timeout, backoff=self.backoff)
