"""Names of the files that scenes and season maps have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath

CATALOG_FILE = "catalog.json"
MAP_SUFFIX = "_classified"
"""What follows the scene's id, or the season map's name, in the id of the map's STAC item."""

_AnyPath = TypeVar("_AnyPath", Path, ObjectPath, StorePath)


def pam_file(raster: _AnyPath) -> _AnyPath:
    """Return the path of the names and the attribute table of a class map, which GDAL reads beside it."""
    return raster.with_name(f"{raster.name}.aux.xml")


def style_file(raster: _AnyPath) -> _AnyPath:
    """Return the path of the style of a class map, which QGIS reads beside it."""
    return raster.with_name(f"{raster.name.rpartition('.')[0]}.qml")


class StoreFile:
    """A file or folder of a layout, as an attribute that is its path. `{}` in the name is the layout's `stem`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, layout: Any, owner: type) -> StorePath:
        path: StorePath = layout.folder / self._name.format(layout.stem)
        return path


class ProductLayout:
    """Paths of the products that scenes and season maps have; what each is: `lc_assets.store.layout`.

    Attributes:
        folder: the folder of the products.
    """

    folder: StorePath

    classified = StoreFile(f"{{}}{MAP_SUFFIX}.tif")
    confidence = StoreFile("{}_confidence.tif")
    probabilities = StoreFile("{}_probabilities.tif")
    overview = StoreFile(f"overview_{{}}{MAP_SUFFIX}.tif")
    thumbnail = StoreFile("{}_thumbnail.png")
    report = StoreFile("report.html")
    catalog = StoreFile(CATALOG_FILE)
    stac_item = StoreFile(f"{{}}{MAP_SUFFIX}.json")

    @property
    def stem(self) -> str:
        """Item id of the scene, or name of the map, with which the names of the files begin."""
        raise NotImplementedError

    @property
    def legends(self) -> dict[str, StorePath]:
        """Names and styles beside class map and overview, by their keys in the STAC item."""
        return {
            "classified_names": pam_file(self.classified),
            "classified_style": style_file(self.classified),
            "overview_names": pam_file(self.overview),
            "overview_style": style_file(self.overview),
        }
