"""Write Cloud Optimized GeoTIFFs block by block: class map, confidence, probabilities, overview.

GDAL's COG driver cannot write block by block. So blocks are written to a plain tiled GeoTIFF next to the target, and
GDAL then copies it into the layout of a COG. Memory use depends on the size of a strip, not on that of the raster.
Class codes are never interpolated: overview levels are computed by mode. This is set explicitly, because the driver's
default averages codes, and an average is the code of another class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from lc_assets.core.cpu import cpu_count
from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA, colormap
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import build_mode_overviews

CONFIDENCE_NODATA = 255
PROBABILITY_NODATA = 255
PROBABILITY_SCALE = 0.004
"""Probability per step of the stored numbers: 250 is a probability of 1."""
STRIP_ROWS = 512

_WORK_SUFFIX = ".work"

Writing: TypeAlias = AbstractContextManager[DatasetWriter]


def class_cog(path: Path, grid: Grid, tags: dict[str, str], *, blocksize: int = 512) -> Writing:
    """Yield a dataset for class codes (uint8, 0-10). It becomes a COG with palette, class names and nodata.

    Args:
        path, grid, tags, blocksize: as for `code_cog`.

    Yields:
        The open dataset, one band.
    """
    legend = {c.code: c.name for c in ALL_CLASSES}
    return code_cog(path, grid, tags, "land cover", legend, colormap(), NO_DATA.code, blocksize=blocksize)


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
    """Yield a dataset for codes (uint8). At the end of the context it becomes a COG with a palette and names.

    The names are band tags `CLASS_<code>`, which every GDAL tool prints. Overview levels are computed by mode.

    Args:
        path: target. It is not written atomically, so use a path in a staging folder.
        grid: grid of the raster.
        tags: dataset tags; more can be added while the dataset is open.
        title: description of the band.
        legend: code -> name.
        palette: code -> 8-bit (R, G, B, A).
        nodata: code of pixels without a value.
        blocksize: tile width of the COG in pixels. Levels are added until one fits into a single tile.

    Yields:
        The open dataset, one band.
    """
    with blockwise_cog(path, grid, "uint8", nodata, tags, overviews="MODE", blocksize=blocksize) as dataset:
        dataset.write_colormap(1, palette)
        dataset.set_band_description(1, title)
        dataset.update_tags(1, **{f"CLASS_{code}": name for code, name in legend.items()})
        yield dataset


def confidence_cog(path: Path, grid: Grid, tags: dict[str, str], level: int = 6) -> Writing:
    """Yield a dataset for the probability of the predicted class in percent (uint8, 255 = no data).

    It becomes a COG at the end of the context. Overview levels are computed by averaging. `level` is the level of
    compression, 1 to 9.
    """
    titles = ["confidence in percent"]
    return blockwise_cog(path, grid, "uint8", CONFIDENCE_NODATA, tags, titles, overviews="AVERAGE", level=level)


def number_cog(path: Path, grid: Grid, tags: dict[str, str], title: str, nodata: int | None) -> Writing:
    """Yield a dataset for numbers (uint8), which becomes a COG whose overview levels repeat every second pixel.

    `title` is the description of the band. Compression is light: half of the CPU of the default level, and a file that
    is a sixth larger.
    """
    return blockwise_cog(path, grid, "uint8", nodata, tags, [title], overviews="NEAREST", level=4)


@contextmanager
def probability_cog(path: Path, grid: Grid, tags: dict[str, str]) -> Iterator[DatasetWriter]:
    """Yield a dataset with a band per class for probabilities (uint8, see `PROBABILITY_SCALE`; 255 = no data).

    It becomes a COG at the end of the context. Overview levels repeat every second cell, and compression is light: a
    full tile takes 2 s of CPU, not 7 s as with averages and the default level, and the file is hardly larger.
    """
    titles = [c.name for c in CLASSES]
    form: dict[str, Any] = {"overviews": "NEAREST", "count": len(CLASSES), "interleave": "pixel", "level": 1}
    with blockwise_cog(path, grid, "uint8", PROBABILITY_NODATA, tags, titles, **form) as dataset:
        dataset.scales = [PROBABILITY_SCALE] * len(CLASSES)
        yield dataset


def cog_problems(path: str | Path) -> list[str]:
    """Return rio-cogeo's errors and warnings for a file; the list is empty for a valid COG."""
    from rio_cogeo.cogeo import cog_validate

    valid, errors, warnings = cog_validate(str(path), quiet=True)
    return [] if valid and not warnings else [*errors, *warnings]


def read_blocks(path: str | Path, bands: int | list[int] = 1) -> Iterator[tuple[Window, np.ndarray]]:
    """Yield (window, values) in full-width strips of `STRIP_ROWS` rows, from top to bottom.

    Args:
        path: the raster.
        bands: a band number, which gives (rows, columns) values, or a list of them, which gives (bands, rows,
            columns).
    """
    with rasterio.open(path) as dataset:
        for window in Grid.of(dataset).strips(STRIP_ROWS):
            yield window, dataset.read(bands, window=window)


@contextmanager
def blockwise_cog(
    path: Path,
    grid: Grid,
    dtype: str,
    nodata: int | None,
    tags: dict[str, str],
    titles: Sequence[str] = (),
    *,
    overviews: str,
    blocksize: int = 512,
    quality: int | None = None,
    **options: Any,
) -> Iterator[DatasetWriter]:
    """Yield a dataset to write blocks into. If the context ends without an error, `path` is then a COG of its content.

    Args:
        path: target. It is not written atomically.
        grid: grid of the raster.
        dtype, nodata: data type and nodata value of the bands.
        tags: dataset tags.
        titles: description of each band.
        overviews: resampling method of the overview levels, `MODE`, `AVERAGE` or `NEAREST`.
        blocksize: tile width of the COG in pixels.
        quality: quality of JPEG, in GDAL's numbers; None compresses without loss.
        options: creation options of the plain GeoTIFF, such as `count`; `predictor` (1 or 2) and `level` (of
            compression, 1 to 9) are for the COG.

    Yields:
        The open plain GeoTIFF.
    """
    work = path.with_name(path.name + _WORK_SUFFIX)
    temporary = [work]
    predictor, level = options.pop("predictor", 1), options.pop("level", 6)
    profile = {
        "driver": "GTiff",
        **grid.profile,
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
            for number, title in enumerate(titles, start=1):
                dataset.set_band_description(number, title)
            yield dataset
        source = work
        if overviews == "MODE":
            source, level_files = build_mode_overviews(work, blocksize, profile)
            temporary += level_files
        rasterio.shutil.copy(str(source), str(path), **cog_options(overviews, blocksize, predictor, level, quality))
    finally:
        for file in temporary:
            file.unlink(missing_ok=True)


def cog_options(
    overviews: str, blocksize: int, predictor: int = 1, level: int = 6, quality: int | None = None
) -> dict[str, Any]:
    """Return the creation options of GDAL's COG driver.

    Args:
        overviews: resampling method of the overview levels, `MODE`, `AVERAGE` or `NEAREST`.
        blocksize: tile width in pixels.
        predictor: 2 for horizontal differencing, 1 for none.
        level: level of compression, 1 to 9.
        quality: quality of JPEG; None compresses without loss.
    """
    lossless = {"compress": "deflate", "level": level, "predictor": "YES" if predictor == 2 else "NO"}
    return {
        "driver": "COG",
        **({"compress": "JPEG", "quality": quality} if quality else lossless),
        "blocksize": blocksize,
        "overview_resampling": overviews,
        "bigtiff": "IF_SAFER",
        # With several threads, GDAL 3.x sometimes prints "Bad value 11 for ExtraSamples" for a twelve-band file.
        "num_threads": "1" if predictor == 2 else str(cpu_count()),
    }
