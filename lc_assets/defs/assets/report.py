"""report: one self-contained HTML page of the scene."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from lc_assets.defs.check_results import scene_result
from lc_assets.defs.durations import seconds_of
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.partitions import scenes
from lc_assets.defs.resources import ModelResource, StoreResource
from lc_assets.inference.class_map import ClassMap
from lc_assets.inference.mlm import contract_to_item
from lc_assets.products.overview import Overview
from lc_assets.products.pages.scene_report import MAX_BYTES, ReportFacts, ReportPlan
from lc_assets.products.stac.provenance import model_of_map, now, software
from lc_assets.sentinel2.bands.raw_bands import RawBands

BEFORE = ("raw_bands", "resampled_stack", "class_raster", "overview")
"""The assets whose duration the page shows."""


@dg.asset(
    partitions_def=scenes,
    io_manager_key="report_io",
    group_name="land_cover",
    kinds={"html"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            "small_enough", asset="report", description=f"The page has less than {MAX_BYTES / 1e6:.0f} MB."
        )
    ],
)
def report(
    context: dg.AssetExecutionContext,
    raw_bands: RawBands,
    class_raster: ClassMap,
    overview: Overview,
    model: ModelResource,
    store: StoreResource,
) -> Iterator[dg.Output | dg.AssetCheckResult]:
    """One HTML page of the scene: pictures to swipe (true and false colour, classes, confidence), hectares, facts.

    The page is self-contained: it opens from a file share, without a network. `lc-assets view ID` opens it. The class
    under the pointer is the value of the class map (for scenes larger than 1,536 px, the value of the overview).
    """
    with raise_as_dagster_failure():
        contract, _ = model_of_map(class_raster, Path(model.item), asset="report")
        facts = ReportFacts(
            seconds=seconds_of(context, BEFORE),
            software=software(),
            created=now(),
            contract=contract,
            model_document=contract_to_item(contract),
        )
    yield dg.Output(ReportPlan(raw_bands, class_raster, overview, facts))
    size = store.store().scene(context.partition_key).report.stat().st_size
    yield scene_result(
        context.partition_key,
        "small_enough",
        passed=size < MAX_BYTES,
        warn=True,
        description=f"{size / 1e6:.2f} MB, limit {MAX_BYTES / 1e6:.0f} MB",
        metadata={"bytes": size, "limit": MAX_BYTES},
    )
