"""Write the demo scene: an L2A item like those of the Planetary Computer, its COGs at 10, 20 and 60 m, and a truth
raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio.shutil
from affine import Affine
from rasterio.io import MemoryFile

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import NO_DATA
from lc_assets.demo.colours import paint
from lc_assets.demo.item_json import DEMO_ITEM_ID, TRUTH, write_catalog, write_item
from lc_assets.demo.landscape import make_landscape
from lc_assets.demo.sky import add_clouds, make_sky, scene_classification
from lc_assets.raster.cog import class_cog
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BANDS, PIXEL_SIZE, SCL, SCL_GSD
from lc_assets.sentinel2.radiometry import NODATA_DN, OFFSET_DN

SHAPE = (1380, 1500)
"""Rows and columns at 10 m. They are multiples of 6, so that the 60 m grid fits, but not of the chip size 64."""

_CORNER = (330_000.0, 5_760_000.0)
"""Upper left corner in metres (UTM 32N), on the 60 m grid of tile 32ULC: the Münsterland."""
_CRS = "EPSG:32632"
_NOISE_DN = 6.0
"""Standard deviation of the detector's noise, in DN: a signal-to-noise ratio of about 150 at the reference radiance."""
_BRIGHTEST_DN = 20_000


def write_demo_scene(folder: Path, *, shape: tuple[int, int] = SHAPE, seed: int = 7) -> Path:
    """Write item, bands, SCL, truth and `catalog.json` to a folder. The same arguments give the same bytes.

    Args:
        folder: folder for `catalog.json`; the scene gets its own folder below it.
        shape: rows and columns at 10 m, multiples of 6.
        seed: seed of the landscape.

    Returns:
        Path of the item's JSON.

    Raises:
        LandCoverError: rows or columns are not a multiple of 6.
    """
    step = max(band.factor for band in BANDS)
    if any(n % step or n < step for n in shape):
        raise LandCoverError(
            f"the shape {shape} is not a multiple of {step} px", remedy=f"use multiples of {step}, for example {SHAPE}"
        )
    rng = np.random.default_rng(seed)
    landscape = make_landscape(shape, rng)
    cube = paint(landscape, rng)
    sky = make_sky(shape, rng)
    scl = scene_classification(landscape, cube, sky)
    add_clouds(cube, sky)
    grid = Grid(_CRS, Affine(PIXEL_SIZE, 0, _CORNER[0], 0, -PIXEL_SIZE, _CORNER[1]), shape[1], shape[0])
    target = folder / DEMO_ITEM_ID
    target.mkdir(parents=True, exist_ok=True)
    write_bands(target, grid, cube, sky.outside, scl, rng)
    write_truth(target / f"{TRUTH}.tif", grid, np.where(sky.outside, NO_DATA.code, landscape.classes), DEMO_ITEM_ID)
    path = target / f"{DEMO_ITEM_ID}.json"
    write_item(path, grid, scl)
    write_catalog(folder / "catalog.json", [DEMO_ITEM_ID], "One synthetic Sentinel-2 scene with a known truth")
    return path


def write_bands(
    target: Path, grid: Grid, cube: np.ndarray, outside: np.ndarray, scl: np.ndarray, rng: np.random.Generator
) -> None:
    """Write the bands and SCL as COGs.

    Args:
        target: folder of the scene.
        grid: grid of the 10 m bands.
        cube: (12, rows, columns) DN without offset at 10 m.
        outside: (rows, columns) bool, outside the swath, in whole pixels of 60 m.
        scl: (rows, columns) uint8 at 20 m.
        rng: random number generator, for the noise.
    """
    for band, layer in zip(BANDS, cube, strict=True):
        hidden = outside[:: band.factor, :: band.factor]
        dn = _to_dn(block_mean(layer, band.factor), hidden, rng)
        _write(target / f"{band.name}.tif", dn, grid.coarsened(band.factor))
    _write(target / f"{SCL}.tif", scl, grid.coarsened(SCL_GSD // PIXEL_SIZE), overviews="MODE")


def write_truth(path: Path, grid: Grid, classes: np.ndarray, item: str) -> None:
    """Write the true classes (rows, columns) as a class raster."""
    with class_cog(path, grid, {"ITEM_ID": item}) as dataset:
        dataset.write(classes.astype(np.uint8), 1)


def block_mean(layer: np.ndarray, factor: int) -> np.ndarray:
    """Return the mean over blocks of `factor` x `factor` pixels, (rows / factor, columns / factor)."""
    rows, columns = layer.shape
    return layer.reshape(rows // factor, factor, columns // factor, factor).mean(axis=(1, 3))


def _to_dn(reflectance: np.ndarray, outside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return uint16 DN as in baseline 05.11: with noise and the offset, 0 outside the swath."""
    dn = np.clip(np.rint(reflectance + rng.normal(0, _NOISE_DN, reflectance.shape)), 1, _BRIGHTEST_DN) - OFFSET_DN
    dn[outside] = NODATA_DN
    return dn.astype(np.uint16)


def _write(path: Path, values: np.ndarray, grid: Grid, overviews: str = "AVERAGE") -> None:
    """Write a COG like those of the Planetary Computer: deflate, blocks of 512 px, overviews, no declared nodata."""
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **grid.profile, count=1, dtype=values.dtype) as dataset:
            dataset.write(values, 1)
        options = {"compress": "deflate", "predictor": "YES", "blocksize": 512, "overview_resampling": overviews}
        rasterio.shutil.copy(memory.name, str(path), driver="COG", **options)
