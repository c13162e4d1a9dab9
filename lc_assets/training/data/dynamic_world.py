"""Read the land cover that a reference model (Dynamic World) predicts for chips and scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.training.data.chips import CHIP, COVER_NAMES, UNLABELLED, no_cover
from lc_assets.training.data.rasters import open_raster
from lc_assets.training.data.tiles import WATER, Tiles, concat_tiles, no_tiles

LEARNABLE = ("bigearthnet", "ssl4eo", "sen12mscr", "ships")
"""Name prefixes of the scenes whose licence (CDLA-Permissive, CC-BY, MIT) allows training."""
LEARNT_SHARE = 0.6
"""Share of the width of a scene, from the left, that is used for training. The rest is used for calibration."""
_STACKED = 128
"""Side of the chips that are stacked in one file, px."""
_MIN_AGREEMENT = 0.5
"""Share of the predictions of a chip's pixel that must agree, so that the pixel is used."""
_ALL_WATER = 0.97
"""Share of water pixels from which a tile counts as water only. The other pixels may be ships or unknown."""
_STEP = (50, 32)
"""Rows and columns from one tile of a scene to the next, px."""


def read_cover(folder: Path, name: str, count: int) -> np.ndarray:
    """Read `{name}_dw.tif`: ten bands of bytes, tile n in rows 64 n to 64 n + 63.

    The first nine bands are the probabilities of `COVER_NAMES` times 255, the tenth is the share of repeated
    predictions that agree, times 255.

    Returns:
        (count, 64, 64, 9) uint8; 0 where less than half of the predictions agree, or where there is no such file.

    Raises:
        LandCoverError: the file cannot be read, or does not fit the chips.
    """
    path = folder / f"{name}_dw.tif"
    if not path.exists():
        return no_cover(count)
    values = _read(path)
    if values.shape != (CHIP * count, CHIP, len(COVER_NAMES) + 1):
        raise LandCoverError(
            f"{path} has {values.shape[1]} x {values.shape[0]} px and {values.shape[2]} bands, but {count} chips need "
            f"{CHIP} x {CHIP * count} px and {len(COVER_NAMES) + 1} bands",
            remedy="use the raster that belongs to these chips",
        )
    values = values.reshape(count, CHIP, CHIP, -1)
    known = values[..., -1:] >= 255 * _MIN_AGREEMENT
    cover: np.ndarray = np.where(known, values[..., :-1], 0).astype(np.uint8)
    return cover


def read_scenes(folder: Path, *, learnt: bool) -> Tiles:
    """Read tiles of the scenes in a folder whose licence allows training.

    A tile with only water gets the label SeaLake, because its 640 m contain no bank of a river. Others get no label.

    A scene is `{name}_L1C.tif` or `{name}_L2A.tif`, twelve bands in the order of the band table, with
    `{...}_dw.tif`: class of the reference model, its probability times 255, share of predictions that agree times 255.

    Args:
        folder: the folder.
        learnt: True to return the part for training, False to return the rest.

    Raises:
        LandCoverError: a raster cannot be read, or a scene and its `_dw.tif` have different sizes.
    """
    parts = [no_tiles()]
    for path in sorted(folder.glob("*_L??.tif")):
        if not path.stem.startswith(LEARNABLE):
            continue
        dn = _read(path)
        classes, probability, agreement = np.moveaxis(_read(path.with_name(f"{path.stem}_dw.tif")), -1, 0)
        if dn.shape != (*classes.shape, len(BAND_NAMES)):
            raise LandCoverError(
                f"{path} and its _dw.tif have different sizes", remedy="use the _dw.tif that belongs to this scene"
            )
        cover = np.zeros((*classes.shape, len(COVER_NAMES)), np.uint8)
        known = is_certain(probability, agreement) & (classes < len(COVER_NAMES))
        # A certain class gets a probability of at least a half.
        cover[known, classes[known]] = np.maximum(probability[known], 128)
        height, width = classes.shape
        corners = _corners(height, width, learnt)
        cut = [(slice(row, row + CHIP), slice(column, column + CHIP)) for row, column in corners]
        l2a = np.full(len(cut), path.stem.endswith("L2A"))
        if cut:
            of_tiles = np.stack([cover[c] for c in cut])
            wet = (of_tiles[..., WATER] > 0).mean(axis=(1, 2)) >= _ALL_WATER
            labels = np.where(wet, CLASS_NAMES.index("SeaLake"), UNLABELLED)
            parts.append(Tiles(np.stack([dn[c] for c in cut]), labels, of_tiles, l2a))
    return concat_tiles(*parts)


def _corners(height: int, width: int, learnt: bool) -> list[tuple[int, int]]:
    """Return the first row and column of each tile."""
    if is_stacked(height, width):
        rows = (row for row in range(0, height - CHIP + 1, CHIP) if (row // _STACKED % 4 != 0) == learnt)
        return [(row, column) for row in rows for column in range(0, width - CHIP + 1, CHIP)]
    edge = max(CHIP, int(width * LEARNT_SHARE))
    first, stop = (0, edge) if learnt else (edge, width)
    return [
        (row, column)
        for row in range(0, height - CHIP + 1, _STEP[0])
        for column in range(first, stop - CHIP + 1, _STEP[1])
    ]


def is_stacked(height: int, width: int) -> bool:
    """Return True if a raster contains square scenes below each other: it is at least four times as high as wide."""
    return height >= 4 * width


def is_certain(probability: np.ndarray, agreement: np.ndarray) -> np.ndarray:
    """Return True for pixels whose class is certain: its probability is at least 0.35, and all predictions agree.

    Both arguments are shares times 255.
    """
    certain: np.ndarray = (probability >= 90) & (agreement == 255)
    return certain


def _read(path: Path) -> np.ndarray:
    """Return all bands, (rows, columns, bands)."""
    with open_raster(path) as dataset:
        return np.moveaxis(dataset.read(), 0, -1)
