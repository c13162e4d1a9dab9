"""The Dagster instance of DAGSTER_HOME, and how scenes are registered in it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from lc_assets.core.environment import set_variable
from lc_assets.core.wording import quantity

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.core.settings import Settings
    from lc_assets.sentinel2.item.scene import Scene


def open_instance(settings: Settings) -> DagsterInstance:
    """Open the instance of DAGSTER_HOME, mark its runs of dead processes as failed, and free what they have taken.

    Sets LC_ASSETS_STORE too, from which child processes and `lc_assets.definitions` read the store.
    """
    from dagster import DagsterInstance

    from lc_assets.operations.dagster_home import ensure_dagster_home
    from lc_assets.operations.pools import free_places_of_ended_runs
    from lc_assets.operations.runs import fail_orphaned_runs

    # An interrupt while a connection is closed ends the command as any other. SQLAlchemy also logs a stack trace of it.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    ensure_dagster_home(settings.store)
    set_variable("LC_ASSETS_STORE", str(settings.store))
    instance = DagsterInstance.get()
    orphaned = fail_orphaned_runs(instance)
    free_places_of_ended_runs(instance)
    if orphaned:
        click.echo(f"marked as failed: {quantity(orphaned, 'run')} of processes that died", err=True)
    return instance


def register_scenes(settings: Settings, instance: DagsterInstance, scenes: list[Scene]) -> list[str]:
    """Write the scenes' items into the store, and add their ids as partitions. Returns the ids that are new."""
    from lc_assets.operations.runs import register
    from lc_assets.sentinel2.search.catalog import StacCatalogClient
    from lc_assets.sentinel2.search.registry import RegisteredItems
    from lc_assets.store.layout import Store

    registry = RegisteredItems(Store.at(settings.store), StacCatalogClient.of(settings))
    for scene in scenes:
        registry.register(scene)
    return register(instance, [scene.id for scene in scenes])
