"""Write a synthetic full-size tile: twelve bands and SCL in the form of the Planetary Computer, and their item.

The tile consists of mirror images of the demo's landscape with noise of `NOISE_DN`. Without this noise the bands
would compress better than real ones (deflate: 1.1 to 1.3 times), and decoding would be too fast. The files have
deflate, blocks of 512 px, overviews, DN 0 in the north-western corner, and a few clouds in SCL.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine

from lc_assets.demo.colours import paint
from lc_assets.demo.item_json import DEMO_ITEM_ID, write_item
from lc_assets.demo.landscape import make_landscape
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BANDS, PIXEL_SIZE, SCL, SCL_GSD
from lc_assets.sentinel2.radiometry import NODATA_DN, OFFSET_DN

MOTIF = 1830
"""Side of the landscape in pixels. A full tile has 6 x 6 of them."""
TILE = 6 * MOTIF
"""10980 px, a full Sentinel-2 tile."""
NOISE_DN = 600.0
CORNER = 0.3
"""Size of the north-western triangle without data, as a share of the sides (4.5 % of the tile)."""
_CRS = "EPSG:32632"
_ORIGIN = (300_000.0, 5_800_020.0)
_CLOUD, _VEGETATION = 9, 4


def write_tile(folder: Path, side: int) -> Path:
    """Write bands, SCL and item of a square tile into a folder, unless they exist.

    Args:
        folder: target folder; it is created if necessary.
        side: pixels at 10 m: a multiple of `MOTIF`, or a smaller multiple of 6.

    Returns:
        Path of the item's JSON.
    """
    path = folder / f"{DEMO_ITEM_ID}.json"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    motif_side = min(side, MOTIF)
    motif = paint(make_landscape((motif_side, motif_side), rng), rng)
    grid = Grid(_CRS, Affine(PIXEL_SIZE, 0, _ORIGIN[0], 0, -PIXEL_SIZE, _ORIGIN[1]), side, side)
    for band, layer in zip(BANDS, motif, strict=True):
        factor = band.factor
        size = motif_side // factor
        small = layer.reshape(size, factor, size, factor).mean(axis=(1, 3)) - OFFSET_DN
        _write_band(folder / f"{band.name}.tif", small.astype(np.float32), grid.coarsened(factor), rng)
    coarse = grid.coarsened(SCL_GSD // PIXEL_SIZE)
    scl = _classification(coarse)
    with _tiled(folder / f"{SCL}.tif", coarse, "uint8") as dataset:
        dataset.write(scl, 1)
    write_item(path, grid, scl)
    return path


def compression(folder: Path) -> float:
    """Return the compression ratio of the band files: bytes of all pixels, with overviews, per byte of file."""
    raw = sum(_bytes(folder / f"{band.name}.tif") for band in BANDS)
    return raw / sum((folder / f"{band.name}.tif").stat().st_size for band in BANDS)


def _bytes(path: Path) -> float:
    with rasterio.open(path) as dataset:
        levels = 1 + sum(1 / factor**2 for factor in dataset.overviews(1))
        return float(dataset.width * dataset.height * 2 * levels)


def _write_band(path: Path, motif: np.ndarray, grid: Grid, rng: np.random.Generator) -> None:
    size = len(motif)
    pair = np.concatenate([motif, motif[:, ::-1]], axis=1)
    across = np.tile(pair, (1, -(-grid.width // (2 * size))))[:, : grid.width]
    with _tiled(path, grid, "uint16") as dataset:
        for number, window in enumerate(grid.strips(size)):
            strip = across[:: -1 if number % 2 else 1] + NOISE_DN * rng.standard_normal(across.shape, np.float32)
            dn = np.clip(np.rint(strip), 1, 20_000).astype(np.uint16)
            dn[_outside(grid, int(window.row_off), size)] = NODATA_DN
            dataset.write(dn, 1, window=window)


def _outside(grid: Grid, top: int, rows: int) -> np.ndarray:
    """Return a bool mask, True in the corner without data. It has whole 60 m pixels, so that all bands agree."""
    step = round(60 / grid.resolution)
    row = np.arange(top, top + rows) // step * step / (CORNER * grid.height)
    column = np.arange(grid.width) // step * step / (CORNER * grid.width)
    return np.asarray(row[:, None] + column[None, :] < 1)


def _classification(grid: Grid) -> np.ndarray:
    scl = np.full(grid.shape, _VEGETATION, np.uint8)
    row, column = np.mgrid[: grid.height, : grid.width].astype(np.float32) / max(grid.shape)
    for y, x, radius in ((0.7, 0.2, 0.05), (0.85, 0.6, 0.03), (0.3, 0.8, 0.02)):
        scl[(row - y) ** 2 + (column - x) ** 2 < radius**2] = _CLOUD
    scl[_outside(grid, 0, grid.height)] = 0
    return scl


class _tiled:  # noqa: N801 - used like a function
    """Context that yields a dataset for strips, and converts it to a COG (512 px blocks, deflate, overviews)."""

    def __init__(self, path: Path, grid: Grid, dtype: str) -> None:
        self._path, self._work = path, path.with_suffix(".work")
        self._dataset = rasterio.open(
            self._work,
            "w",
            driver="GTiff",
            **grid.profile,
            count=1,
            dtype=dtype,
            tiled=True,
            blockxsize=512,
            blockysize=512,
        )

    def __enter__(self) -> rasterio.io.DatasetWriter:
        return self._dataset

    def __exit__(self, *_: object) -> None:
        self._dataset.close()
        rasterio.shutil.copy(
            str(self._work),
            str(self._path),
            driver="COG",
            compress="deflate",
            level=1,
            blocksize=512,
            overview_resampling="nearest",
            num_threads="ALL_CPUS",
        )
        self._work.unlink()
