"""resampled_stack: twelve bands on one 10 m grid."""

import dagster as dg
from pydantic import Field

from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.partitions import scenes
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.bands.stack import KERNELS, StackRecipe


class StackConfig(dg.Config):
    """How the 20 m and 60 m bands are brought to 10 m."""

    kernel: str = Field(
        default="bilinear",
        description=f"Resampling kernel: {', '.join(KERNELS)}. The model's contract names its own.",
    )


@dg.asset(
    partitions_def=scenes,
    io_manager_key="stack_io",
    group_name="source",
    kinds={"gdal", "vrt"},
    code_version="2",
)
def resampled_stack(raw_bands: RawBands, config: StackConfig) -> StackRecipe:
    """What the model looks at: twelve bands as one raster, 10 m, on B02's grid, in the order B01 ... B12.

    The 20 m and 60 m bands are interpolated (bilinear, or as the model's contract says), centre on centre. Reflectance
    is DN * scale + offset, with the offset of the scene's processing baseline.

    By default a virtual raster of a few kB, whose pixels are made when they are read; with LC_ASSETS_STACK=cog a tiled
    COG of the same pixels. In the false-colour picture growing plants are red, water is black.
    """
    with raise_as_dagster_failure():
        scene = raw_bands.scene
        return StackRecipe(
            scene.id, raw_bands.checked(), scene.product_level, scene.baseline, scene.offset, config.kernel
        )
