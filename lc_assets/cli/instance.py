"""The instance of DAGSTER_HOME, and scenes that are registered in it."""

from __future__ import annotations

import os

import click
from dagster import DagsterInstance

from lc_assets.core.settings import Settings
from lc_assets.operations.dagster_home import ensure_dagster_home
from lc_assets.operations.runs import fail_orphaned_runs, register
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.store.layout import Store


def open_instance(settings: Settings) -> DagsterInstance:
    """The instance of DAGSTER_HOME; runs of dead processes in it are told so."""
    ensure_dagster_home(settings.store)
    # Child processes and the definitions module read the store from the environment.
    os.environ["LC_ASSETS_STORE"] = str(settings.store)
    instance = DagsterInstance.get()
    healed = fail_orphaned_runs(instance)
    if healed:
        click.echo(f"{healed} run(s) of processes that died have been marked as failed", err=True)
    return instance


def register_scenes(settings: Settings, instance: DagsterInstance, scenes: list[Scene]) -> list[str]:
    """Register scenes, in the store and as partitions; the ids that are new."""
    registry = RegisteredItems(Store.at(settings.store), StacCatalogClient.of(settings))
    for scene in scenes:
        registry.register(scene)
    return register(instance, [scene.id for scene in scenes])
