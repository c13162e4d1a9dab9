"""Names of the files of a season map, and of a comparison of two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath
from lc_assets.store.product_layout import ProductLayout, StoreFile
from lc_assets.store.scratch import scratch_dir


@dataclass(frozen=True)
class MapLayout(ProductLayout):
    """Paths of the files of a season map.

    Attributes:
        name: name of the map.
        folder: the map's folder.
    """

    name: str
    folder: StorePath

    observations = StoreFile("{}_observations.tif")
    """Number of dates that see a pixel, a GeoTIFF."""
    stability = StoreFile("{}_stability.tif")
    """Share of the dates that agree with the map, a GeoTIFF."""
    area = StoreFile("area.geojson")
    """The area, a GeoJSON file."""
    areas = StoreFile("areas.csv")
    """Hectares of each class in each polygon, a CSV file."""
    areas_parquet = StoreFile("areas.parquet")
    """Hectares of each class in each polygon, with the polygons, a GeoParquet file."""
    polygons = StoreFile("polygons.gpkg")
    """The map as polygons, a GeoPackage. Only a map that was made with them has this file."""
    polygons_parquet = StoreFile("polygons.parquet")
    """The same as GeoParquet."""

    @property
    def stem(self) -> str:
        """The map's name."""
        return self.name

    @property
    def incoming(self) -> Path:
        """Local folder beside which the lock of the process that writes the map lies."""
        return scratch_dir(self.folder).with_name(f".{self.name}.incoming")

    @property
    def lease(self) -> ObjectPath | None:
        """Lease object that lets one machine at a time write the map; None on a disk, where a file lock does this."""
        return self.folder.with_name(f".{self.name}.lease") if isinstance(self.folder, ObjectPath) else None


@dataclass(frozen=True)
class ChangeLayout:
    """Paths of the files of a comparison of two season maps.

    Attributes:
        name: `<BEFORE>--<AFTER>`.
        folder: the folder of the comparison.
    """

    name: str
    folder: StorePath

    transitions = StoreFile("{}_transitions.tif")
    """Which class became which, a GeoTIFF."""
    table = StoreFile("transitions.csv")
    """Hectares of each transition, a CSV file."""

    @property
    def stem(self) -> str:
        """The comparison's name."""
        return self.name
