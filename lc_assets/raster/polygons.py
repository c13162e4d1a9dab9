"""Polygons of a vector file: GeoJSON, GeoPackage, shapefile, FlatGeobuf, or whatever else GDAL reads, in any CRS."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform

from lc_assets.core.errors import BadReference
from lc_assets.core.json_values import parse_json

DEGREES = "OGC:CRS84"
_NAME_COLUMNS = ("name", "title", "label", "id")
"""Columns that name a feature, the best one first; capital letters make no difference."""
_FARTHEST = 5e7
"""Largest coordinate of any CRS, in metres: more than the Earth's circumference."""
_LONGEST_EDGE = {True: 0.01, False: 1000.0}
"""Longest edge before a change of the CRS, in degrees (True) or metres: a straight line in one CRS is bent in
another."""


@dataclass(frozen=True)
class Polygons:
    """Polygons of an area, each with a name.

    Attributes:
        names: a unique name for each.
        shapes: (N,) valid shapely polygons or multipolygons without a third coordinate.
        crs: CRS of the coordinates, as rasterio reads it.
    """

    names: tuple[str, ...]
    shapes: np.ndarray
    crs: str

    def __len__(self) -> int:
        return len(self.names)

    def to(self, crs: str) -> Polygons:
        """Return the polygons in another CRS. Long edges get more corners first.

        Raises:
            BadReference: a point has no place in the other CRS.
        """
        source = CRS.from_user_input(self.crs)
        if source == CRS.from_user_input(crs):
            return replace(self, crs=crs)
        dense = shapely.segmentize(self.shapes, _LONGEST_EDGE[source.is_geographic])

        def moved(points: np.ndarray) -> np.ndarray:
            return np.column_stack(transform(source, crs, points[:, 0], points[:, 1])[:2])

        try:
            shapes = shapely.transform(dense, moved)
            placed = bool(np.isfinite(shapely.get_coordinates(shapes)).all())
        except (CPLE_BaseError, RasterioError):
            placed = False
        if not placed:
            raise BadReference(
                "the area cannot be transformed between its CRS and that of the map",
                remedy="choose another CRS (--crs), or correct the area's coordinates",
            )
        return Polygons(self.names, shapely.make_valid(shapes), crs)

    def covers_same(self, other: Polygons) -> bool:
        """Return whether both cover the same ground, but for a millionth: their CRS may differ."""
        one, two = (shapely.union_all(each.to(DEGREES).shapes) for each in (self, other))
        return bool(one.symmetric_difference(two).area <= 1e-6 * one.area)

    def touching(self, bounds: tuple[float, float, float, float]) -> np.ndarray:
        """Return the numbers of the polygons whose boxes touch (left, bottom, right, top)."""
        left, bottom, right, top = shapely.bounds(self.shapes).T
        return np.flatnonzero((left <= bounds[2]) & (right >= bounds[0]) & (bottom <= bounds[3]) & (top >= bounds[1]))

    def geojson(self) -> dict[str, Any]:
        """Return the polygons as a GeoJSON FeatureCollection, in their own CRS: `read_polygons` reads the same ones.

        The CRS is named by the member `crs` (GeoJSON 2008, 3), without which coordinates are degrees.
        """
        features = [
            {"type": "Feature", "properties": {"name": name}, "geometry": shapely.geometry.mapping(shape)}
            for name, shape in zip(self.names, self.shapes, strict=True)
        ]
        crs = {} if self.crs == DEGREES else {"crs": {"type": "name", "properties": {"name": self.crs}}}
        return {"type": "FeatureCollection", **crs, "features": features}

    def degrees(self) -> dict[str, Any]:
        """Return the area of all polygons as a GeoJSON geometry in degrees."""
        whole = shapely.union_all(self.to(DEGREES).shapes)
        return dict(json.loads(shapely.to_geojson(whole)))


def box_polygon(west: float, south: float, east: float, north: float) -> Polygons:
    """Return a box in degrees. West > east crosses the antimeridian.

    Raises:
        BadReference: it is not a box on the Earth, or it is empty.
    """
    inside = -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90
    if not inside or west == east:
        raise BadReference(
            f"the bbox {west:g},{south:g},{east:g},{north:g} is not a box on the Earth",
            remedy="give west,south,east,north in degrees, e.g. 13.2,55.4,13.6,55.7",
        )
    parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    shape = shapely.union_all([shapely.box(left, south, right, north) for left, right in parts])
    return Polygons(("area",), np.array([shape]), DEGREES)


def read_polygons(source: Path | bytes, name: str) -> Polygons:
    """Read the polygons of a file.

    A ring that is not closed is closed, and one that crosses itself is split. Features without a geometry are left
    out. A feature is named by its column `name`, `title`, `label` or `id`, else by its number.

    Args:
        source: path of the file, or its content.
        name: name of the file, for messages.

    Raises:
        BadReference: the file cannot be read, has no polygons, or its CRS is not known.
    """
    import pyogrio
    from pyogrio.errors import DataSourceError, FeatureError

    remedy = "give polygons that GDAL reads: GeoJSON, GeoPackage, shapefile (.shp or zipped), FlatGeobuf"
    try:
        declared = _declared_crs(source, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # GDAL's, of other fields than we read
            meta, _, encoded, columns = pyogrio.raw.read(source, force_2d=True)
        with np.errstate(invalid="ignore"):  # coordinates that are no numbers are refused below
            shapes = shapely.from_wkb(encoded, on_invalid="fix")
    except (DataSourceError, FeatureError, shapely.GEOSException, ValueError, TypeError, RecursionError) as error:
        reason = str(error).replace("\n", " ").partition(";")[0]
        reason = "" if "not recognized" in reason else f" ({reason[:120]})"
        raise BadReference(f"{name} is not a file of polygons{reason}", remedy=remedy) from None
    there = np.flatnonzero(~(shapely.is_missing(shapes) | shapely.is_empty(shapes)))
    kinds = shapely.get_type_id(shapes[there])
    if not len(there) or not np.isin(kinds, (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)).all():
        has = "lines or points, not only polygons" if len(there) else "no polygon"
        raise BadReference(f"{name} has {has}", remedy=remedy)
    with np.errstate(invalid="ignore", over="ignore"):
        shapes = shapely.make_valid(shapes[there], method="structure", keep_collapsed=False)
        boxes = shapely.bounds(shapes)
    if not np.isfinite(boxes).all():
        raise BadReference(f"{name} has a polygon without an area", remedy="correct its coordinates")
    crs = declared or _known_crs(meta["crs"], name)
    west, south, east, north = shapely.total_bounds(shapes)
    if crs != DEGREES and np.abs(boxes).max() > _FARTHEST:
        raise BadReference(f"{name} has coordinates that are not on the Earth", remedy="correct them, or its CRS")
    if crs == DEGREES and (max(-west, east) > 360 or max(-south, north) > 90):
        raise BadReference(f"{name} has coordinates that are not degrees", remedy="write its CRS into it")
    fields = {str(field).lower(): column for field, column in zip(meta["fields"], columns, strict=True)}
    column = next((fields[field] for field in _NAME_COLUMNS if field in fields), None)
    given = [str(n + 1) if column is None or column[n] is None else str(column[n]) for n in there]
    return Polygons(_unique(given), shapes, crs)


def _declared_crs(source: Path | bytes, name: str) -> str | None:
    """Return the CRS that the member `crs` of a GeoJSON file names (GeoJSON 2008, 3); None for other files, and without
    the member. GDAL takes a CRS that it does not know for degrees."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            if not file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
                return None
        source = source.read_bytes()
    if not source.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        return None
    member = parse_json(source.decode("utf-8-sig")).get("crs")
    if member is None:
        return None
    properties = member.get("properties") if isinstance(member, dict) else None
    return _known_crs(str(properties.get("name") if isinstance(properties, dict) else member), name)


def _known_crs(text: str | None, name: str) -> str:
    """Return a CRS of a file; degrees if the file names none."""
    if not text:
        return DEGREES
    try:
        crs = CRS.from_user_input(text)
    except (CRSError, CPLE_BaseError):
        crs = None
    if crs is None or not (crs.is_geographic or crs.is_projected):
        raise BadReference(f"{name} has a CRS that is not known", remedy="write its coordinates in degrees")
    return DEGREES if crs in (CRS.from_epsg(4326), CRS.from_string(DEGREES)) else crs.to_wkt()


def _unique(names: list[str]) -> tuple[str, ...]:
    """Number the names that have occurred before: `a`, `a (2)`. White space and control characters become a blank."""
    known: set[str] = set()
    out = []
    for name in names:
        name = plain = " ".join("".join(c if c.isprintable() else " " for c in name).split()) or "unnamed"
        number = 1
        while name in known:
            number += 1
            name = f"{plain} ({number})"
        known.add(name)
        out.append(name)
    return tuple(out)
