"""The plan of a season map: area, period and scenes. The store keeps it, so the map can be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import shapely

from lc_assets.core.errors import LandCoverError, StoreError
from lc_assets.core.json_values import parse_json
from lc_assets.products.polygons import check_min_area
from lc_assets.products.season_map.grid import checked_crs
from lc_assets.raster.polygons import Polygons, read_polygons
from lc_assets.sentinel2.item.catalog_conventions import catalog_of
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.atomic import put
from lc_assets.store.ids import is_id
from lc_assets.store.layout import Store
from lc_assets.store.paths import read_json_object, reading

_ANTIMERIDIAN = 178.0
"""Degrees of longitude beyond which footprints may be written on the other side of the antimeridian."""


@dataclass(frozen=True)
class MapPlan:
    """What a season map is made of.

    Attributes:
        crs: CRS of the map.
        period: time in which its scenes were acquired, see `Query.datetime`; None means any time.
        max_cloud: highest cloud cover of its scenes, in percent; None means any.
        scenes: ids of its scenes; None means all classified scenes of the area and the period.
        min_area: area in hectares of the smallest polygon in `polygons.gpkg`; None writes no polygons.
    """

    area: Polygons
    crs: str
    period: str | None = None
    max_cloud: float | None = None
    scenes: tuple[str, ...] | None = None
    min_area: float | None = None

    def written(self) -> bytes:
        """Return the plan as JSON. Its area is GeoJSON in the CRS of the polygons."""
        document = {
            "area": self.area.geojson(),
            "crs": self.crs,
            "period": self.period,
            "max_cloud": self.max_cloud,
            "scenes": self.scenes,
            "min_area": self.min_area,
        }
        return (json.dumps(document, indent=1) + "\n").encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the plan, in hex."""
        return hashlib.sha256(self.written()).hexdigest()

    def scene_filter(self) -> Callable[[dict[str, Any]], bool]:
        """Return a function from a STAC item to whether its scene may belong to the map.

        It returns True if the item does not contain the answer. The rasters of the scene then decide.
        """
        if self.scenes is not None:
            listed = frozenset(self.scenes)
            return lambda item: item.get("id") in listed
        geometry = self.area.degrees()
        query = _query(self)
        ground = shapely.geometry.shape(geometry)
        shapely.prepare(ground)
        west, _, east, _ = ground.bounds
        anywhere = max(-west, east) > _ANTIMERIDIAN

        def is_one(item: dict[str, Any]) -> bool:
            if not query.wants(item, catalog_of(item)):
                return False
            try:
                footprint = shapely.make_valid(shapely.geometry.shape(item["geometry"]))
                return anywhere or footprint.is_empty or bool(ground.intersects(footprint))
            except (shapely.GEOSException, ValueError, LookupError, TypeError, AttributeError):
                return True

        return is_one


def write_plan(store: Store, name: str, plan: MapPlan) -> None:
    """Register a season map. An earlier registration of this name is replaced.

    Raises:
        BadReference: the name cannot be used.
        StoreError: the store cannot be written.
    """
    put(store.registered_map(name), plan.written(), item=name, asset="registration")


def read_plan(store: Store, name: str) -> MapPlan:
    """Read the registration of a season map.

    Raises:
        BadReference: the name cannot be used.
        StoreError: there is none of this name, or it is damaged.
    """
    path = store.registered_map(name)
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        listed = found["scenes"]
        plan = MapPlan(
            area=read_polygons(json.dumps(found["area"]).encode(), "its area"),
            crs=checked_crs(found["crs"]),
            period=found["period"],
            max_cloud=found["max_cloud"],
            scenes=None if listed is None else tuple(str(item) for item in listed),
            min_area=found["min_area"],
        )
        _query(plan)
        if plan.min_area is not None:
            check_min_area(plan.min_area)
        return plan
    except FileNotFoundError:
        raise StoreError(
            "no map of this name is registered", season_map=name, remedy="make it with `lc-assets map` and its area"
        ) from None
    except (LandCoverError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = error.problem if isinstance(error, LandCoverError) else type(error).__name__
        if isinstance(error, KeyError):
            reason = f"it has no field {error.args[0]}"
        raise StoreError(
            f"its registration {path.name} cannot be read ({reason})",
            season_map=name,
            remedy="make it again with `lc-assets map` and its area",
        ) from None


def select_scenes(store: Store, plan: MapPlan) -> Iterator[str]:
    """Yield the ids of the scenes of a map that have a class map. Their rasters are not read.

    A scene whose registered item cannot be read is among them: its class map then decides.

    Raises:
        OSError, StoreError: the store cannot be read.
    """
    listed = plan.scenes is not None
    is_one = plan.scene_filter()
    for item in plan.scenes if plan.scenes is not None else store.folders():
        if not is_id(item) or not store.scene(item).classified.exists():
            continue
        document = None if listed else read_json_object(store.registered(item))
        if document is None or is_one(document):
            yield item


def plan_digests(store: Store) -> dict[str, str]:
    """Return name -> digest of all registrations. Those that cannot be read are left out.

    Raises:
        StoreError: the store cannot be listed.
    """
    with reading(store.root):
        names = store.registered_maps()
    found = {}
    for name in names:
        with suppress(StoreError):
            found[name] = read_plan(store, name).digest
    return found


def _query(plan: MapPlan) -> Query:
    """Return the limits of a plan on time and cloud.

    Raises:
        BadReference: one is malformed.
    """
    return Query(bbox=(-180.0, -90.0, 180.0, 90.0), datetime=plan.period, max_cloud=plan.max_cloud)
