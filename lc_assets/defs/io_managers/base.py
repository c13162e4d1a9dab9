"""Base class of all IO managers: one scene per partition, errors as Dagster failures, measured seconds, data versions.

A data version says what was written. Dagster's own data version is made of the versions of code and inputs only. It
stays the same when the config changes or when a file is replaced, and then the assets downstream would not be stale.
"""

import time
from abc import abstractmethod
from typing import Any, NamedTuple

from dagster import ConfigurableIOManager, DataVersion, InputContext, OutputContext, ResourceDependency

from lc_assets.core.progress import logging_to
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.resources import StoreResource
from lc_assets.store.layout import SceneLayout


class Written(NamedTuple):
    """What an IO manager has written: its metadata for Dagster, and its data version, a SHA-256 digest."""

    metadata: dict[str, Any]
    version: str


class SceneIOManager(ConfigurableIOManager):
    """Stores one value per scene in the folder of the scene."""

    store: ResourceDependency[StoreResource]

    @property
    def fetches(self) -> bool:
        """Whether `write` reads over the network. If so, a transient error is retried once."""
        return False

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write the value into the store. The output gets its data version, and metadata with the duration in seconds.

        Raises:
            Failure: the value cannot be computed or written.
        """
        started = time.perf_counter()
        retry_number = context.step_context.previous_attempt_count if self.fetches else None
        with raise_as_dagster_failure(retry_number=retry_number), logging_to(context.log.info):
            written = self.write(self.store.store().scene(context.partition_key), obj)
        context.step_context.set_data_version(context.asset_key, DataVersion(written.version))
        context.add_output_metadata({**written.metadata, "seconds": round(time.perf_counter() - started, 3)})

    def load_input(self, context: InputContext) -> Any:
        """Return the stored value of an earlier asset. Its pixels are not read.

        Raises:
            Failure: the value is not in the store.
        """
        with raise_as_dagster_failure():
            return self.read(self.store.store().scene(context.partition_key))

    @abstractmethod
    def write(self, scene: SceneLayout, value: Any) -> Written:
        """Write the value into the scene's folder."""

    @abstractmethod
    def read(self, scene: SceneLayout) -> Any:
        """Return the stored value.

        Raises:
            StoreError: it is not in the store, or not complete.
        """
