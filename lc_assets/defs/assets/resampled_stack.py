"""resampled_stack: twelve bands on one 10 m grid."""

import dagster as dg

from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.partitions import scenes
from lc_assets.defs.run_config import StackConfig
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.bands.stack import StackRecipe


@dg.asset(
    partitions_def=scenes,
    io_manager_key="stack_io",
    group_name="land_cover",
    kinds={"gdal", "vrt"},
    code_version="2",
)
def resampled_stack(raw_bands: RawBands, config: StackConfig) -> StackRecipe:
    """The input of the model: twelve bands as one 10 m raster on the grid of B02, in the order B01 ... B12.

    The 20 m and 60 m bands are interpolated with aligned pixel centres (bilinear, or with the kernel of the model's
    contract). Reflectance is DN * scale + offset, with the offset of the scene's processing baseline.

    By default the stack is a virtual raster of a few kB. Its pixels are computed when they are read. With
    LC_ASSETS_STACK=cog it is a tiled COG of the same pixels. In the false-colour picture, growing plants are red and
    water is black.
    """
    with raise_as_dagster_failure():
        scene = raw_bands.scene
        return StackRecipe(
            scene.id,
            raw_bands.checked(),
            scene.product_level,
            scene.baseline,
            scene.offset,
            config.kernel,
            raw_bands.part,
        )
