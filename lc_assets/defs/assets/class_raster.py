"""class_raster: the land-cover map at 10 m, the confidence of the model, and its probabilities."""

from collections.abc import Iterator

import dagster as dg

from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.core.progress import notify
from lc_assets.defs.check_results import cog_check, cog_result, scene_result
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.partitions import scenes
from lc_assets.defs.resources import ModelResource, StoreResource
from lc_assets.defs.run_config import ClassRasterConfig
from lc_assets.inference.class_map import ClassMap
from lc_assets.inference.windows.classify import Classification
from lc_assets.operations.identity import ensure_same_code_and_model
from lc_assets.sentinel2.bands.scene_part import MOST_EXACT_CHIP, MOST_EXACT_DILATION
from lc_assets.sentinel2.bands.stack import Stack
from lc_assets.sentinel2.radiometry import HIGHEST_DN
from lc_assets.store.layout import Store

MOSTLY_EMPTY = 0.9


@dg.asset(
    partitions_def=scenes,
    io_manager_key="class_raster_io",
    group_name="land_cover",
    kinds={"keras", "cog"},
    code_version="5",
    check_specs=[
        cog_check("class_raster"),
        dg.AssetCheckSpec(
            "only_known_classes", asset="class_raster", blocking=True, description="Every pixel is one of 0 to 10."
        ),
        dg.AssetCheckSpec(
            "possible_values",
            asset="class_raster",
            description=f"No band has a DN above {HIGHEST_DN:,}, which no sensor gives. Such pixels are No Data.",
        ),
        dg.AssetCheckSpec(
            "nodata_share", asset="class_raster", description=f"No Data covers less than {MOSTLY_EMPTY:.0%} of the map."
        ),
    ],
)
def class_raster(
    context: dg.AssetExecutionContext,
    resampled_stack: Stack,
    config: ClassRasterConfig,
    model: ModelResource,
    store: StoreResource,
) -> Iterator[dg.Output | dg.AssetCheckResult]:
    """The land-cover map: a COG with ten classes and No Data at 10 m, and a COG with the confidence in percent.

    A map of positions has a third COG: the probability of each class, at the step of the positions.

    The model answers for positions (each pixel interpolates between the four around it) or, if it has none or if
    `window` is 64, for 64 px windows (each pixel gets the mean of all that contain it). A pixel takes the class with
    the largest probability. It is No Data (10) if a native band has no data or an impossible DN there, if SCL marks the
    ground as hidden, or if too little ground is visible around it.

    Trust the map where the confidence is high. Narrow objects (roads, single houses) become wider or disappear.
    `reference_agreement` compares the map with a reference map. The config has `window`, `stride`, `mask_clouds` and
    `mask_dilation`.
    """
    with raise_as_dagster_failure():
        classification = Classification(
            resampled_stack,
            model.engine(),
            config.stride,
            config.mask_clouds,
            config.strip_pixels,
            mask_dilation=config.mask_dilation,
            window=model.window if config.window is None else config.window,
        )
        classification.engine.check_stack(resampled_stack)
        # The process that executes a run may have other code or settings than the process that queued it.
        ensure_same_code_and_model(
            context.run.tags, classification.engine.contract.fingerprint, context.partition_key, "class_raster"
        )
        chip = classification.engine.contract.chip_size
        for warning in (
            classification.engine.warning,
            _without_classification(resampled_stack, config),
            _narrow_margin(store.store(), chip, config),
        ):
            if warning:
                context.log.warning(warning)
                notify(warning)
        grid = classification.window_grid
        context.log.info(
            "%d %s of %d px, one every %d px, evaluated by %s%s, %s in %s",
            grid.rows * grid.columns,
            "positions" if classification.positions else "windows",
            grid.chip,
            grid.stride,
            classification.evaluator.name,
            f" ({classification.evaluator.why})" if classification.evaluator.why else "",
            classification.engine.backend,
            classification.engine.precision,
        )
    yield dg.Output(classification)
    scene = store.store().scene(context.partition_key)
    classes = ClassMap.open(scene)
    yield cog_result(scene.item, classes.rasters)
    # The counts come from the written file. A pixel with an unknown code would be missing in them.
    known, pixels = int(classes.pixels.sum()), classes.grid.width * classes.grid.height
    present = sum(bool(classes.pixels[c.code]) for c in CLASSES)
    yield scene_result(
        scene.item,
        "only_known_classes",
        passed=known == pixels,
        description=f"{present} of {len(CLASSES)} classes occur; {pixels - known} pixels are of none",
        metadata={"pixels": known, "classes_found": present},
    )
    impossible = int(classes.tags["IMPOSSIBLE_DN"])
    yield scene_result(
        scene.item,
        "possible_values",
        passed=not impossible,
        warn=True,
        description=f"{impossible:,} pixels have a DN above {HIGHEST_DN:,} in a band and are No Data",
        metadata={"pixels": impossible, "limit": HIGHEST_DN},
    )
    share = classes.share(NO_DATA.code)
    if share == 1:
        context.log.warning("no pixel of %s could be classified: the map is all No Data", context.partition_key)
    yield scene_result(
        scene.item,
        "nodata_share",
        passed=share < MOSTLY_EMPTY,
        warn=True,
        description=f"{share:.1%} No Data, limit {MOSTLY_EMPTY:.0%}",
        metadata={"share": share, "limit": MOSTLY_EMPTY},
    )


def _without_classification(stack: Stack, config: ClassRasterConfig) -> str:
    """Warning for a stack without SCL if clouds should be masked; otherwise an empty text."""
    if stack.scl_path or not config.mask_clouds:
        return ""
    return f"{stack.item} has no scene classification (SCL): clouds and shadows are mapped as if they were ground"


def _narrow_margin(store: Store, chip: int, config: ClassRasterConfig) -> str:
    """Warning for a store of an area, if a pixel may depend on more than the margin that it keeps; otherwise empty."""
    exact = chip <= MOST_EXACT_CHIP and config.mask_dilation <= MOST_EXACT_DILATION
    if exact or not store.area.exists():
        return ""
    return (
        "at the border of the store's area the map may differ from that of the whole scene: the margin suffices for "
        f"chips of {MOST_EXACT_CHIP} px and a mask_dilation of {MOST_EXACT_DILATION} m"
    )
