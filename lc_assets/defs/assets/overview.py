"""overview: the class map at a lower resolution, with a thumbnail."""

from collections.abc import Iterator

import dagster as dg

from lc_assets.defs.check_results import cog_check, cog_result
from lc_assets.defs.partitions import scenes
from lc_assets.defs.resources import StoreResource
from lc_assets.defs.run_config import OverviewConfig
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.overview import OverviewPlan, choose_factor


@dg.asset(
    partitions_def=scenes,
    io_manager_key="overview_io",
    group_name="land_cover",
    kinds={"cog", "png"},
    code_version="2",
    check_specs=[cog_check("overview")],
)
def overview(
    context: dg.AssetExecutionContext, class_raster: ClassMap, config: OverviewConfig, store: StoreResource
) -> Iterator[dg.Output | dg.AssetCheckResult]:
    """The class map at a lower resolution: each pixel is the most frequent class of the pixels below it.

    It is a COG with its own overviews. Its longest side has at most `max_side` pixels (a full tile has 80 m pixels).
    The mode creates no class that is not in the map, and a few pixels of a class do not fill an empty corner. A PNG
    thumbnail has a legend.
    """
    factor = choose_factor(class_raster.grid, config.max_side)
    made = {key: value for key, value in class_raster.tags.items() if not key.startswith("PIXELS_")}
    yield dg.Output(
        OverviewPlan(
            class_raster.item,
            class_raster.path,
            class_raster.grid,
            class_raster.pixels,
            {**made, "OVERVIEW_FACTOR": str(factor)},
            factor,
        )
    )
    yield cog_result(context.partition_key, [store.store().scene(context.partition_key).overview])
