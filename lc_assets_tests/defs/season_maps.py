"""Season maps in Dagster: scenes with records but without a network, and runs of the job `fuse_season_map`."""

from __future__ import annotations

from typing import Any

import dagster as dg
import numpy as np
import pytest
import shapely
from rasterio.warp import transform_bounds

from lc_assets.defs import season_map_sensor
from lc_assets.defs.build import build_definitions
from lc_assets.defs.season_map_sensor import season_maps_again
from lc_assets.operations.keys import CATALOG, CLASS_RASTER, FUSE, SCENES, SEASON_MAP
from lc_assets.operations.runs import RunResult, register, run_scene
from lc_assets.operations.season_maps import MapStatus, map_statuses, register_map
from lc_assets.products.season_map.plan import MapPlan, plan_digests, write_plan
from lc_assets.raster.polygons import Polygons
from lc_assets_tests.conftest import Desk
from lc_assets_tests.products.season_map.conftest import ZONE_32, Season, landscape
from loopback.sensor_tick import sensor_context

CORNER = Polygons(("corner",), np.array([shapely.box(300_000, 5_699_000, 301_000, 5_700_000)]), ZONE_32.crs)
"""A square kilometre of the landscape."""
BOX = ",".join(f"{degrees:.6f}" for degrees in transform_bounds(ZONE_32.crs, "OGC:CRS84", *CORNER.shapes[0].bounds))
"""About the same, in degrees."""


def item_of(day: str) -> str:
    return f"S2B_MSIL2A_{day}T103629_R008_T32ULB_{day}T140000"


class Mapped:
    """Scenes with class maps and records, and the season maps of them.

    Attributes:
        desk: the store and the instance.
    """

    def __init__(self, desk: Desk):
        self.desk = desk
        self._season = Season(desk.store, landscape())

    def classify(self, day: str, *, version: str = "1", **properties: Any) -> str:
        """Write a scene of a day (YYYYMMDD) and the records of its run; a scene that is there only gets the records."""
        item = item_of(day)
        if not self.desk.folder(item).classified.exists():
            when = f"{day[:4]}-{day[4:6]}-{day[6:]}T10:36:29Z"
            self._season.add(item, seed=int(day), when=when, **properties)
        register(self.desk.instance, [item], SCENES)
        for key in (CLASS_RASTER, CATALOG):
            made = dg.AssetMaterialization(key, partition=item, tags={"dagster/data_version": version})
            self.desk.instance.report_runless_asset_event(made)
        return item

    def plan(self, name: str, area: Polygons = CORNER, **limits: Any) -> MapPlan:
        """Register a map."""
        plan = MapPlan(area, ZONE_32.crs, **limits)
        write_plan(self.desk.store, name, plan)
        register_map(self.desk.instance, name, plan.digest)
        return plan

    def fuse(self, name: str) -> RunResult:
        """Run the job of a map."""
        return run_scene(build_definitions(self.desk.settings), self.desk.instance, name, {}, job=FUSE)

    def status(self, name: str) -> MapStatus:
        """What `lc-assets status` says of a map."""
        plans = plan_digests(self.desk.store)
        return map_statuses(self.desk.instance, build_definitions(self.desk.settings), self.desk.store, plans)[name]

    def scenes(self, result: RunResult) -> dict[str, str]:
        """The scenes of a fused map, with their data versions, as its metadata has them."""
        table = result.metadata[SEASON_MAP.to_user_string()]["scenes"]
        return {record.data["scene"]: record.data["data version"] for record in table.records}


class Ticker:
    """The sensor `season_maps_again` with its cursor. Its runs are executed, without a picture for the UI."""

    def __init__(self, mapped: Mapped, monkeypatch: pytest.MonkeyPatch):
        self.mapped = mapped
        self.cursor: str | None = None
        self._monkeypatch = monkeypatch
        monkeypatch.setattr("lc_assets.defs.metadata.inline_map", lambda *_: "![no picture]()")

    def tick(self, *, next_day: bool = False, fuses: bool = True) -> tuple[list[str], str]:
        """One tick, soon after the last one or on the next day. Without `fuses`, its runs are not executed.

        Returns:
            The maps that are to be run, and the skip reason.
        """
        self._monkeypatch.setattr(season_map_sensor, "ONCE_SECONDS", -1 if next_day else 24 * 3600)
        desk = self.mapped.desk
        definitions = build_definitions(desk.settings)
        with sensor_context(definitions, desk.instance, self.cursor, "store", "watch") as context:
            result = season_maps_again.evaluate_tick(context)
        self.cursor = result.cursor or self.cursor
        names = [request.partition_key or "" for request in result.run_requests or ()]
        for name in names if fuses else ():
            assert self.mapped.fuse(name).error is None
        return names, str(result.skip_message or "")
