"""Reduce a raster of codes by mode, and build overview levels by mode for the COG driver.

Each level has half the size of the previous one. GDAL's own mode counts a histogram for each pixel; this would take a
third of the time to write a class map. `mode_2x2` finds the most frequent of four codes without counting: it sorts them
and compares neighbours. Among equally frequent codes the lowest one wins, in `mode_2x2` and in `mode_nxn`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.raster.grid import Grid

STRIP_ROWS = 1024


def mode_2x2(codes: np.ndarray) -> np.ndarray:
    """Return the most frequent code in each cell of 2 x 2 pixels.

    Args:
        codes: (rows, columns) uint8; an odd last row or column is repeated, which does not change a mode.

    Returns:
        (ceil(rows / 2), ceil(columns / 2)) uint8.
    """
    rows, columns = codes.shape
    if rows % 2 or columns % 2:
        codes = np.pad(codes, ((0, rows % 2), (0, columns % 2)), mode="edge")
    quarters = [codes[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    # A sorting network of five comparisons.
    for low, high in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        a, b = quarters[low], quarters[high]
        quarters[low], quarters[high] = np.minimum(a, b), np.maximum(a, b)
    first, second, third, fourth = quarters
    differ = first != second
    np.copyto(first, third, where=differ & (third == fourth))
    np.copyto(first, second, where=differ & (second == third))
    return first


def build_mode_overviews(plain: Path, blocksize: int, profile: dict[str, object]) -> tuple[Path, list[Path]]:
    """Build overview levels of a raster until one fits into a block, and a VRT that adds them to the raster.

    Args:
        plain: a one-band raster of codes.
        blocksize: tile width in pixels of the COG that will be made from it.
        profile: options of `rasterio.open` for the level files.

    Returns:
        The VRT, and all files created: the VRT and the level files.
    """
    levels: list[Path] = []
    source = plain
    with rasterio.open(plain) as dataset:
        grid = Grid.of(dataset)
    while max(grid.shape) > blocksize:
        grid = grid.coarsened(2)
        level = plain.with_name(f"{plain.name}.{len(levels)}")
        _halve(source, level, grid, profile)
        levels.append(level)
        source = level
    virtual = plain.with_name(f"{plain.name}.vrt")
    rasterio.shutil.copy(str(plain), str(virtual), driver="VRT")
    listed = "".join(
        f'<Overview><SourceFilename relativeToVRT="1">{escape(level.name)}</SourceFilename>'
        "<SourceBand>1</SourceBand></Overview>"
        for level in levels
    )
    document = virtual.read_text(encoding="utf-8")
    virtual.write_text(document.replace("</VRTRasterBand>", f"{listed}</VRTRasterBand>"), encoding="utf-8")
    return virtual, [virtual, *levels]


def _halve(source: Path, target: Path, grid: Grid, profile: dict[str, object]) -> None:
    shape = {"width": grid.width, "height": grid.height, "transform": grid.transform}
    with rasterio.open(source) as finer, rasterio.open(target, "w", **{**profile, **shape}) as level:
        for window in Grid.of(finer).strips(STRIP_ROWS):
            codes = mode_2x2(finer.read(1, window=window))
            level.write(codes, 1, window=Window(0, window.row_off // 2, codes.shape[1], codes.shape[0]))


def mode_nxn(block: np.ndarray, factor: int) -> np.ndarray:
    """Return the most frequent code in each cell of `factor` x `factor` pixels.

    Args:
        block: (rows, columns) uint8 codes; cells at the right and lower edge may be incomplete.
        factor: cell width in pixels.

    Returns:
        (ceil(rows / factor), ceil(columns / factor)) uint8.
    """
    rows, columns = block.shape
    # Incomplete cells are padded with a code that `most_frequent` does not count.
    padded = np.pad(block, ((0, -rows % factor), (0, -columns % factor)), constant_values=_PADDING)
    cells = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    # Most cells contain a single code, which minimum and maximum detect quickly. Only the other cells are counted.
    lowest, highest = (reduced.reduce(reduced.reduce(cells, axis=1), axis=2) for reduced in (np.minimum, np.maximum))
    mixed = lowest != highest
    samples = cells.transpose(1, 3, 0, 2)[:, :, mixed].reshape(factor * factor, -1)
    lowest[mixed] = most_frequent(samples, (c.code for c in ALL_CLASSES), NO_DATA.code)
    return lowest


_PADDING = 255


def most_frequent(samples: np.ndarray, codes: Iterable[int], default: int) -> np.ndarray:
    """Return the most frequent code of each column of `samples`; of equally frequent codes, the lowest.

    Args:
        samples: (samples, columns) uint8.
        codes: the codes that are counted, in ascending order.
        default: result of a column without a counted sample.

    Returns:
        (columns,) uint8.
    """
    best = np.full(samples.shape[1], default, np.uint8)
    highest = np.zeros(samples.shape[1], np.uint32)
    for code in codes:
        count = (samples == code).sum(axis=0, dtype=np.uint32)
        wins = count > highest
        best[wins], highest[wins] = code, count[wins]
    return best
