"""The Keras model as a resource: read by its contract, loaded once per process."""

from pathlib import Path

from dagster import ConfigurableResource
from pydantic import Field

from lc_assets.contract import ModelContract
from lc_assets.inference.engine import Engine
from lc_assets.inference.models import open_model, read_contract


class ModelResource(ConfigurableResource):
    """A pre-trained Keras model and its contract."""

    item: str = Field(description="Path of the model's MLM item (.json); the .keras file lies where it says.")

    def contract(self) -> ModelContract:
        """What the model promises, without loading it."""
        return read_contract(Path(self.item))[0]

    def engine(self) -> Engine:
        """The model, loaded against its contract and ready to run."""
        return open_model(Path(self.item))
