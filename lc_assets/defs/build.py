"""Builds the definitions of the two code locations from the settings.

Tests and other code locations call `build_definitions` with their own settings.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from lc_assets.core.errors import BadModel
from lc_assets.core.settings import Settings
from lc_assets.defs.assets import SCENE_ASSETS, class_raster, model_evaluation
from lc_assets.defs.assets.collection import collection
from lc_assets.defs.assets.reference_agreement import reference_agreement
from lc_assets.defs.assets.season_map import season_map, season_scenes
from lc_assets.defs.io_managers import (
    CatalogIOManager,
    ClassRasterIOManager,
    CogStackIOManager,
    OverviewIOManager,
    RawBandsIOManager,
    ReportIOManager,
    VirtualStackIOManager,
)
from lc_assets.defs.jobs import classify_scenes, compare_scenes
from lc_assets.defs.resources import (
    ChipsResource,
    ItemsResource,
    ModelResource,
    ReferenceResource,
    ScenesResource,
    StoreResource,
    WatchResource,
)
from lc_assets.defs.schedules import collection_every_quarter, update_collection
from lc_assets.defs.season_map_sensor import fuse_season_map, season_maps_again
from lc_assets.defs.sensors import new_sentinel2_items
from lc_assets.inference.loading import read_contract
from lc_assets.products.agreement.crosswalk import read_crosswalk
from lc_assets.products.agreement.references import check_names
from lc_assets.store.layout import Store


def build_definitions(settings: Settings | None = None) -> dg.Definitions:
    """Build the code location of the scenes: six assets, their job, the sensor, the IO managers.

    Args:
        settings: the settings; None reads them from the environment.

    Raises:
        StoreError: the store setting is not a usable path or URL.
        BadModel: the model does not have the window of the settings.
    """
    settings = settings or Settings.from_environment()
    store = _store(settings)
    version = _class_raster_version(settings)
    retry_policy = settings.retry_policy

    def stamped(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(code_version=version) if spec.key == class_raster.key else spec

    stack_io = CogStackIOManager if settings.stack == "cog" else VirtualStackIOManager
    return dg.Definitions(
        assets=[asset.map_asset_specs(stamped) for asset in SCENE_ASSETS],
        jobs=[classify_scenes],
        sensors=[new_sentinel2_items],
        executor=dg.in_process_executor,
        resources={
            "store": store,
            "items": _items(settings, store),
            "model": ModelResource(item=str(settings.model), precision=settings.precision, window=settings.window),
            "watch": WatchResource(file=str(settings.watch)),
            "raw_bands_io": RawBandsIOManager(store=store, timeout=retry_policy.read, backoff=retry_policy.backoff),
            "stack_io": stack_io(store=store),
            "class_raster_io": ClassRasterIOManager(store=store),
            "overview_io": OverviewIOManager(store=store),
            "report_io": ReportIOManager(store=store),
            "catalog_io": CatalogIOManager(store=store),
        },
    )


def build_common_definitions(settings: Settings | None = None) -> dg.Definitions:
    """Build the code location of the whole store: collection, season maps, model evaluation, agreement with reference
    maps.

    It is separate (`lc_assets.common_definitions`), so that "all assets of a partition" in the UI means the six assets
    that a scene needs.

    Args:
        settings: the settings; None reads them from the environment.

    Raises:
        StoreError: the store setting is not a usable path or URL.
        LandCoverError: two references of the settings have one name, or their crosswalk is wrong.
    """
    settings = settings or Settings.from_environment()
    store = _store(settings)
    check_names(settings.references)
    if settings.crosswalk:
        read_crosswalk(Path(settings.crosswalk))
    return dg.Definitions(
        assets=[collection, model_evaluation, reference_agreement, season_scenes, season_map],
        jobs=[update_collection, compare_scenes, fuse_season_map],
        schedules=[collection_every_quarter],
        sensors=[season_maps_again],
        executor=dg.in_process_executor,
        resources={
            "store": store,
            "model": ModelResource(item=str(settings.model)),
            "watch": WatchResource(file=str(settings.watch)),
            "chips": ChipsResource(folder=str(settings.chips)),
            "scenes": ScenesResource(folder=str(settings.scenes or "")),
            "reference": ReferenceResource(
                items=_items(settings, store),
                names=list(settings.references),
                crosswalk=settings.crosswalk,
                backoff=settings.retry_policy.backoff,
            ),
        },
    )


def _store(settings: Settings) -> StoreResource:
    Store.at(settings.store)  # raises StoreError here, and not only in each run
    return StoreResource(root=str(settings.store))


def _items(settings: Settings, store: StoreResource) -> ItemsResource:
    return ItemsResource(
        store=store,
        stac_url=settings.stac_url,
        collection=settings.collection,
        timeout=settings.retry_policy.read,
        backoff=settings.retry_policy.backoff,
    )


def _class_raster_version(settings: Settings) -> str:
    """Code version of class_raster: the version of the code, the fingerprint of the model (weights and contract), and
    the window where it is not what the model has.

    So Dagster marks the maps of another model or window as stale.
    """
    code = class_raster.code_versions_by_key[class_raster.key]
    try:
        contract, _ = read_contract(settings.model)
    except BadModel:
        return f"{code}-no-model"  # a run that uses the model fails with the full message
    window = contract.resolve_window(settings.window)
    usual = window == contract.resolve_window(None)
    return f"{code}-{contract.fingerprint}" + ("" if usual else f"-window{window}")
