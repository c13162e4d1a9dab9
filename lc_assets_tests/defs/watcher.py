"""The sensor `new_sentinel2_items` with its cursor and its watch file, and items for it to find."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from lc_assets.defs import sensors
from lc_assets.defs.build import build_definitions
from lc_assets.defs.sensors import build_sensor
from lc_assets.operations.keys import SCENES
from lc_assets.operations.search_cursor import SearchCursor
from lc_assets_tests.conftest import Desk
from loopback.scenes import template_item
from loopback.sensor_tick import sensor_context

NOW = datetime(2024, 9, 1, 12, tzinfo=timezone.utc)


def item(
    day: str, *, strip: str = "103632", made: str = "200000", baseline: str = "05.10", tile: str = "32ULC", **more: Any
) -> dict[str, Any]:
    """An item of the Planetary Computer without pixels: acquired on `day` (YYYYMMDD) at 10:36:29."""
    document = deepcopy(template_item())
    document["id"] = f"S2A_MSIL2A_{day}T103629_R008_T{tile}_{day}T{made}"
    written = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    document["properties"] |= {
        "datetime": f"{written}T10:36:29.024000Z",
        "platform": "Sentinel-2A",
        "s2:mgrs_tile": tile,
        "s2:datatake_id": f"GS2A_{day}T103629_000001_N{baseline}",
        "s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_2APS_{day}T{made}_S{day}T{strip}_N{baseline}",
        "s2:granule_id": f"S2A_OPER_MSI_L2A_TL_2APS_{day}T{made}_A000001_T{tile}_N{baseline}",
        "s2:product_uri": f"S2A_MSIL2A_{day}T103629_N{baseline.replace('.', '')}_R008_T{tile}_{day}T{made}.SAFE",
        "s2:processing_baseline": baseline,
        "s2:generation_time": f"{written}T{made[:2]}:{made[2:4]}:{made[4:]}.000000Z",
        "eo:cloud_cover": 10.0,
        "s2:nodata_pixel_percentage": 2.0,
        **more,
    }
    return document


class Watcher:
    """A sensor with its cursor, and what Dagster does with a tick's result."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self.cursor: str | None = None
        self.launched: list[str] = []
        monkeypatch.setattr(sensors, "_now", lambda: NOW)

    def tick(self, *, dies: bool = False) -> Any:
        """One tick. `dies`: the daemon ends after the partitions are added, before anything else is done."""
        definitions = build_definitions(self.desk.settings)
        with sensor_context(definitions, self.desk.instance, self.cursor, "watch", "items", "store") as context:
            result = build_sensor(1).evaluate_tick(context)
        for request in result.dynamic_partitions_requests or ():
            change = "add" if isinstance(request, dg.AddDynamicPartitionsRequest) else "delete"
            for key in request.partition_keys:
                if change == "add":
                    self.desk.instance.add_dynamic_partitions(SCENES, [key])
                else:
                    self.desk.instance.delete_dynamic_partition(SCENES, key)
        if dies:
            return result
        for request in result.run_requests or ():
            assert request.run_key == request.partition_key
            if request.run_key not in self.launched:  # as Dagster does
                self.launched.append(request.run_key)
                self.run(request.partition_key, request.tags)
        self.cursor = result.cursor or self.cursor
        return result

    def run(self, key: str, tags: dict[str, str]) -> None:
        """A run of it that waits, and no more: pixels are not what is tested here."""
        job = build_definitions(self.desk.settings).resolve_job_def("classify_scenes")
        self.desk.instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.NOT_STARTED, tags={**tags, "dagster/partition": key}
        )

    def finish(self, key: str) -> None:
        """Its map is there, its run is over."""
        for name in ("raw_bands", "resampled_stack", "class_raster", "overview", "catalog"):
            self.desk.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=key))
        for run in self.desk.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": key})):
            self.desk.instance.report_run_canceled(run)

    def until_it_has_looked_at_all(self) -> None:
        rounds = SearchCursor(**json.loads(self.cursor)).rounds if self.cursor else 0
        for _ in range(100):
            self.tick()
            if SearchCursor(**json.loads(self.cursor or "")).rounds > rounds:
                return
        raise AssertionError("it does not come round")

    @property
    def keys(self) -> set[str]:
        return set(self.desk.instance.get_dynamic_partitions(SCENES))


def watch(folder: Path, **more: Any) -> None:
    content = {"tiles": ["32ULC"], "from": "2024-01-01", "max_cloud": 50, "max_nodata": 90, "recent_days": 5, **more}
    (folder / "watch.yaml").write_text(yaml.safe_dump(content))


OLD, NEW = item("20240830", made="200000", baseline="05.10"), item("20240830", made="230000", baseline="05.11")
