"""Class maps at true places: rasters in their own UTM zones and items with their footprints, for the zoomable map."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.warp import transform

from lc_assets.products.collection.sanitize import CLASS_KEYS
from lc_assets.raster.cog import class_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import mode_nxn
from lc_assets.store.layout import Store
from lc_assets.store.product_layout import ProductLayout


def grid_at(epsg: int, longitude: float, latitude: float, pixels: int, size: float) -> Grid:
    """A grid of `pixels` x `pixels` in a UTM zone, about a position."""
    (x,), (y,) = transform("EPSG:4326", f"EPSG:{epsg}", [longitude], [latitude])
    half = size * pixels / 2
    left, top = round((x - half) / size) * size, round((y + half) / size) * size
    return Grid(f"EPSG:{epsg}", Affine(size, 0, left, 0, -size, top), pixels, pixels)


def footprint(grid: Grid) -> dict[str, Any]:
    """The outline of a grid in degrees, with points between its corners; longitudes may jump by 360."""
    steps = np.linspace(0, 1, 5)
    left, bottom, right, top = grid.bounds
    x = [*(left + steps * (right - left)), *[right] * 5, *(right - steps * (right - left)), *[left] * 5]
    y = [*[top] * 5, *(top - steps * (top - bottom)), *[bottom] * 5, *(bottom + steps * (top - bottom))]
    return {
        "type": "Polygon",
        "coordinates": [[list(p) for p in zip(*transform(grid.crs, "EPSG:4326", x, y), strict=True)]],
    }


def mapped(layout: ProductLayout, grid: Grid, codes: np.ndarray, day: date, tile: str = "", factor: int = 4) -> None:
    """Write class map, overview and item of a scene or season map."""
    Path(str(layout.folder)).mkdir(parents=True)
    for path, raster, pixels in (
        (layout.classified, grid, codes),
        (layout.overview, grid.coarsened(factor), mode_nxn(codes, factor)),
    ):
        with class_cog(Path(str(path)), raster, {}) as dataset:
            dataset.write(pixels, 1)
    counts = np.bincount(codes.ravel(), minlength=len(CLASS_KEYS)).tolist()
    properties = {
        "datetime": f"{day}T10:36:29Z",
        "updated": f"{day}T12:00:00Z",
        "lc:hectares": dict(zip(CLASS_KEYS, map(float, counts), strict=True)),
    }
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"{layout.stem}_classified",
        "geometry": footprint(grid),
        "bbox": [0, 0, 0, 0],
        "properties": {**properties, **({"s2:mgrs_tile": tile} if tile else {})},
        "links": [],
        "assets": {"classified": {"href": f"./{layout.classified.name}"}},
    }
    (layout.folder / f"{layout.stem}_classified.json").write_text(json.dumps(item))


def scene_id(tile: str, day: date) -> str:
    return f"S2B_MSIL2A_{day:%Y%m%d}T103629_R008_T{tile}_{day:%Y%m%d}T140000"


def mapped_scene(root: Path, tile: str, day: date, grid: Grid, codes: np.ndarray) -> str:
    """Write a scene into a store; return its id."""
    name = scene_id(tile, day)
    mapped(Store(root).scene(name), grid, codes, day, tile)
    return name
