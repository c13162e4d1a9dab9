"""Names of the files of a season map, and of a comparison of two; what each is: `lc_assets.store.layout`."""

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
    stability = StoreFile("{}_stability.tif")
    area = StoreFile("area.geojson")
    areas = StoreFile("areas.csv")
    areas_parquet = StoreFile("areas.parquet")
    polygons = StoreFile("polygons.gpkg")
    polygons_parquet = StoreFile("polygons.parquet")

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
    table = StoreFile("transitions.csv")

    @property
    def stem(self) -> str:
        """The comparison's name."""
        return self.name
