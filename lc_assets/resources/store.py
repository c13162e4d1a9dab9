"""The store as a resource."""

from pathlib import Path

from dagster import ConfigurableResource
from pydantic import Field

from lc_assets.store import Store


class StoreResource(ConfigurableResource):
    """Where everything is written."""

    root: str = Field(description="Folder of the store, absolute.")

    def store(self) -> Store:
        """The store itself."""
        return Store(Path(self.root))
