"""Base class of all IO managers: one scene per partition, errors as Dagster failures, measured seconds."""

import time
from abc import abstractmethod
from typing import Any

from dagster import ConfigurableIOManager, InputContext, OutputContext, ResourceDependency

from lc_assets.core.progress import logging_to
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.resources import StoreResource
from lc_assets.store.layout import SceneLayout


class SceneIOManager(ConfigurableIOManager):
    """Stores one value per scene in the folder of the scene."""

    store: ResourceDependency[StoreResource]

    @property
    def fetches(self) -> bool:
        """Whether `write` reads over the network. If so, a transient error is retried once."""
        return False

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write the value into the store and add metadata, with the duration in seconds, to the output.

        Raises:
            Failure: the value cannot be computed or written.
        """
        started = time.perf_counter()
        with raise_as_dagster_failure(again=self.fetches), logging_to(context.log.info):
            report = self.write(self.store.store().scene(context.partition_key), obj)
        context.add_output_metadata({**report, "seconds": round(time.perf_counter() - started, 3)})

    def load_input(self, context: InputContext) -> Any:
        """Return the stored value of an earlier asset. Its pixels are not read.

        Raises:
            Failure: the value is not in the store.
        """
        with raise_as_dagster_failure():
            return self.read(self.store.store().scene(context.partition_key))

    @abstractmethod
    def write(self, scene: SceneLayout, value: Any) -> dict[str, Any]:
        """Write the value into the scene's folder and return its metadata for Dagster."""

    @abstractmethod
    def read(self, scene: SceneLayout) -> Any:
        """Return the stored value."""
