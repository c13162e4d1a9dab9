"""Write the demo scene: a Planetary-Computer-shaped L2A item, its COGs at native 10, 20 and 60 m, and a truth
raster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.io import MemoryFile
from rasterio.warp import transform_geom
from scipy import ndimage

from lc_assets.demo.colours import paint
from lc_assets.demo.fields import smooth_noise
from lc_assets.demo.landscape import CODE, make_landscape
from lc_assets.landcover import NO_DATA
from lc_assets.raster.cog import class_cog
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.bands import BANDS, PIXEL_SIZE, SCL, SCL_GSD
from lc_assets.sentinel2.radiometry import OFFSET_DN

DEMO_ITEM_ID = "S2B_MSIL2A_20240621T103629_R008_T32ULC_20240621T140712"
SHAPE = (1380, 1500)
"""Rows and columns at 10 m: multiples of 6, so that the 60 m grid is congruent, and none of 64."""

_CORNER = (318_000.0, 5_586_000.0)
_CRS = "EPSG:32632"
_CLOUD_DN = np.array([6200, 6300, 6400, 6600, 6700, 6800, 6900, 6900, 7000, 5200, 4300, 3300], np.float32)
_BLACK_FILL = 0


@dataclass(frozen=True)
class _Sky:
    """Clouds (0..1) and their shadows (bool) at 10 m, and what lies outside the swath (bool)."""

    cloud: np.ndarray
    shadow: np.ndarray
    outside: np.ndarray


def write_demo_scene(folder: Path, *, shape: tuple[int, int] = SHAPE, seed: int = 7) -> Path:
    """Write item, bands, SCL, truth and `catalog.json` into a folder; the same bytes for the same arguments.

    Args:
        folder: where `catalog.json` goes; the scene lies in a folder of its own below it.
        shape: rows and columns at 10 m, multiples of 6.
        seed: which landscape.

    Returns:
        Path of the item's JSON.
    """
    rng = np.random.default_rng(seed)
    landscape = make_landscape(shape, rng)
    cube = paint(landscape, rng)
    sky = _make_sky(shape, rng)
    cube = np.where(sky.shadow, cube * 0.42, cube)
    cube = cube * (1 - sky.cloud) + _CLOUD_DN[:, None, None] * sky.cloud
    grid = Grid(_CRS, Affine(PIXEL_SIZE, 0, _CORNER[0], 0, -PIXEL_SIZE, _CORNER[1]), shape[1], shape[0])
    target = folder / DEMO_ITEM_ID
    target.mkdir(parents=True, exist_ok=True)
    for band, layer in zip(BANDS, cube, strict=True):
        native = _averaged(layer, band.factor)
        noise = rng.normal(0, 6, native.shape)
        dn = np.clip(np.rint(native + noise), 1, 20_000) - OFFSET_DN
        dn[_averaged(sky.outside.astype(np.float32), band.factor) > 0] = _BLACK_FILL
        _write(target / f"{band.name}.tif", dn.astype(np.uint16), grid.coarsened(band.factor))
    scl = _scene_classification(landscape.classes, landscape.river, sky)
    _write(target / f"{SCL}.tif", scl, grid.coarsened(SCL_GSD // PIXEL_SIZE))
    truth = np.where(sky.outside, NO_DATA.code, landscape.classes).astype(np.uint8)
    with class_cog(target / "truth.tif", grid, {"ITEM_ID": DEMO_ITEM_ID}) as dataset:
        dataset.write(truth, 1)
    item = _item(grid, scl)
    path = target / f"{DEMO_ITEM_ID}.json"
    path.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")
    _write_catalog(folder)
    return path


def _make_sky(shape: tuple[int, int], rng: np.random.Generator) -> _Sky:
    height, width = shape
    row, column = np.mgrid[:height, :width]
    middle = ((row - 0.80 * height) / (0.13 * height)) ** 2 + ((column - 0.20 * width) / (0.11 * width)) ** 2
    puff = smooth_noise(shape, 60, rng) * 0.8 + smooth_noise(shape, 16, rng) * 0.25
    cloud = np.clip((0.75 - middle + 0.55 * puff) * 1.6, 0, 1).astype(np.float32) * 0.97
    # The sun stands in the south-east at this hour: shadows fall to the north-west.
    shadow = ndimage.shift(cloud, (-38, -30), order=0) > 0.35
    # The swath's edge cuts a corner off, in steps of the coarsest pixel so that all bands agree.
    step = max(band.factor for band in BANDS)
    v, u = np.mgrid[: height // step, : width // step] * step
    outside = (u / (0.16 * width) + v / (0.30 * height) < 1).repeat(step, 0).repeat(step, 1)
    return _Sky(cloud, shadow & (cloud < 0.2), outside)


def _averaged(layer: np.ndarray, factor: int) -> np.ndarray:
    """Area mean over `factor` x `factor` pixels: what a coarser detector sees."""
    rows, columns = layer.shape
    return layer.reshape(rows // factor, factor, columns // factor, factor).mean(axis=(1, 3))


def _scene_classification(classes: np.ndarray, river: np.ndarray, sky: _Sky) -> np.ndarray:
    """SCL at 20 m: vegetation, not vegetated, water, clouds, shadow, no data."""
    water = (classes == CODE["SeaLake"]) | (river > 0.5)
    built = np.isin(classes, (CODE["Residential"], CODE["Industrial"]))
    scl = np.where(water, 6, np.where(built, 5, 4))
    scl = np.where(sky.shadow, 3, scl)
    scl = np.where(sky.cloud > 0.15, 10, scl)
    scl = np.where(sky.cloud > 0.35, 8, scl)
    scl = np.where(sky.cloud > 0.6, 9, scl)
    return np.where(sky.outside, 0, scl)[::2, ::2].astype(np.uint8)


def _write(path: Path, values: np.ndarray, grid: Grid) -> None:
    """A COG as the Planetary Computer's: deflate, 512 px blocks, overviews, no declared nodata."""
    profile = {
        "driver": "GTiff",
        "crs": grid.crs,
        "transform": grid.transform,
        "width": grid.width,
        "height": grid.height,
        "count": 1,
        "dtype": str(values.dtype),
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(values, 1)
        options = {"compress": "deflate", "predictor": "YES", "blocksize": 512, "overview_resampling": "NEAREST"}
        rasterio.shutil.copy(memory.name, str(path), driver="COG", **options)


def _item(grid: Grid, scl: np.ndarray) -> dict[str, Any]:
    left, bottom, right, top = grid.bounds
    # The footprint without the corner that the swath does not reach.
    ring = [(left + 0.16 * (right - left), top), (right, top), (right, bottom), (left, bottom)]
    ring += [(left, top - 0.30 * (top - bottom)), ring[0]]
    geometry = transform_geom(grid.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7)
    longitudes, latitudes = zip(*geometry["coordinates"][0], strict=True)
    seen = max(int((scl > 0).sum()), 1)
    shares = {code: round(100 * float((scl == code).sum()) / seen, 6) for code in (3, 4, 5, 6, 8, 9, 10)}
    assets = {band.name: _asset(band.name, band.gsd, grid.coarsened(band.factor), band.common_name) for band in BANDS}
    assets[SCL] = _asset(SCL, SCL_GSD, grid.coarsened(SCL_GSD // PIXEL_SIZE), None)
    assets["truth"] = {
        "href": "./truth.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "title": "What the landscape really is",
        "roles": ["labels"],
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
            "https://stac-extensions.github.io/projection/v1.0.0/schema.json",
        ],
        "id": DEMO_ITEM_ID,
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [[list(point) for point in geometry["coordinates"][0]]]},
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "properties": {
            "datetime": "2024-06-21T10:36:29.024000Z",
            "description": "Synthetic: made by lc_assets, not by a satellite.",
            "platform": "Sentinel-2B",
            "constellation": "Sentinel 2",
            "instruments": ["msi"],
            "proj:epsg": int(grid.crs.split(":")[1]),
            "eo:cloud_cover": round(shares[8] + shares[9] + shares[10], 6),
            "s2:mgrs_tile": "32ULC",
            "s2:product_type": "S2MSI2A",
            "s2:processing_baseline": "05.11",
            "s2:product_uri": "S2B_MSIL2A_20240621T103629_N0511_R008_T32ULC_20240621T140712.SAFE",
            "s2:nodata_pixel_percentage": round(100 * float((scl == 0).mean()), 6),
            "s2:vegetation_percentage": shares[4],
            "s2:not_vegetated_percentage": shares[5],
            "s2:water_percentage": shares[6],
            "s2:cloud_shadow_percentage": shares[3],
        },
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
        ],
        "assets": assets,
    }


def _asset(name: str, gsd: int, grid: Grid, common_name: str | None) -> dict[str, Any]:
    return {
        "href": f"./{name}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "title": f"{name} - {gsd}m",
        "gsd": gsd,
        "roles": ["data"],
        "proj:shape": list(grid.shape),
        "proj:bbox": list(grid.bounds),
        "proj:transform": list(grid.transform)[:6],
        **({"eo:bands": [{"name": name, "common_name": common_name}]} if common_name else {}),
    }


def _write_catalog(folder: Path) -> None:
    catalog = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "lc-assets-demo",
        "description": "One synthetic Sentinel-2 scene with a known truth",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            {"rel": "item", "href": f"./{DEMO_ITEM_ID}/{DEMO_ITEM_ID}.json", "type": "application/geo+json"},
        ],
    }
    (folder / "catalog.json").write_text(json.dumps(catalog, indent=2) + "\n", encoding="utf-8")
