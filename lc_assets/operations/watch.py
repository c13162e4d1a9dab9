"""Reads the YAML file that says what the sensor watches. It is read at every tick: a change needs no restart, except of
`every_minutes`.

collection: sentinel-2-l2a         default: LC_ASSETS_COLLECTION
tiles: [33UUB, 32ULC]              or bbox: [13.2, 55.4, 13.6, 55.7], or geometry: area.geojson (beside this file)
from: 2024-01-01                   first day of acquisition; default: 60 days ago
to: 2024-12-31                     last day; default: open
max_cloud: 40                      percent; default: no limit
max_nodata: 80
every_minutes: 10                  time between two ticks; it is read when Dagster loads the code location
reprocessed: replace               or keep, or first: see `ReprocessingPolicy`
recent_days: 10                    searched at every tick; older days are searched in turn
runs_per_tick: 50
map: scania-2024                   a season map of the area (bbox or geometry) from the first day on; default: none
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, time, timedelta, timezone
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lc_assets.core.errors import LandCoverError
from lc_assets.core.local_files import check_readable
from lc_assets.sentinel2.search.query import Query

if TYPE_CHECKING:
    from lc_assets.raster.polygons import Polygons


class ReprocessingPolicy(str, Enum):
    """What happens to a newer version of an acquisition that is known already."""

    REPLACE = "replace"
    """Classify the newer version, then remove the partition of the older one. Its files stay in the store."""
    KEEP = "keep"
    """Classify both versions and keep both."""
    FIRST = "first"
    """Keep only the version that came first."""


class WatchConfig(BaseModel):
    """The content of a watch file. The docstring of this module describes the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    collection: str | None = None
    bbox: tuple[float, float, float, float] | None = None
    geometry: str | None = None
    tiles: tuple[str, ...] = Field(default=(), max_length=20)
    begin: date | None = Field(default=None, alias="from")
    to: date | None = None
    max_cloud: float | None = None
    max_nodata: float | None = None
    every_minutes: int = Field(default=10, ge=1, le=1440)
    reprocessed: ReprocessingPolicy = ReprocessingPolicy.REPLACE
    recent_days: float = Field(default=10, ge=0, le=366)
    runs_per_tick: int = Field(default=50, ge=1, le=1000)
    map: str | None = None

    @classmethod
    def minutes_of(cls, path: Path) -> int:
        """Return `every_minutes` of a watch file, or its default if the file is missing or not valid."""
        try:
            return cls.read(path).every_minutes
        except LandCoverError:  # a tick fails with the message
            return cls.model_fields["every_minutes"].get_default()

    @classmethod
    def read(cls, path: Path) -> WatchConfig:
        """Read a watch file.

        Raises:
            LandCoverError: the file is missing, cannot be read, or is not valid.
        """
        remedy = "correct it: docs/sensor-and-backfill.md shows one, `lc_assets/operations/watch.py` lists its fields"
        try:
            check_readable(path)
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            watch = cls.model_validate(content if content is not None else {})
            watch.query(path, datetime.now(timezone.utc), datetime.now(timezone.utc))
            watch.span(datetime.now(timezone.utc))
        except FileNotFoundError:
            raise LandCoverError(
                f"there is no {path}",
                remedy="lc-assets watch --init writes one, which you then edit; or set LC_ASSETS_WATCH",
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "its content"
            if first["type"] == "extra_forbidden":
                known = [field.alias or name for name, field in cls.model_fields.items()]
                near = get_close_matches(where, known, 1)
                remedy = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known)}"
                raise LandCoverError(f"{path}: there is no field {where[:60]}", remedy=remedy) from None
            raise LandCoverError(f"{path}: {where}: {first['msg']}", remedy=remedy) from None
        except (OSError, ValueError, OverflowError, yaml.YAMLError, RecursionError) as error:
            # A ValueError or OverflowError: bad UTF-8, 31 June, the year 9999, NUL in the path.
            raise LandCoverError(f"{path} cannot be read ({_line(error)})", remedy=remedy) from None
        return watch

    def query(self, path: Path, first: datetime, last: datetime) -> Query:
        """Return the query for a time window.

        Args:
            path: path of the watch file; the path of the geometry file is relative to its folder.
            first: start of the window.
            last: end of the window.

        Raises:
            LandCoverError: the geometry file is missing or not valid, or a box or a tile is not valid.
        """
        area = self.polygons(path)
        return Query(
            bbox=self.bbox,
            geometry=area.degrees() if area else None,
            tiles=self.tiles,
            datetime=f"{first:%Y-%m-%dT%H:%M:%SZ}/{last:%Y-%m-%dT%H:%M:%SZ}",
            max_cloud=self.max_cloud,
            max_nodata=self.max_nodata,
        )

    def polygons(self, path: Path) -> Polygons | None:
        """Return the polygons of the geometry file; None without one.

        Args:
            path: path of the watch file; the path of the geometry file is relative to its folder.

        Raises:
            LandCoverError: the geometry file is missing or not valid.
        """
        from lc_assets.raster.polygons import read_polygons  # of shapely, which costs every start a tenth of a second

        if not self.geometry:
            return None
        file = path.parent / self.geometry
        try:
            check_readable(file)
            return read_polygons(file, str(file))
        except OSError as error:
            raise LandCoverError(
                f"{file} cannot be read ({_line(error)})", remedy=f"correct geometry in {path}"
            ) from None

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the start and the end of the watched time."""
        begin = _midnight(self.begin) if self.begin else now - timedelta(days=60)
        return begin, min(_midnight(self.to) + timedelta(days=1), now) if self.to else now

    @property
    def digest(self) -> str:
        """A hash of all fields of the search (16 hex digits): equal for equal searches."""
        return hashlib.sha256(self.model_dump_json(exclude={"every_minutes", "map"}).encode()).hexdigest()[:16]


def watched_map(path: Path) -> str | None:
    """Return the season map that a watch file names; None without one, or if the file is missing or not valid."""
    try:
        return WatchConfig.read(path).map
    except LandCoverError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.utc)


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
