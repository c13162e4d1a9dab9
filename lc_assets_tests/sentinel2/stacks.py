"""Stacks of a scene's bands, made from its item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from lc_assets.defs.io_managers.resampled_stack import VirtualStackIOManager
from lc_assets.defs.resources import StoreResource
from lc_assets.sentinel2.bands.raw_bands import fetch_scene
from lc_assets.sentinel2.bands.stack import Stack, StackRecipe
from lc_assets.sentinel2.bands.verify import check_band_files
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.store.layout import Store
from lc_assets.store.paths import gdal_path


def recipe_for(item: Path, store: Path) -> tuple[StackRecipe, Store]:
    scene = parse_scene(read_document(item), base=item)
    folder = Store(store).scene(scene.id).raw_bands
    folder.mkdir(parents=True)
    fetch_scene(scene, folder, folder.with_name("incoming"))
    paths = {path.stem: path for path in folder.glob("*.tif")}
    bands = check_band_files(paths, scene.id)
    return StackRecipe(scene.id, bands, scene.product_level, scene.baseline, scene.offset), Store(store)


def stack_of(item: Path, store: Path, manager: type = VirtualStackIOManager) -> Stack:
    recipe, kept = recipe_for(item, store)
    io = manager(store=StoreResource(root=str(store)))
    io.write(kept.scene(recipe.item), recipe)
    stack: Stack = io.read(kept.scene(recipe.item))
    return stack


def pixels(stack: Stack) -> tuple[np.ndarray, np.ndarray]:
    """The DN of all bands, and where all of them have data."""
    with rasterio.open(gdal_path(stack.path)) as dataset:
        return dataset.read(), dataset.read_masks(1) > 0
