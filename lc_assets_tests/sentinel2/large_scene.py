"""A scene that is large enough for a store of an area to keep a part of it: the small demo scene and its mirror images,
six by six."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from lc_assets.demo.item_json import DEMO_ITEM_ID, write_item
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BAND_NAMES, SCL
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from loopback.file_host import HOST

TIMES = 6
SHAPE = (TIMES * 246, TIMES * 258)
_BLOCK = 128

Place = tuple[int, int, int, int]
"""top, bottom, left, right in 10 m pixels."""


def large_scene(item: Path, folder: Path) -> Path:
    """Write the scene; return the path of its item. Its files have deflated blocks of 128 px."""
    target = folder / DEMO_ITEM_ID
    target.mkdir(parents=True)
    for name in (*BAND_NAMES, SCL):
        with rasterio.open(item.parent / f"{name}.tif") as dataset:
            small, grid = dataset.read(1), Grid.of(dataset)
        rows, columns = small.shape
        values = np.pad(small, ((0, (TIMES - 1) * rows), (0, (TIMES - 1) * columns)), "symmetric")
        whole = Grid(grid.crs, grid.transform, TIMES * columns, TIMES * rows)
        write_blocks(target / f"{name}.tif", values, whole)
        if name == "B02":
            fine = whole
    path = target / f"{DEMO_ITEM_ID}.json"
    write_item(path, fine, values)  # SCL comes last
    return path


def write_blocks(path: Path, values: np.ndarray, grid: Grid) -> None:
    profile = {"driver": "GTiff", "crs": grid.crs, "transform": grid.transform, "count": 1, "dtype": values.dtype}
    profile |= {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "compress": "deflate", "predictor": 2}
    with rasterio.open(path, "w", width=grid.width, height=grid.height, **profile) as dataset:
        dataset.write(values, 1)


def area_file(item: Path, path: Path, place: Place) -> Path:
    """Write a rectangle of a scene as GeoJSON, in the CRS of the scene."""
    with rasterio.open(item.parent / "B02.tif") as dataset:
        transform: Affine = dataset.transform
        crs = dataset.crs.to_string()
    top, bottom, left, right = place
    ring = [transform @ corner for corner in ((left, top), (left, bottom), (right, bottom), (right, top), (left, top))]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    named = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": named, "features": [feature]}))
    return path


def served(item: Path, folder: str = f"https://{HOST}") -> Scene:
    """The scene, with its files on a server."""
    document = read_document(item)
    for name, asset in document["assets"].items():
        asset["href"] = f"{folder}/{name}.tif"
    return parse_scene(document)
