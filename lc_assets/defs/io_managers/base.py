"""What all IO managers of the project share: one scene per partition, faults told, seconds measured."""

import time
from abc import abstractmethod
from typing import Any

from dagster import ConfigurableIOManager, InputContext, OutputContext, ResourceDependency

from lc_assets.core.progress import logging_to
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.resources import StoreResource
from lc_assets.store.layout import SceneLayout


class SceneIOManager(ConfigurableIOManager):
    """Keeps one value per scene in the scene's folder."""

    store: ResourceDependency[StoreResource]

    @property
    def fetches(self) -> bool:
        """Whether what is written comes over the network, which may do better another time."""
        return False

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Stream the value into the store and report what was written."""
        started = time.perf_counter()
        with raise_as_dagster_failure(again=self.fetches), logging_to(context.log.info):
            report = self.write(self.store.store().scene(context.partition_key), obj)
        context.add_output_metadata({**report, "seconds": round(time.perf_counter() - started, 3)})

    def load_input(self, context: InputContext) -> Any:
        """Open what an earlier asset has written; pixels are not read."""
        with raise_as_dagster_failure():
            return self.read(self.store.store().scene(context.partition_key))

    @abstractmethod
    def write(self, scene: SceneLayout, value: Any) -> dict[str, Any]:
        """Write the value; return what to report as Dagster metadata."""

    @abstractmethod
    def read(self, scene: SceneLayout) -> Any:
        """Open the value."""
