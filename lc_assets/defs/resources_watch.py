"""What the sensor watches, as a resource."""

from pathlib import Path

from dagster import ConfigurableResource
from pydantic import Field

from lc_assets.operations.watch import WatchConfig


class WatchResource(ConfigurableResource):
    """A YAML file; see `lc_assets.operations.watch`."""

    file: str = Field(description="Path of the YAML file that says what to watch.")

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)

    def watch(self) -> WatchConfig:
        """What it says now."""
        return WatchConfig.read(self.path)
