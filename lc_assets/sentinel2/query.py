"""What to look for in a collection: place, time, and how much cloud and emptiness is bearable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lc_assets.errors import BadReference
from lc_assets.sentinel2.catalogs import CatalogKind

_TILE = re.compile(r"T?\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]")


@dataclass(frozen=True)
class Query:
    """A search.

    Attributes:
        bbox: west, south, east, north in degrees; west > east crosses the antimeridian.
        geometry: GeoJSON geometry.
        tiles: MGRS tiles, e.g. `33UUB`.
        datetime: of the acquisition: `2024-06`, `2024-06-01/2024-06-30`, `2024-06-01/..`.
        max_cloud, max_nodata: percent; items that do not give a figure are kept.
    """

    bbox: tuple[float, float, float, float] | None = None
    geometry: dict[str, Any] | None = None
    tiles: tuple[str, ...] = ()
    datetime: str | None = None
    max_cloud: float | None = None
    max_nodata: float | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without asking.

        Raises:
            BadReference: a value is malformed; or nothing limits the search to a place.
        """
        if not (self.bbox or self.geometry or self.tiles):
            raise BadReference(
                "the search has no place", remedy="give a bbox, a geometry or tiles: the whole Earth is too much"
            )
        if self.bbox and self.geometry:
            raise BadReference("the search has a bbox and a geometry", remedy="give one of them")
        if self.bbox:
            west, south, east, north = self.bbox
            if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90):
                raise BadReference(
                    f"the bbox {self.bbox} is none",
                    remedy="give west, south, east, north in degrees, e.g. 13.2 55.4 13.6 55.7",
                )
        for tile in self.tiles:
            if not _TILE.fullmatch(tile.upper()):
                raise BadReference(f"{tile[:40]!r} is no MGRS tile", remedy="give one like 33UUB")
        for name, percent in (("cloud", self.max_cloud), ("nodata", self.max_nodata)):
            if percent is not None and not 0 <= percent <= 100:
                raise BadReference(f"the limit on {name} is {percent}", remedy="give percent, 0 to 100")

    def parameters(self, kind: CatalogKind) -> dict[str, Any]:
        """As pystac-client's `ItemSearch` takes them."""
        query: dict[str, Any] = {}
        if self.tiles:
            values = [kind.tile_value(tile) for tile in self.tiles]
            query[kind.tile_property] = {"in": values} if len(values) > 1 else {"eq": values[0]}
        if self.max_cloud is not None:
            query[kind.cloud_property] = {"lte": self.max_cloud}
        if self.max_nodata is not None:
            query[kind.nodata_property] = {"lte": self.max_nodata}
        return {
            "bbox": list(self.bbox) if self.bbox else None,
            "intersects": self.geometry,
            "datetime": self.datetime,
            "query": query or None,
        }

    def wants(self, item: dict[str, Any], kind: CatalogKind) -> bool:
        """Whether an item keeps the limits on tile, cloud and nodata."""
        properties = item.get("properties")
        if not isinstance(properties, dict):
            return True  # told as a fault of the item when it is to be used
        tile = properties.get(kind.tile_property)
        if self.tiles and isinstance(tile, str) and tile not in {kind.tile_value(wanted) for wanted in self.tiles}:
            return False
        limits = ((kind.cloud_property, self.max_cloud), (kind.nodata_property, self.max_nodata))
        return not any(
            limit is not None and isinstance(value := properties.get(name), int | float) and value > limit
            for name, limit in limits
        )
