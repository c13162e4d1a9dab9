"""What a command works with: the settings, the store, and Dagster's definitions and instance.

Dagster, numpy and GDAL are imported when a command needs them first.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

import click

from lc_assets.core.environment import set_variable
from lc_assets.core.errors import without_query
from lc_assets.core.wording import quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions

    from lc_assets.core.settings import Settings
    from lc_assets.inference.contract import ModelContract
    from lc_assets.sentinel2.item.scene import Scene
    from lc_assets.sentinel2.search.registry import RegisteredItems
    from lc_assets.store.layout import Store


class Session:
    """The settings of a command, and what is made of them at its first use.

    Args:
        settings: all settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def store(self) -> Store:
        """The store of the settings."""
        from lc_assets.store.layout import Store

        return Store.at(self.settings.store)

    @cached_property
    def definitions(self) -> Definitions:
        """Dagster's definitions of these settings."""
        from lc_assets.defs.build import build_definitions

        return build_definitions(self.settings)

    @cached_property
    def registry(self) -> RegisteredItems:
        """The registered items of the store, which ask the STAC API for unknown ids."""
        from lc_assets.sentinel2.search.catalog import StacCatalogClient
        from lc_assets.sentinel2.search.registry import RegisteredItems

        return RegisteredItems(self.store, StacCatalogClient.of(self.settings))

    def contract(self) -> ModelContract:
        """Read the contract of the model. A command that looks for stale maps calls this first, because without a model
        no map counts as stale.

        Raises:
            BadModel: there is no model, or its contract is not valid.
        """
        from lc_assets.inference.loading import read_contract

        return read_contract(self.settings.model)[0]

    def explain_empty(self) -> str:
        """Say why Dagster's instance has no scene, with the store, and what to do.

        Raises:
            StoreError: the store cannot be read.
        """
        from lc_assets.sentinel2.search.scene_names import SceneNames

        found, store = len(SceneNames(self.store).known), without_query(str(self.settings.store))
        if found:
            remedy = "register them (lc-assets register ID), or set DAGSTER_HOME to the instance that has them"
            return f"the store {store} has {quantity(found, 'scene')}, but this Dagster instance has none -> {remedy}"
        remedy = "name another store (--store, LC_ASSETS_STORE), or classify a scene: lc-assets classify REFERENCE"
        return f"the store {store} has no scene -> {remedy}"

    def open_instance(self) -> DagsterInstance:
        """Open the instance of DAGSTER_HOME, mark its runs of dead processes as failed, and free what they have taken.

        Sets LC_ASSETS_STORE too, from which child processes and `lc_assets.definitions` read the store.

        Raises:
            StoreError: the instance cannot be opened.
        """
        from lc_assets.operations.dagster_home import open_home
        from lc_assets.operations.pools import free_places_of_ended_runs
        from lc_assets.operations.runs import fail_orphaned_runs

        # An interrupt while a connection is closed ends the command as any other. SQLAlchemy also logs a stack trace.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        set_variable("LC_ASSETS_STORE", str(self.settings.store))
        instance = open_home(self.settings.store)
        orphaned = fail_orphaned_runs(instance)
        free_places_of_ended_runs(instance)
        if orphaned:
            click.echo(f"marked as failed: {quantity(orphaned, 'run')} of processes that died", err=True)
        return instance

    def register(self, instance: DagsterInstance, scenes: list[Scene]) -> list[str]:
        """Write the scenes' items into the store, and add their ids as partitions. Returns the ids that are new."""
        from lc_assets.operations.runs import register

        for scene in scenes:
            self.registry.register(scene)
        return register(instance, [scene.id for scene in scenes])


def open_session(store: str | None = None) -> Session:
    """Open a session with the settings of the environment; `store`, if not None, replaces LC_ASSETS_STORE.

    Raises:
        LandCoverError: a variable has a wrong value, or the store has another area than LC_ASSETS_AREA.
    """
    if store is not None:
        set_variable("LC_ASSETS_STORE", store)
    from lc_assets.core.settings import Settings

    session = Session(Settings.from_environment())
    if session.settings.area:
        from lc_assets.sentinel2.search.store_area import area_of

        area_of(session.store, session.settings.area)
    return session
