"""Builds the definitions of the code location from the settings.

Tests and other code locations call `build_definitions` with their own settings.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from lc_assets.core.errors import BadModel
from lc_assets.core.memory import share_one_heap
from lc_assets.core.settings import Settings
from lc_assets.defs.assets import SCENE_ASSETS, class_raster
from lc_assets.defs.assets.collection import collection
from lc_assets.defs.assets.model_evaluation import model_evaluation
from lc_assets.defs.assets.reference_agreement import reference_agreement
from lc_assets.defs.assets.season_map import season_map, season_scenes
from lc_assets.defs.io_managers.catalog import CatalogIOManager
from lc_assets.defs.io_managers.class_raster import ClassRasterIOManager
from lc_assets.defs.io_managers.overview import OverviewIOManager
from lc_assets.defs.io_managers.raw_bands import RawBandsIOManager
from lc_assets.defs.io_managers.report import ReportIOManager
from lc_assets.defs.io_managers.resampled_stack import CogStackIOManager, VirtualStackIOManager
from lc_assets.defs.jobs import classify_scenes, compare_scenes
from lc_assets.defs.resources import (
    EvaluationResource,
    ItemsResource,
    ModelResource,
    ReferenceResource,
    StoreResource,
    WatchResource,
)
from lc_assets.defs.schedules import update_collection, update_collection_every_15_minutes
from lc_assets.defs.season_map_sensor import fuse_season_map, season_maps_again
from lc_assets.defs.sensors import build_sensor
from lc_assets.inference.loading import read_contract
from lc_assets.operations.watch import WatchConfig
from lc_assets.products.agreement.crosswalk import read_crosswalk
from lc_assets.products.agreement.references import check_names
from lc_assets.products.collection.extras import missing_tool
from lc_assets.store.layout import Store


def build_definitions(settings: Settings | None = None) -> dg.Definitions:
    """Build the code location: all assets, jobs, schedules and sensors, the IO managers and the other resources.

    The collection, its job and its schedule are left out if the packages that they need are not installed. From the
    call on, the threads of the process share one heap, because its runs compute pixels on many threads.

    Args:
        settings: the settings; None reads them from the environment.

    Raises:
        StoreError: the store setting is not a usable path or URL.
        BadModel: the model does not have the window of the settings.
        LandCoverError: two references of the settings have one name, or their crosswalk is wrong.
    """
    share_one_heap()
    settings = settings or Settings.from_environment()
    Store.at(settings.store)  # raises StoreError here, and not only in each run
    store = StoreResource(root=str(settings.store), area=str(settings.area or ""), files_url=settings.files_url)
    items = ItemsResource(
        store=store,
        stac_url=settings.stac_url,
        collection=settings.collection,
        timeout=settings.retry_policy.read,
        backoff=settings.retry_policy.backoff,
    )
    version = _class_raster_version(settings)
    check_names(settings.references)
    if settings.crosswalk:
        read_crosswalk(Path(settings.crosswalk))

    def stamped(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(code_version=version) if spec.key == class_raster.key else spec

    stack_io = CogStackIOManager if settings.stack == "cog" else VirtualStackIOManager
    indexed = not missing_tool()
    return dg.Definitions(
        assets=[
            *(asset.map_asset_specs(stamped) for asset in SCENE_ASSETS),
            reference_agreement,
            model_evaluation,
            season_scenes,
            season_map,
            *([collection] if indexed else []),
        ],
        jobs=[classify_scenes, compare_scenes, fuse_season_map, *([update_collection] if indexed else [])],
        schedules=[update_collection_every_15_minutes] if indexed else [],
        sensors=[build_sensor(WatchConfig.minutes_of(settings.watch)), season_maps_again],
        executor=dg.in_process_executor,
        resources={
            "store": store,
            "items": items,
            "model": ModelResource(item=str(settings.model), precision=settings.precision, window=settings.window),
            "evaluation": EvaluationResource(chips=str(settings.chips or ""), scenes=str(settings.scenes or "")),
            "reference": ReferenceResource(items=items, names=list(settings.references), crosswalk=settings.crosswalk),
            "watch": WatchResource(file=str(settings.watch)),
            "raw_bands_io": RawBandsIOManager(store=store, items=items),
            "stack_io": stack_io(store=store),
            "class_raster_io": ClassRasterIOManager(store=store),
            "overview_io": OverviewIOManager(store=store),
            "report_io": ReportIOManager(store=store),
            "catalog_io": CatalogIOManager(store=store),
        },
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
