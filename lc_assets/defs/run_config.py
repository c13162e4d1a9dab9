"""The config of a scene's assets. It is checked before the first asset fetches anything.

Dagster's launchpad checks types and lists of words only. The limits of numbers, and what depends on the model, are
checked by `check_run_config` at the start of the run.
"""

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from lc_assets.core.errors import BadModel, LandCoverError
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.windows.grid import DEFAULT_STRIDE, check_stride
from lc_assets.operations.keys import CLASS_RASTER
from lc_assets.products.overview import MAX_SIDE
from lc_assets.sentinel2.band_table import SCL_GSD
from lc_assets.sentinel2.bands.stack import Kernel
from lc_assets.sentinel2.scl import MASK_DILATION, MOST_DILATION


class StackConfig(dg.Config):
    """How the 20 m and 60 m bands are brought to 10 m."""

    kernel: Kernel = Field(default="bilinear", description="Resampling kernel. The model's contract names its own.")


class ClassRasterConfig(dg.Config):
    """Windows and their step, cloud mask, and rows per strip."""

    window: int | None = Field(
        default=None,
        ge=0,
        description="0: positions, if the model has them: the network predicts points from their surroundings, and "
        "pixels are interpolated between points. 64: a pixel gets the mean of all windows that contain it. Unset: "
        "LC_ASSETS_WINDOW, else what the model has.",
    )
    stride: int = Field(
        default=DEFAULT_STRIDE,
        ge=1,
        description="Step between 64 px windows, in pixels; divides 64. 8: every pixel has 64 votes, detail of 80 m; "
        "64: one label per 640 m block. Multiples of the model's own step (4 px for the shipped one) are evaluated "
        "densely and cost about the same; smaller steps are evaluated window by window and cost much more. Positions "
        "have a fixed step and do not use it.",
    )
    mask_clouds: bool = Field(
        default=True,
        description="Set a pixel to No Data where its SCL class is saturated, cloud shadow, cloud or cirrus.",
    )
    mask_dilation: int = Field(
        default=MASK_DILATION,
        ge=0,
        le=MOST_DILATION,
        multiple_of=SCL_GSD,
        description="Metres, in steps of 20, by which cloud and its shadow are grown before they hide pixels, because "
        "haze is around them.",
    )
    strip_pixels: int = Field(
        default=0,
        ge=0,
        description="Rows decoded at a time; 0: chosen by the scene. It changes the memory used, never the map.",
    )


class OverviewConfig(dg.Config):
    """The largest size of the overview."""

    max_side: int = Field(default=MAX_SIDE, ge=1, description="Longest side of the overview in pixels, at most.")


CONFIGS: Mapping[str, type[dg.Config]] = {
    "resampled_stack": StackConfig,
    "class_raster": ClassRasterConfig,
    "overview": OverviewConfig,
}
"""Name of an asset -> class of its config."""


def check_run_config(
    ops: Mapping[str, Any], assets: Collection[str], contract: ModelContract, window: int | None
) -> None:
    """Check the config of a run.

    Args:
        ops: the `ops` part of the run's config.
        assets: names of the assets that the run makes.
        contract: of the model.
        window: window of the map, where the config names none.

    Raises:
        LandCoverError: a value is wrong.
        BadModel: a value does not suit the model.
    """
    configs = {name: _parse(name, ops.get(name, {}).get("config") or {}) for name in CONFIGS if name in assets}
    found = configs.get("class_raster")
    if not isinstance(found, ClassRasterConfig):
        return
    try:
        contract.resolve_window(window if found.window is None else found.window)
        check_stride(found.stride, contract.chip_size)
        stack = configs.get("resampled_stack")
        if isinstance(stack, StackConfig) and stack.kernel != contract.resampling:
            raise BadModel(
                f"the kernel {stack.kernel} was asked for, model {contract.name} expects {contract.resampling}",
                remedy=f"set the kernel of resampled_stack to {contract.resampling}",
            )
    except BadModel as error:
        raise BadModel(error.problem, asset=CLASS_RASTER.to_user_string(), remedy=error.remedy) from None


def _parse(asset: str, values: Mapping[str, Any]) -> dg.Config:
    try:
        return CONFIGS[asset](**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise LandCoverError(
            f"its config {name} is wrong: {first['msg']}", asset=asset, remedy="correct the config"
        ) from None
