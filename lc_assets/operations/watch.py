"""What the sensor watches: a small YAML file, read at every tick, so that a change needs no restart.

collection: sentinel-2-l2a         default: LC_ASSETS_COLLECTION
tiles: [33UUB, 32ULC]              or bbox: [13.2, 55.4, 13.6, 55.7], or geometry: area.geojson (beside this file)
from: 2024-01-01                   first day of acquisition; default: 60 days ago
to: 2024-12-31                     last day; default: open
max_cloud: 40                      percent; default: no limit
max_nodata: 80
reprocessed: replace               or keep, or first: see `ReprocessingPolicy`
recent_days: 10                    looked at on every tick; older days in turn
runs_per_tick: 50
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lc_assets.core.errors import LandCoverError
from lc_assets.sentinel2.search.area import geometry_of
from lc_assets.sentinel2.search.query import Query


class ReprocessingPolicy(str, Enum):
    """What becomes of a newer version of an acquisition that is known already."""

    REPLACE = "replace"
    """It is classified; when that is done, the older one's partition is taken out. Its files stay in the store."""
    KEEP = "keep"
    """Both are classified, and stay."""
    FIRST = "first"
    """The version that came first stays the only one."""


class WatchConfig(BaseModel):
    """A watch; see the module for its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    collection: str | None = None
    bbox: tuple[float, float, float, float] | None = None
    geometry: str | None = None
    tiles: tuple[str, ...] = Field(default=(), max_length=20)
    begin: date | None = Field(default=None, alias="from")
    to: date | None = None
    max_cloud: float | None = None
    max_nodata: float | None = None
    reprocessed: ReprocessingPolicy = ReprocessingPolicy.REPLACE
    recent_days: float = Field(default=10, ge=0, le=366)
    runs_per_tick: int = Field(default=50, ge=1, le=1000)

    @classmethod
    def read(cls, path: Path) -> WatchConfig:
        """Read a file.

        Raises:
            LandCoverError: it is not there, or not as it should be.
        """
        remedy = "mend it: docs/sensor-and-backfill.md shows one, `lc_assets/operations/watch.py` lists its fields"
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            watch = cls.model_validate(content if content is not None else {})
            watch.query(path, datetime.now(timezone.utc), datetime.now(timezone.utc))
            watch.span(datetime.now(timezone.utc))
        except FileNotFoundError:
            raise LandCoverError(
                f"there is no {path}",
                remedy="write one that says what to watch (docs/sensor-and-backfill.md), or set LC_ASSETS_WATCH",
            ) from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
            raise LandCoverError(f"{path} cannot be read ({_line(error)})", remedy=remedy) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "its content"
            raise LandCoverError(f"{path}: {where}: {first['msg']}", remedy=remedy) from None
        except (ValueError, OverflowError) as error:  # a 31st of June, the year 9999, NUL in a path
            raise LandCoverError(f"{path} cannot be read ({_line(error)})", remedy=remedy) from None
        return watch

    def query(self, path: Path, first: datetime, last: datetime) -> Query:
        """The search for a stretch of time; `path` is the file that the watch came from.

        Raises:
            LandCoverError: the geometry's file is not there or none; a box or a tile is none.
        """
        geometry: dict[str, Any] | None = None
        if self.geometry:
            file = path.parent / self.geometry
            try:
                geometry = geometry_of(file.read_text(encoding="utf-8"), str(file))
            except (OSError, UnicodeDecodeError) as error:
                raise LandCoverError(
                    f"{file} cannot be read ({_line(error)})", remedy=f"mend geometry in {path}"
                ) from None
        return Query(
            bbox=self.bbox,
            geometry=geometry,
            tiles=self.tiles,
            datetime=f"{first:%Y-%m-%dT%H:%M:%SZ}/{last:%Y-%m-%dT%H:%M:%SZ}",
            max_cloud=self.max_cloud,
            max_nodata=self.max_nodata,
        )

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """First and last moment that are watched."""
        begin = _midnight(self.begin) if self.begin else now - timedelta(days=60)
        return begin, min(_midnight(self.to) + timedelta(days=1), now) if self.to else now

    @property
    def digest(self) -> str:
        """The same for the same watch."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.utc)


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
