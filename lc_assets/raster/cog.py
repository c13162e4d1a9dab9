"""Write Cloud Optimized GeoTIFFs block by block: the class map, its confidence, the overview.

The COG driver cannot be streamed into, so blocks go into a plain tiled GeoTIFF beside the target, which GDAL then
copies into the final layout. Memory is bounded by a strip, whatever the raster's size. Class codes are never
interpolated: overview levels are made by mode, set explicitly, because the driver's default would average codes into
classes that are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.io import DatasetWriter
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate

from lc_assets.core.cpu import cpu_count
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA, colormap
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import with_levels

CONFIDENCE_NODATA = 255
STRIP_ROWS = 512

_WORK_SUFFIX = ".work"


@contextmanager
def class_cog(path: Path, grid: Grid, tags: dict[str, str], *, blocksize: int = 512) -> Iterator[DatasetWriter]:
    """A dataset to write class codes (uint8, 0-10) into, which becomes a COG with palette, class names and nodata;
    arguments as for `code_cog`."""
    legend = {c.code: c.name for c in ALL_CLASSES}
    with code_cog(path, grid, tags, "land cover", legend, colormap(), NO_DATA.code, blocksize=blocksize) as dataset:
        yield dataset


@contextmanager
def code_cog(
    path: Path,
    grid: Grid,
    tags: dict[str, str],
    title: str,
    legend: dict[int, str],
    palette: dict[int, tuple[int, int, int, int]],
    nodata: int,
    *,
    blocksize: int = 512,
) -> Iterator[DatasetWriter]:
    """A dataset to write codes (uint8) into, which becomes a COG with a palette and names.

    The names are band tags `CLASS_<code>`, which every GDAL tool prints. Overview levels are made by mode.

    Args:
        path: target; written in place, so give a name in a staging folder.
        grid: the raster's grid.
        tags: dataset tags; more can be added while the dataset is open.
        title: of the band.
        legend: code -> name.
        palette: code -> (R, G, B, A).
        nodata: the code of pixels that say nothing.
        blocksize: tile width of the COG in pixels; levels are added until one fits into a tile.
    """
    with blockwise(path, grid, "uint8", nodata, tags, overviews="MODE", blocksize=blocksize) as dataset:
        dataset.write_colormap(1, palette)
        dataset.set_band_description(1, title)
        dataset.update_tags(1, **{f"CLASS_{code}": name for code, name in legend.items()})
        yield dataset


@contextmanager
def confidence_cog(path: Path, grid: Grid, tags: dict[str, str]) -> Iterator[DatasetWriter]:
    """A dataset for the winning class's mean probability in percent (uint8, 255 = no data); levels by averaging."""
    with blockwise(path, grid, "uint8", CONFIDENCE_NODATA, tags, overviews="AVERAGE") as dataset:
        dataset.set_band_description(1, "confidence in percent")
        yield dataset


def cog_problems(path: str | Path) -> list[str]:
    """What keeps a file from being a valid COG, in rio-cogeo's words; empty when it is one."""
    valid, errors, warnings = cog_validate(str(path), quiet=True)
    return [] if valid and not warnings else [*errors, *warnings]


def read_blocks(path: str | Path, rows: int = STRIP_ROWS) -> Iterator[tuple[Window, np.ndarray]]:
    """(window, first band) of a raster in full-width strips."""
    with rasterio.open(path) as dataset:
        for window in Grid.of(dataset).strips(rows):
            yield window, dataset.read(1, window=window)


@contextmanager
def blockwise(
    path: Path,
    grid: Grid,
    dtype: str,
    nodata: int | None,
    tags: dict[str, str],
    *,
    overviews: str,
    blocksize: int = 512,
    **options: Any,
) -> Iterator[DatasetWriter]:
    """A dataset to write blocks into; on leaving without an error, `path` is the COG of it.

    Args:
        path: target; written in place.
        grid: the raster's grid.
        dtype, nodata: of its bands.
        tags: dataset tags.
        overviews: how levels are made, `MODE` or `AVERAGE`.
        blocksize: tile width in pixels.
        options: creation options of the plain GeoTIFF, and `predictor`.
    """
    work = path.with_name(path.name + _WORK_SUFFIX)
    temporary = [work]
    predictor = options.pop("predictor", 1)
    profile = {
        "driver": "GTiff",
        "crs": grid.crs,
        "transform": grid.transform,
        "width": grid.width,
        "height": grid.height,
        "count": 1,
        "dtype": dtype,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "zstd",
        "zstd_level": 1,
        "interleave": "band",
        "bigtiff": "if_safer",
        **options,
    }
    try:
        with rasterio.open(work, "w", **profile) as dataset:
            dataset.update_tags(**tags)
            yield dataset
        source = work
        if overviews == "MODE":
            source, made = with_levels(work, blocksize, profile)
            temporary += made
        rasterio.shutil.copy(str(source), str(path), **cog_options(overviews, blocksize, predictor))
    finally:
        for left in temporary:
            left.unlink(missing_ok=True)


def cog_options(overviews: str, blocksize: int, predictor: int = 1) -> dict[str, Any]:
    """GDAL's options for the COG itself."""
    return {
        "driver": "COG",
        "compress": "deflate",
        "level": 6,
        "predictor": "YES" if predictor == 2 else "NO",
        "blocksize": blocksize,
        "overview_resampling": overviews,
        "bigtiff": "IF_SAFER",
        # GDAL 3.x's compression threads print "Bad value 11 for ExtraSamples" on a twelve-band file, at random.
        "num_threads": "1" if predictor == 2 else str(cpu_count()),
    }
