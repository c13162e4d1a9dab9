"""Names of the files that scenes and season maps have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

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


class ProductLayout:
    """Paths of the products that scenes and season maps have.

    Attributes:
        folder: the folder of the products.
    """

    folder: StorePath

    @property
    def stem(self) -> str:
        """Item id of the scene, or name of the map, with which the names of the files begin."""
        raise NotImplementedError

    @property
    def classified(self) -> StorePath:
        """Class map, a GeoTIFF."""
        return self.folder / f"{self.stem}{MAP_SUFFIX}.tif"

    @property
    def confidence(self) -> StorePath:
        """Confidence of the class map, a GeoTIFF."""
        return self.folder / f"{self.stem}_confidence.tif"

    @property
    def probabilities(self) -> StorePath:
        """Class probabilities, a GeoTIFF. Only a map of positions has this file."""
        return self.folder / f"{self.stem}_probabilities.tif"

    @property
    def overview(self) -> StorePath:
        """Lower-resolution class map, a GeoTIFF."""
        return self.folder / f"overview_{self.stem}{MAP_SUFFIX}.tif"

    @property
    def legends(self) -> dict[str, StorePath]:
        """Names and styles beside class map and overview, by their keys in the STAC item."""
        return {
            "classified_names": pam_file(self.classified),
            "classified_style": style_file(self.classified),
            "overview_names": pam_file(self.overview),
            "overview_style": style_file(self.overview),
        }

    @property
    def thumbnail(self) -> StorePath:
        """Picture of the class map with a legend, a PNG."""
        return self.folder / f"{self.stem}_thumbnail.png"

    @property
    def report(self) -> StorePath:
        """HTML page with all results."""
        return self.folder / "report.html"

    @property
    def catalog(self) -> StorePath:
        """STAC catalog of the products."""
        return self.folder / CATALOG_FILE

    @property
    def stac_item(self) -> StorePath:
        """STAC item of the class map."""
        return self.folder / f"{self.stem}{MAP_SUFFIX}.json"
