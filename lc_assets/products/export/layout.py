"""The names of the files of an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lc_assets.store.layout import ProductLayout


@dataclass(frozen=True)
class ExportLayout(ProductLayout):
    """Paths of the files of an export, in a folder outside the store that may have other files too.

    Attributes:
        name: item id of the scene, or name of the season map.
        folder: the folder.
    """

    name: str
    folder: Path

    @property
    def stem(self) -> str:
        """Item id or name."""
        return self.name

    @property
    def polygons(self) -> Path:
        """The map as polygons, a GeoPackage."""
        return self.folder / f"{self.name}_polygons.gpkg"

    @property
    def polygons_parquet(self) -> Path:
        """The same as GeoParquet."""
        return self.folder / f"{self.name}_polygons.parquet"

    @property
    def areas(self) -> Path:
        """Hectares of each class, a CSV file."""
        return self.folder / f"{self.name}_areas.csv"

    @property
    def picture(self) -> Path:
        """True-colour picture of the ground, a GeoTIFF."""
        return self.folder / f"{self.name}_picture.tif"

    @property
    def project(self) -> Path:
        """QGIS project of the rasters."""
        return self.folder / f"{self.name}.qgz"
