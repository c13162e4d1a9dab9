"""catalog: the STAC documents of a scene, which describe the products and where they come from."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg

from lc_assets.defs.assets.report import BEFORE
from lc_assets.defs.check_results import stac_check, stac_result
from lc_assets.defs.durations import seconds_of
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.partitions import scenes
from lc_assets.defs.resources import ModelResource, StoreResource
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.overview import Overview
from lc_assets.products.pages.scene_report import Page
from lc_assets.products.stac.item import build_item
from lc_assets.products.stac.provenance import describe_scene
from lc_assets.sentinel2.bands.raw_bands import RawBands


@dg.asset(
    partitions_def=scenes,
    io_manager_key="catalog_io",
    group_name="land_cover",
    kinds={"stac", "json"},
    code_version="3",
    check_specs=[stac_check("catalog")],
)
def catalog(
    context: dg.AssetExecutionContext,
    raw_bands: RawBands,
    class_raster: ClassMap,
    overview: Overview,
    report: Page,
    model: ModelResource,
    store: StoreResource,
) -> Iterator[dg.Output | dg.AssetCheckResult]:
    """A self-contained STAC 1.1 Catalog with one Item that describes and references the products.

    The Item holds classes with their colours, hectares, checksums, lineage, parameters, software versions, the model
    that made the map, and the (unsigned) source item. All links are relative, so the scene's folder can be copied. The
    catalog is written last: a scene with a catalog is complete.
    """
    with raise_as_dagster_failure():
        described = describe_scene(store.store(), raw_bands, class_raster, overview, report.path, model.item)
        seconds = seconds_of(context, (*BEFORE, "report"))
        item = build_item(replace(described, seconds=sum(seconds.values()) if seconds else None))
    yield dg.Output(item)
    yield stac_result(context.partition_key, store.store().scene(context.partition_key))
