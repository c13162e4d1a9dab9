"""The scenes that a season map is made of: those with a map, each acquisition once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rasterio.warp import transform_bounds

from lc_assets.core.errors import StoreError
from lc_assets.inference.class_map import ClassMap
from lc_assets.raster.polygons import Polygons
from lc_assets.sentinel2.acquisition import is_newer_version
from lc_assets.sentinel2.bands.stack import SCL_COG, SCL_VRT
from lc_assets.store.layout import Store
from lc_assets.store.paths import StorePath, gdal_path, read_json_object


@dataclass(frozen=True)
class MappedScene:
    """A scene with a map of positions.

    Attributes:
        document: JSON of the registered item.
    """

    document: dict[str, Any]
    classes: ClassMap
    probabilities: StorePath

    @property
    def item(self) -> str:
        """Id of the STAC item."""
        return self.classes.item

    @property
    def step(self) -> int:
        """Pixels along the side of a cell of the probabilities."""
        return int(self.classes.tags["STRIDE"])


def open_scenes(store: Store, items: Sequence[str], area: Polygons) -> list[MappedScene]:
    """Open the maps of the scenes that touch an area. Whatever is wrong with other scenes makes no difference.

    Raises:
        StoreError: a scene has no map, its map has no probabilities, or the maps are of different models.
    """
    scenes = []
    for item in items:
        classes = ClassMap.open(store.scene(item))
        if not len(area.touching(transform_bounds(classes.grid.crs, area.crs, *classes.grid.bounds))):
            continue
        if classes.probabilities is None:
            raise StoreError(
                "its map is of windows and has no probabilities, of which a season map is made",
                item=item,
                asset="class_raster",
                remedy="classify it again without --window and LC_ASSETS_WINDOW, with a model that has positions",
            )
        scenes.append(MappedScene(_document(store, item), classes, classes.probabilities))
    for scene in scenes[1:]:
        first = scenes[0]
        if scene.classes.tags.get("MODEL_FINGERPRINT") != first.classes.tags.get("MODEL_FINGERPRINT"):
            raise StoreError(
                f"its map is of model {scene.classes.tags.get('MODEL')}, that of {first.item} of "
                f"{first.classes.tags.get('MODEL')}, or of other weights",
                item=scene.item,
                asset="class_raster",
                remedy="classify the scenes again with one model: `lc-assets stale --backfill`",
            )
    return scenes


def newest_versions(scenes: Sequence[MappedScene]) -> tuple[list[MappedScene], dict[str, str]]:
    """Keep one version of each acquisition, the one that was processed last.

    Returns:
        scenes: those that are kept, in their order.
        replaced: item that is left out -> item that replaces it.
    """
    replaced = {
        old.item: new.item
        for old in scenes
        for new in scenes
        if new is not old and is_newer_version(new.document, old.document)
    }
    return [scene for scene in scenes if scene.item not in replaced], replaced


def scl_raster(store: Store, scene: MappedScene) -> str | None:
    """Return the path, as GDAL opens it, of the SCL raster that hides pixels of a scene; None if its map does this
    already, or if there is none."""
    if scene.classes.tags.get("SCL_MASK") == "yes":
        return None
    stack = store.scene(scene.item).resampled_stack
    return next((gdal_path(stack / name) for name in (SCL_VRT, SCL_COG) if (stack / name).exists()), None)


def _document(store: Store, item: str) -> dict[str, Any]:
    """Return the JSON of a registered item, with a time in its properties."""
    document = read_json_object(store.registered(item)) or {}
    properties = document.get("properties")
    if isinstance(properties, dict) and any(isinstance(properties.get(t), str) for t in ("datetime", "start_datetime")):
        return document
    raise StoreError(
        "its registered item is missing or damaged",
        item=item,
        asset="season_map",
        remedy="register it again: `lc-assets register` and its reference",
    )
