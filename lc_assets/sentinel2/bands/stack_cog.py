"""Write a stack as one COG of twelve bands, with the pixels of its virtual form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio.shutil

from lc_assets.core.cpu import cpu_count
from lc_assets.raster.cog import STRIP_ROWS, blockwise_cog, cog_options
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.bands.stack import Stack, StackRecipe
from lc_assets.sentinel2.bands.strip_reader import StripReader
from lc_assets.sentinel2.bands.validity import IMPOSSIBLE, NO_SOURCE
from lc_assets.sentinel2.radiometry import MIN_VALID_DN, NODATA_DN, SATURATED_DN, SCALE

_ALL = tuple(range(len(BAND_NAMES)))


def write_stack_cog(path: Path, recipe: StackRecipe, virtual: Stack) -> None:
    """Write the pixels and mask of a virtual stack as a twelve-band COG with the same tags, scale, offset and
    descriptions.

    A pixel without source data is 0 in all bands and masked. A pixel where a band has a DN above `HIGHEST_DN` is
    `SATURATED_DN` in all bands. A dark pixel has DN 1. So a reader of the file can distinguish the same kinds of pixels
    as a reader of the native bands.

    Args:
        path: target file. It is written in place, so give a path in a staging folder.
        recipe: the definition of the stack.
        virtual: the virtual form of the stack.

    Raises:
        BadBand: a native file cannot be decoded.
    """
    with (
        StripReader(virtual, mask_hidden=False, threads=cpu_count()) as reader,
        blockwise_cog(
            path, recipe.grid, "uint16", None, recipe.tags, overviews="AVERAGE", count=len(BAND_NAMES), predictor=2
        ) as dataset,
    ):
        dataset.scales = [SCALE] * len(BAND_NAMES)
        dataset.offsets = [recipe.offset * SCALE] * len(BAND_NAMES)
        for number, name in enumerate(BAND_NAMES, start=1):
            dataset.set_band_description(number, name)
        for window in recipe.grid.strips(STRIP_ROWS):
            top, rows = int(window.row_off), int(window.height)
            strip = reader.read(top, top + rows)
            dn = np.empty((len(BAND_NAMES), rows, recipe.grid.width), np.uint16)
            strip.read_dn(dn, top, 0, _ALL)
            np.maximum(dn, MIN_VALID_DN, out=dn)
            state = strip.state[top - strip.first : top - strip.first + rows]
            dn[:, state == IMPOSSIBLE] = SATURATED_DN
            dn[:, state == NO_SOURCE] = NODATA_DN
            dataset.write(dn, window=window)
            dataset.write_mask(state != NO_SOURCE, window=window)


def write_band_cog(path: Path, source: Path) -> None:
    """Copy a one-band virtual raster of codes (the scene classification) to a COG. Its overviews are made by mode."""
    rasterio.shutil.copy(str(source), str(path), **cog_options("MODE", 512))
