"""The store's layout: the names of all folders and files.

    <root>/catalog.json               STAC catalog of the store: links to all scenes and season maps
    <root>/area.geojson               the store's area, in degrees; only in a store of an area
    <root>/items/<ID>.json            registered items (unsigned hrefs), one per partition key
    <root>/scenes/<ID>/               one folder per scene, which can be copied and used on its own
        raw_bands/                    unchanged source files, item.json, manifest.json (written last)
        resampled_stack/              stack.vrt (or stack.tif), scl.vrt, native_<band>.vrt
        <ID>_classified.tif           class map
        <ID>_confidence.tif           confidence of the class map
        <ID>_probabilities.tif        class probabilities, one pixel per position; only for a map of positions
        overview_<ID>_classified.tif  lower-resolution class map
        <raster>.tif.aux.xml, .qml    of both class maps: names, colours and hectares, for GDAL and QGIS
        <ID>_thumbnail.png            picture of the class map with a legend
        report.html                   page of the scene
        agreement/<reference>/        agreement with a reference map (`lc_assets.products.agreement.scene`)
        catalog.json                  STAC catalog of the scene
        <ID>_classified.json          STAC item of the class map

    <root>/models/<model>/            copies of the models that made the maps
    <root>/collection/                STAC collection of all scenes' maps: collection.json, items.parquet
    <root>/index.html                 page of all scenes, and plots over them: written by `lc-assets view`, made by
    <root>/plots.html                 `lc-assets ui` when they are opened

    <root>/areas/<NAME>.json          registered season maps (area, period, scenes), one per partition key
    <root>/maps/<NAME>/               one folder per season map: map of an area and a period, made of several scenes
        <NAME>_classified.tif, <NAME>_confidence.tif, <NAME>_probabilities.tif, overview_<NAME>_classified.tif,
        their .tif.aux.xml and .qml, <NAME>_thumbnail.png, report.html, catalog.json, <NAME>_classified.json   as of a
            scene
        <NAME>_observations.tif       number of dates that see a pixel
        <NAME>_stability.tif          share of these dates that agree with the map
        area.geojson                  the area, in degrees
        areas.csv                     hectares of each class in each polygon of the area
        areas.parquet                 the same with the polygons, GeoParquet
        polygons.gpkg, polygons.parquet   the map as polygons, if asked for: GeoPackage, GeoParquet
    <root>/changes/<NAME>/            one folder per comparison of two season maps, named <BEFORE>--<AFTER>
        <NAME>_transitions.tif        which class became which; with .tif.aux.xml and .qml
        transitions.csv               hectares of each transition, and of what does not count

The root is a folder or a prefix in an object store (`lc_assets.store.paths`). Files are written atomically
(`lc_assets.store.atomic`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lc_assets.core.errors import BadReference, StoreError
from lc_assets.store.ids import checked_id, is_id
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath, list_files, parse_path
from lc_assets.store.product_layout import CATALOG_FILE, ProductLayout, StoreFile
from lc_assets.store.scratch import scratch_dir
from lc_assets.store.season_layout import ChangeLayout, MapLayout

SCENES_FOLDER, MAPS_FOLDER, COLLECTION_FOLDER = "scenes", "maps", "collection"
_AREAS, _CHANGES, _MODELS = "areas", "changes", "models"
"""In the root."""
COLLECTION_FILE, INDEX_FILE = "collection.json", "items.parquet"
"""The collection's document, and its items."""
AGREEMENT_FOLDER = "agreement"
"""In the folder of a scene."""
ITEM_FILE, MANIFEST_FILE = "item.json", "manifest.json"
"""In the folder of the raw bands: the scene's item, and the list of its files, which is written last."""
INCOMING_FOLDER = ".raw_bands.incoming"
"""In the local folder of a scene."""
WRITTEN_FOLDERS = (
    *(".", _MODELS, _AREAS, MAPS_FOLDER, _CHANGES, SCENES_FOLDER),
    *(f"{SCENES_FOLDER}/*", f"{SCENES_FOLDER}/*/{AGREEMENT_FOLDER}"),
)
"""Patterns of the folders in which files and folders are written whole."""
ALL_SCENES = "index.html"
"""Name of the page of all scenes, in the store's root."""
PLOTS = "plots.html"
"""Name of the page of plots over the scenes, in the store's root."""
ZOOMABLE_MAP = "map.html"
"""Name of the page with the maps of all scenes on one map. Only `lc-assets ui` serves it; it is no file."""


@dataclass(frozen=True)
class SceneLayout(ProductLayout):
    """Paths of the files and folders of one scene.

    Attributes:
        item: STAC item id.
        folder: the scene's folder.
    """

    item: str
    folder: StorePath

    @property
    def stem(self) -> str:
        """The item's id."""
        return self.item

    raw_bands = StoreFile("raw_bands")
    resampled_stack = StoreFile("resampled_stack")

    @property
    def incoming(self) -> Path:
        """Local folder for downloads in progress. The files of a failed attempt stay there for the next attempt."""
        return scratch_dir(self.folder) / INCOMING_FOLDER

    @property
    def lease(self) -> ObjectPath | None:
        """Lease object that lets one machine at a time fetch the scene; None on a disk, where a file lock does this."""
        return self.folder / ".raw_bands.lease" if isinstance(self.folder, ObjectPath) else None


@dataclass(frozen=True)
class Store:
    """The store below a root folder or object-store prefix."""

    root: StorePath

    @classmethod
    def at(cls, root: str | Path) -> Store:
        """Return the store at a folder or at the URL of an object store.

        Raises:
            StoreError: it is a URL, but not one of an object store.
        """
        return cls(parse_path(root))

    @property
    def area(self) -> StorePath:
        """The store's area, a GeoJSON file. Only a store of an area has this file."""
        return self.root / "area.geojson"

    def scene(self, item: str) -> SceneLayout:
        """Return the paths of a scene. No folder is created.

        Raises:
            BadReference: the id is not safe as the name of a folder.
        """
        return SceneLayout(item, self.root / SCENES_FOLDER / checked_id(item))

    def map(self, name: str) -> MapLayout:
        """Return the paths of a season map. No folder is created.

        Raises:
            BadReference: the name is not safe as the name of a folder, or contains `--`.
        """
        if "--" in name:  # which separates two names in that of a comparison
            raise BadReference(f"the name {name[:80]!r} contains '--'", remedy="choose a name without it")
        return MapLayout(name, self.root / MAPS_FOLDER / checked_id(name, "name of a map"))

    def registered_map(self, name: str) -> StorePath:
        """Return the path of the registration of a season map.

        Raises:
            BadReference: the name is not safe as the name of a folder, or contains `--`.
        """
        return self.root / _AREAS / f"{self.map(name).name}.json"

    def registered_maps(self) -> list[str]:
        """Return the sorted names of all registered season maps.

        Raises:
            OSError: the store cannot be read.
        """
        return sorted(name for name in _documents(self.root / _AREAS) if is_id(name) and "--" not in name)

    def change(self, before: str, after: str) -> ChangeLayout:
        """Return the paths of the comparison of two season maps. No folder is created.

        Raises:
            BadReference: a name is not safe as the name of a folder.
        """
        name = checked_id(f"{self.map(before).name}--{self.map(after).name}", "name of a comparison of two maps")
        return ChangeLayout(name, self.root / _CHANGES / name)

    @property
    def catalog(self) -> StorePath:
        """STAC catalog of the store, with links to all scenes and season maps."""
        return self.root / CATALOG_FILE

    @property
    def collection(self) -> StorePath:
        """Folder of the STAC collection."""
        return self.root / COLLECTION_FOLDER

    @property
    def models(self) -> StorePath:
        """Folder of the copies of models."""
        return self.root / _MODELS

    def map_names(self) -> list[str]:
        """Return the sorted names of all season maps.

        Raises:
            StoreError: the object store contains a key that cannot be listed.
            OSError: the store cannot be read.
        """
        return [name for name in _names(self.root / MAPS_FOLDER) if is_id(name) and "--" not in name]

    def folders(self) -> list[str]:
        """Return the sorted names of all scene folders.

        A folder that another program created may have a name that is not a valid item id.

        Raises:
            StoreError: the object store contains a key that cannot be listed.
            OSError: the store cannot be read.
        """
        return _names(self.root / SCENES_FOLDER)

    def known_scenes(self) -> list[str]:
        """Return the sorted ids of all scenes that are registered or have a folder.

        Raises:
            StoreError: the object store contains a key that cannot be listed.
            OSError: the store cannot be read.
        """
        return sorted({name for name in (*_documents(self.root / "items"), *self.folders()) if is_id(name)})

    def scenes_without_folder(self) -> set[str]:
        """Return the ids of the registered scenes that have no folder.

        Raises:
            StoreError: the object store contains a key that cannot be listed.
            OSError: the store cannot be read.
        """
        return {*_documents(self.root / "items")} - {*self.folders()}

    def registered(self, item: str) -> StorePath:
        """Return the path of the registered item of a partition key.

        Raises:
            BadReference: the id is not safe as the name of a file.
        """
        return self.root / "items" / f"{checked_id(item)}.json"


def _documents(folder: StorePath) -> list[str]:
    """Return the names of the JSON files in a folder, without their suffix."""
    return [name.removesuffix(".json") for name in list_files(folder) if name.endswith(".json")]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _names(folder: StorePath) -> list[str]:
    """Return the sorted names of the folders in a folder that do not begin with a dot; none if there is no such folder.

    In an object store the names of objects are among them.
    """
    if isinstance(folder, Path):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))
        return []
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        # The object_store library fails to list any key if one key has an empty or '..' segment.
        if "invalid path" not in str(error).lower():
            raise
        raise StoreError(
            f"{folder} cannot be listed ({error.strerror or error})", remedy="remove the object of that key"
        ) from None
