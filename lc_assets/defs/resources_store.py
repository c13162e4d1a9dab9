"""The store as a resource."""

from dagster import ConfigurableResource
from pydantic import Field

from lc_assets.store.layout import Store


class StoreResource(ConfigurableResource):
    """Where everything is written."""

    root: str = Field(description="Where the store is: an absolute path, or a URL (s3://, az://, gs://).")

    def store(self) -> Store:
        """The store itself."""
        return Store.at(self.root)
