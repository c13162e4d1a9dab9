"""A search query: place, time, and limits on cloud and nodata."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from lc_assets.core.errors import BadReference
from lc_assets.sentinel2.item.catalog_conventions import CatalogConventions
from lc_assets.sentinel2.item.footprint import is_polygon, rectangle

_TILE = re.compile(r"T?(0?[1-9]|[1-5][0-9]|60)[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]")
_MOMENT = re.compile(
    r"(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2})"
    r"(?P<time>[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?P<fraction>\.[0-9]{1,9})?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_LAST = timedelta(microseconds=1)
_GEOMETRIES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")


@dataclass(frozen=True)
class Query:
    """A search query.

    Attributes:
        bbox: west, south, east, north in degrees; west > east crosses the antimeridian.
        geometry: GeoJSON geometry.
        tiles: MGRS tiles, e.g. `33UUB`.
        datetime: date or interval of the acquisition: `2024-06`, `2024-06-01/2024-06-30`, `2024-06-01/..`. A year,
            month or day includes its end. A time without a zone is UTC.
        max_cloud, max_nodata: limits in percent. Items without a value are kept here, but servers may leave them out
            (pgstac does).
    """

    bbox: tuple[float, float, float, float] | None = None
    geometry: dict[str, Any] | None = None
    tiles: tuple[str, ...] = ()
    datetime: str | None = None
    max_cloud: float | None = None
    max_nodata: float | None = None

    def __post_init__(self) -> None:
        """Check the values; no request is sent.

        Raises:
            BadReference: a value is malformed, or the query has no bbox, geometry or tile.
        """
        if not (self.bbox or self.geometry or self.tiles):
            raise BadReference(
                "the search has no place", remedy="give a bbox, a geometry or tiles: the whole Earth is too much"
            )
        if self.bbox and self.geometry:
            raise BadReference("the search has a bbox and a geometry", remedy="give one of them")
        if self.bbox:
            try:
                west, south, east, north = (float(degrees) for degrees in self.bbox)
            except (TypeError, ValueError):
                west = south = east = north = float("nan")
            if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90):
                raise BadReference(
                    f"the bbox {str(self.bbox)[:80]} is not a box on the Earth",
                    remedy="give west,south,east,north in degrees, e.g. 13.2,55.4,13.6,55.7",
                )
        if self.geometry:
            _check_geometry(self.geometry)
        if self.datetime is not None:
            _interval(self.datetime)
        for tile in self.tiles:
            if not _TILE.fullmatch(tile.upper()):
                raise BadReference(f"{tile[:40]!r} is no MGRS tile", remedy="give one like 33UUB")
        for name, percent in (("cloud", self.max_cloud), ("nodata", self.max_nodata)):
            if percent is not None and not 0 <= percent <= 100:
                raise BadReference(f"the limit on {name} is {percent}", remedy="give percent, 0 to 100")

    def parts(self) -> list[Query]:
        """Split the query into queries of one tile each: stac-fastapi refuses the operator `in` of the query
        extension."""
        return [replace(self, tiles=(tile,)) for tile in dict.fromkeys(self.tiles)] or [self]

    def parameters(self, provider: CatalogConventions) -> dict[str, Any]:
        """Return the query as arguments of pystac-client's `ItemSearch`."""
        query: dict[str, Any] = {}
        if self.tiles:
            values = list(dict.fromkeys(provider.tile_value(tile) for tile in self.tiles))
            query[provider.tile_property] = {"in": values} if len(values) > 1 else {"eq": values[0]}
        if self.max_cloud is not None:
            query[provider.cloud_property] = {"lte": self.max_cloud}
        if self.max_nodata is not None and "/" not in provider.nodata_property:
            query[provider.nodata_property] = {"lte": self.max_nodata}
        # pgstac reads a box with west > east as the box from east to west: the whole Earth except the requested area.
        crosses = self.bbox is not None and self.bbox[0] > self.bbox[2]
        return {
            "bbox": list(self.bbox) if self.bbox and not crosses else None,
            "intersects": rectangle(*self.bbox) if self.bbox and crosses else self.geometry,
            "datetime": _interval(self.datetime) if self.datetime is not None else None,
            "query": query or None,
        }

    def wants(self, item: dict[str, Any], provider: CatalogConventions) -> bool:
        """True when an item is within the limits on tile, date, cloud and nodata."""
        properties = item.get("properties")
        if not isinstance(properties, dict):
            return True  # reported as an error of the item when the item is used
        tile = properties.get(provider.tile_property)
        if self.tiles and isinstance(tile, str) and tile not in {provider.tile_value(wanted) for wanted in self.tiles}:
            return False
        if self.datetime is not None and not _within(_interval(self.datetime), properties.get("datetime")):
            return False
        limits = ((provider.cloud(properties), self.max_cloud), (provider.nodata(properties), self.max_nodata))
        return not any(
            limit is not None and isinstance(value, int | float) and value > limit for value, limit in limits
        )


def box_of(text: str) -> tuple[float, float, float, float]:
    """Parse a box `W,S,E,N` and return (west, south, east, north) in degrees.

    Raises:
        BadReference: the text is not four numbers.
    """
    try:
        west, south, east, north = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise BadReference(
            f"{text[:60]!r} is no box", remedy="give W,S,E,N in degrees, e.g. 13.2,55.4,13.6,55.7"
        ) from None
    return west, south, east, north


def _check_geometry(geometry: dict[str, Any]) -> None:
    kind = geometry.get("type") if isinstance(geometry, dict) else type(geometry).__name__
    usable = is_polygon(geometry) if kind in ("Polygon", "MultiPolygon") else kind in _GEOMETRIES
    try:
        json.dumps(geometry, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        usable = False
    if not usable:
        raise BadReference(
            f"the geometry ({str(kind)[:40]}) is none in degrees",
            remedy="give a GeoJSON geometry, e.g. a Polygon whose rings are closed (of a Feature, its geometry)",
        )


def _within(interval: str, moment: Any) -> bool:
    """True when an item's datetime is in an interval, or invalid: that is reported when the item is used."""
    span = _span(moment) if isinstance(moment, str) else None
    if span is None:
        return True
    begin, _, end = interval.partition("/")
    first, last = (_span(part.replace("..", "")) for part in (begin, end or begin))
    return (first is None or first[0] <= span[0]) and (last is None or span[0] <= last[1])


def _interval(text: str) -> str:
    """Return a time or an interval in RFC 3339, with both ends of the interval written out.

    pystac-client can do the same, but its days end at 23:59:59, and acquisition times have milliseconds.

    Raises:
        BadReference: the text is not a date or an interval.
    """
    remedy = "give one like 2024, 2024-06, 2024-06-21, 2024-06-01/2024-06-30, 2024-06-01/.. or 2024-06-21T10:36:29Z"
    parts = text.split("/") if isinstance(text, str) else []
    ends = [_span(part) for part in parts]
    if len(ends) == 1 and ends[0]:
        first, last = ends[0]
        return _written(first) if first == last else f"{_written(first)}/{_written(last)}"
    opened = [part in ("", "..") for part in parts]
    if len(ends) != 2 or all(opened) or any(not end and not is_open for end, is_open in zip(ends, opened, strict=True)):
        raise BadReference(f"{str(text)[:60]!r} is no date or interval", remedy=remedy)
    begin, end = ends[0] and ends[0][0], ends[1] and ends[1][1]
    if begin and end and begin > end:
        raise BadReference(f"the interval {text[:60]} ends before it begins", remedy=remedy)
    return f"{_written(begin) if begin else '..'}/{_written(end) if end else '..'}"


def _span(text: str) -> tuple[datetime, datetime] | None:
    """Return the first and the last moment of a year, month, day or moment; None if the text is not one of these."""
    match = _MOMENT.fullmatch(text)
    if not match:
        return None
    year, month, day = (int(match[name] or 1) for name in ("year", "month", "day"))
    try:
        first = datetime(year, month, day, tzinfo=timezone.utc)
        if match["time"]:
            hour, minute, second = (int(part) for part in match["time"][1:9].split(":"))
            fraction = int((match["fraction"] or ".0")[1:7].ljust(6, "0"))
            moment = first.replace(hour=hour, minute=minute, second=second, microsecond=fraction)
            moment -= _shift(match["zone"] or "Z")
            return moment, moment
        if match["day"]:
            return first, first + timedelta(days=1) - _LAST
        if match["month"]:
            return first, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=timezone.utc) - _LAST
        return first, datetime(year + 1, 1, 1, tzinfo=timezone.utc) - _LAST
    except (ValueError, OverflowError):  # month 13, 31 June, year 0
        return None


def _shift(zone: str) -> timedelta:
    if zone in "Zz":
        return timedelta()
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(zone)
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)


def _written(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat() + "Z"
