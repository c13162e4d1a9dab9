"""Searches the index for scenes by area, time, cloud cover, tile and classes, without a server or a Dagster instance.

DuckDB reads only the columns that the search needs. It compares the bounding boxes first, then the footprints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shapely.geometry

from lc_assets.core.landcover import NO_DATA
from lc_assets.products.collection.parquet import columns, duckdb_connection, parquet
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.sentinel2.item.catalog_conventions import catalog_of
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.product_layout import MAP_SUFFIX

EARTH = (-180.0, -90.0, 180.0, 90.0)
"""Bounding box of the Earth. A search with this box does not compare boxes."""

_COLUMNS = {
    "id": "id",
    "tile": '"s2:mgrs_tile"',
    "cloud": '"eo:cloud_cover"',
    "model": '"lc:model"',
    "hectares": '"lc:hectares"',
    "map": "assets.classified.href",
    "footprint": "geometry",
    "moment": "epoch_us(datetime)",
}
_NEEDS = {"tile": "s2:mgrs_tile", "cloud": "eo:cloud_cover", "model": "lc:model", "hectares": "lc:hectares"}
"""Columns that may be missing in an index, and the property of each."""


@dataclass(frozen=True)
class Found:
    """A map that a search found.

    Attributes:
        scene: id of the scene.
        datetime: time of the acquisition, RFC 3339, UTC.
        tile: MGRS tile; None if unknown.
        cloud: cloud cover of the source item, in percent; None if unknown.
        model: name and version of the model; None if unknown.
        map: href of the class map, relative to the folder of the collection; None if the index has no hrefs.
        hectares: class name as in `lc:hectares` -> area in hectares, with No Data.
    """

    scene: str
    datetime: str
    tile: str | None
    cloud: float | None
    model: str | None
    map: str | None
    hectares: dict[str, float] = field(default_factory=dict)

    @property
    def shares(self) -> dict[str, float]:
        """Class name -> percent of the map, largest first, without No Data; empty if no pixel was classified."""
        classified = {name: area for name, area in self.hectares.items() if name != _NODATA and area}
        total = sum(self.hectares.values())
        return {name: 100 * area / total for name, area in sorted(classified.items(), key=lambda pair: -pair[1])}

    @property
    def nodata(self) -> float | None:
        """Percent of the map that is No Data; None if the areas are unknown."""
        total = sum(self.hectares.values())
        return 100 * self.hectares.get(_NODATA, 0.0) / total if total else None


_NODATA = NO_DATA.name.replace(" ", "")


def find(index: Path, query: Query) -> list[Found]:
    """Return the maps that match a query, ordered by acquisition time.

    Args:
        index: a local copy of the index.
        query: a query as for a STAC API, but `max_nodata` refers to the map: pixels hidden by clouds count as No Data.

    Raises:
        LandCoverError: DuckDB or shapely is not installed.
        StoreError: the index is damaged.
    """
    conditions, values = _conditions(query)
    with duckdb_connection(index) as connection:
        known = columns(connection, parquet(index))
        names = [name for name in _COLUMNS if _NEEDS.get(name, "id") in known]
        if query.max_cloud is not None and "cloud" in names:
            cloud = 'TRY_CAST("eo:cloud_cover" AS DOUBLE)'  # an index of other software may contain strings
            conditions.append(f"({cloud} IS NULL OR {cloud} <= ?)")
            values.append(query.max_cloud)
        rows = connection.execute(
            f"SELECT {', '.join(f'{_COLUMNS[name]} AS {name}' for name in names)}, "
            f"strftime(make_timestamp(epoch_us(datetime)), '%Y-%m-%dT%H:%M:%S.%gZ') AS written FROM {parquet(index)}"
            f"{' WHERE ' + ' AND '.join(conditions) if conditions else ''} ORDER BY datetime, id",
            values,
        ).fetchall()
    found = [dict(zip((*names, "written"), row, strict=True)) for row in rows]
    return [each for each in map(_found, _intersecting(found, query)) if _matches(each, query)]


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    boxes = _boxes(query)
    if boxes:
        # For an item across the antimeridian, west is greater than east.
        across = "CASE WHEN bbox.xmin <= bbox.xmax THEN bbox.xmin <= ? AND bbox.xmax >= ? "
        across += "ELSE bbox.xmin <= ? OR bbox.xmax >= ? END"
        one = f"(bbox.ymin <= ? AND bbox.ymax >= ? AND {across})"
        conditions.append(f"({' OR '.join([one] * len(boxes))})")
        for west, south, east, north in boxes:
            values += [north, south, east, west, east, west]
    begin, _, end = str(query.parameters(catalog_of({}))["datetime"] or "").partition("/")
    for moment, relation in ((begin, ">="), (end or begin, "<=")):
        if moment not in ("", ".."):
            conditions.append(f"epoch_us(datetime) {relation} epoch_us(CAST(? AS TIMESTAMP))")
            values.append(moment.removesuffix("Z"))
    return conditions, values


def _boxes(query: Query) -> list[tuple[float, float, float, float]]:
    if query.geometry:
        return [shapely.geometry.shape(query.geometry).bounds]
    if not query.bbox or query.bbox == EARTH:
        return []
    west, south, east, north = query.bbox
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return [(left, south, right, north) for left, right in spans]


def _intersecting(rows: list[dict[str, Any]], query: Query) -> list[dict[str, Any]]:
    """Return the rows whose footprint intersects the searched area: a footprint may be smaller than its box."""
    boxes = _boxes(query)
    if not boxes or not rows:
        return rows
    area = (
        shapely.geometry.shape(query.geometry)
        if query.geometry
        else shapely.union_all([shapely.box(*box) for box in boxes])
    )
    intersects = shapely.intersects(shapely.from_wkb([bytes(row["footprint"]) for row in rows]), area)
    return [row for row, inside in zip(rows, intersects, strict=True) if inside]


def _matches(found: Found, query: Query) -> bool:
    if query.tiles and found.tile not in {_padded(tile) for tile in query.tiles}:
        return False
    return query.max_nodata is None or found.nodata is None or found.nodata <= query.max_nodata


def _padded(tile: str) -> str:
    """Return a tile name with two digits and without T: `33UUB`, `07HFE`."""
    return tile.upper().removeprefix("T").zfill(5)


def _found(row: Mapping[str, Any]) -> Found:
    scene = row["id"].removesuffix(MAP_SUFFIX)
    tile = row.get("tile") or acquisition_of({"id": scene, "properties": {}}).tile
    return Found(
        scene=scene,
        datetime=row["written"],
        tile=_padded(str(tile)) if tile else None,
        cloud=row.get("cloud"),
        model=row.get("model"),
        map=row["map"],
        hectares={name: area or 0.0 for name, area in (row.get("hectares") or {}).items()},
    )
