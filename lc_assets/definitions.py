"""Everything wired together, in one place. Tests and other code locations call `build_definitions` with settings of
their own."""

from __future__ import annotations

import dagster as dg

from lc_assets.assets import ALL_ASSETS
from lc_assets.io_managers import (
    CatalogIOManager,
    ClassRasterIOManager,
    CogStackIOManager,
    OverviewIOManager,
    RawBandsIOManager,
    VirtualStackIOManager,
)
from lc_assets.jobs import classify_scenes
from lc_assets.resources import ItemsResource, ModelResource, StoreResource
from lc_assets.settings import Settings


def build_definitions(settings: Settings | None = None) -> dg.Definitions:
    """The code location for some settings; by default those of the environment."""
    settings = settings or Settings.from_environment()
    store = StoreResource(root=str(settings.store))
    stack_io = CogStackIOManager if settings.stack == "cog" else VirtualStackIOManager
    return dg.Definitions(
        assets=ALL_ASSETS,
        jobs=[classify_scenes],
        executor=dg.in_process_executor,
        resources={
            "store": store,
            "items": ItemsResource(store=store, stac_url=settings.stac_url, collection=settings.collection),
            "model": ModelResource(item=str(settings.model)),
            "raw_bands_io": RawBandsIOManager(store=store),
            "stack_io": stack_io(store=store),
            "class_raster_io": ClassRasterIOManager(store=store),
            "overview_io": OverviewIOManager(store=store),
            "catalog_io": CatalogIOManager(store=store),
        },
    )


defs = build_definitions()
