"""Where labelled chips lie, as a resource."""

from dagster import ConfigurableResource
from pydantic import Field


class ChipsResource(ConfigurableResource):
    """A folder of labelled chips; see `lc_assets.training.data.splits.read_splits` for what it holds."""

    folder: str = Field(description="Folder of eurosat_ms.tif (or EuroSAT's own classes), l2a_weak.tif and their CSVs.")
