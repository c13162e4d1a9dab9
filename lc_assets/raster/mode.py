"""Overview levels of a class raster by mode, each halved from the one before, for the COG driver to take over.

GDAL's own mode counts a histogram for every pixel and takes a third of the time of writing a class map. The most
frequent of four codes is found without counting: sort them, and look which neighbours are equal. Among equally frequent
codes the lowest wins, as in `lc_assets.products.overview.modal`.
"""

from __future__ import annotations

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
    """Halve a raster: the most frequent code of each 2 x 2 pixels.

    Args:
        codes: (rows, columns) uint8; an odd last row or column counts twice, which changes no mode.

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
    apart = first != second
    np.copyto(first, third, where=apart & (third == fourth))
    np.copyto(first, second, where=apart & (second == third))
    return first


def with_levels(plain: Path, blocksize: int, profile: dict[str, object]) -> tuple[Path, list[Path]]:
    """A virtual raster that is `plain` with overview levels, until one fits into a block; and all files made for it.

    Args:
        plain: a one-band raster of codes.
        blocksize: of the COG that will be made of it.
        profile: how the levels are written, as for `rasterio.open`.
    """
    made: list[Path] = []
    source = plain
    with rasterio.open(plain) as dataset:
        grid = Grid.of(dataset)
    while max(grid.shape) > blocksize:
        grid = grid.coarsened(2)
        level = plain.with_name(f"{plain.name}.{len(made)}")
        _halve(source, level, grid, profile)
        made.append(level)
        source = level
    virtual = plain.with_name(f"{plain.name}.vrt")
    rasterio.shutil.copy(str(plain), str(virtual), driver="VRT")
    listed = "".join(
        f'<Overview><SourceFilename relativeToVRT="1">{escape(level.name)}</SourceFilename>'
        "<SourceBand>1</SourceBand></Overview>"
        for level in made
    )
    document = virtual.read_text(encoding="utf-8")
    virtual.write_text(document.replace("</VRTRasterBand>", f"{listed}</VRTRasterBand>"), encoding="utf-8")
    return virtual, [virtual, *made]


def _halve(source: Path, target: Path, grid: Grid, profile: dict[str, object]) -> None:
    shape = {"width": grid.width, "height": grid.height, "transform": grid.transform}
    with rasterio.open(source) as finer, rasterio.open(target, "w", **{**profile, **shape}) as level:
        for window in Grid.of(finer).strips(STRIP_ROWS):
            codes = mode_2x2(finer.read(1, window=window))
            level.write(codes, 1, window=Window(0, window.row_off // 2, codes.shape[1], codes.shape[0]))


def mode_nxn(block: np.ndarray, factor: int) -> np.ndarray:
    """Most frequent code in each `factor` x `factor` cell.

    Args:
        block: (rows, columns) uint8 codes; cells at the right and lower edge may be incomplete.
        factor: cell width in pixels.

    Returns:
        (ceil(rows / factor), ceil(columns / factor)) uint8.
    """
    rows, columns = block.shape
    # Incomplete cells are filled with a code that is never counted.
    padded = np.pad(block, ((0, -rows % factor), (0, -columns % factor)), constant_values=_FILLED)
    cells = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    # Most cells hold one code only, which is told by two cheap passes; only the others are counted.
    lowest, highest = (reduced.reduce(reduced.reduce(cells, axis=1), axis=2) for reduced in (np.minimum, np.maximum))
    mixed = lowest != highest
    lowest[mixed] = _counted(cells.transpose(0, 2, 1, 3)[mixed])
    return lowest


_FILLED = 255


def _counted(cells: np.ndarray) -> np.ndarray:
    """Most frequent code of each cell (cells, rows, columns); the lowest of equally frequent ones."""
    best = np.full(len(cells), NO_DATA.code, np.uint8)
    most = np.zeros(len(cells), np.uint32)
    for code in (c.code for c in ALL_CLASSES):
        count = (cells == code).sum(axis=(1, 2), dtype=np.uint32)
        wins = count > most
        best[wins], most[wins] = code, count[wins]
    return best
