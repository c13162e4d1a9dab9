"""The Keras model as a resource: read by its contract, loaded once per process."""

import threading
from contextlib import suppress
from pathlib import Path

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field

from lc_assets.core.errors import LandCoverError
from lc_assets.core.settings import PRECISIONS
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.engine import Engine
from lc_assets.inference.loading import open_model, read_contract


class ModelResource(ConfigurableResource):
    """A pre-trained Keras model and its contract."""

    item: str = Field(description="Path of the model's MLM item (.json); the .keras file lies where it says.")
    precision: str = Field(default="auto", description=f"Arithmetic of the network: {', '.join(PRECISIONS)}.")

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Begin to load the model while the assets before it are made: importing Keras takes a second or two."""
        # No daemon: an interpreter that ends while Keras' libraries are being imported hangs in them, or crashes.
        threading.Thread(target=self._warm_up, name="load the model", daemon=False).start()

    def contract(self) -> ModelContract:
        """What the model promises, without loading it."""
        return read_contract(Path(self.item))[0]

    def engine(self) -> Engine:
        """The model, loaded against its contract and ready to run."""
        return open_model(Path(self.item), self.precision)

    def _warm_up(self) -> None:
        with suppress(LandCoverError):  # told, with its remedy, when the model is used
            self.engine()
