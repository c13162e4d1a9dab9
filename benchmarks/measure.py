"""Run one measurement in this process: `python -m benchmarks.measure NAME ARGUMENTS...` prints a JSON object."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lc_assets.demo.item_json import DEMO_ITEM_ID


def reference(tile: str, work: str, chips: str) -> dict[str, Any]:
    """Measure the reference's method with GDAL's defaults, not with the settings of `lc_assets.raster.gdal`."""
    os.environ.update({"GDAL_NUM_THREADS": "1", "GDAL_CACHEMAX": "5%"})
    from benchmarks.reference import CLASSIC, time_reference

    times = time_reference(Path(tile), Path(work), int(chips))
    return {
        "seconds": times.total(CLASSIC),
        "seconds_shipped": times.total("shipped"),
        "parts": {"resample": times.resample, "read": times.read, "write": times.write, **times.classify},
        "measured": times.measured,
        "chips": times.chips,
    }


def chain(tile: str, store: str, stride: str, precision: str, *selection: str) -> dict[str, Any]:
    """Measure the six assets of the tile, or the selected assets, through Dagster."""
    os.environ.setdefault("DAGSTER_HOME", str(Path(store).parent / "dagster"))
    os.environ["LC_ASSETS_STORE"] = store
    import dagster as dg

    from lc_assets.core.settings import Settings
    from lc_assets.defs.build import build_definitions
    from lc_assets.operations.dagster_home import ensure_dagster_home
    from lc_assets.operations.keys import CLASSIFY
    from lc_assets.operations.runs import register
    from lc_assets.sentinel2.item.scene import parse_scene, read_document
    from lc_assets.sentinel2.search.catalog import StacCatalogClient
    from lc_assets.sentinel2.search.registry import RegisteredItems
    from lc_assets.store.layout import Store

    path = Path(tile) / f"{DEMO_ITEM_ID}.json"
    scene = parse_scene(read_document(path), base=path)
    settings = Settings(store=store, precision=precision)
    ensure_dagster_home(settings.store)
    with dg.DagsterInstance.get() as instance:
        RegisteredItems(Store.at(settings.store), StacCatalogClient(settings.stac_url)).register(scene)
        register(instance, [scene.id])
        job = build_definitions(settings).resolve_job_def(CLASSIFY)
        started, spent = time.perf_counter(), time.process_time()
        result = job.execute_in_process(
            run_config={
                "ops": {"class_raster": {"config": {"stride": int(stride)}}},
                "loggers": {"console": {"config": {"log_level": "ERROR"}}},
            },
            instance=instance,
            partition_key=scene.id,
            asset_selection=[dg.AssetKey(name) for name in selection] or None,
        )
        seconds, cpu = time.perf_counter() - started, time.process_time() - spent
    materialised: dict[str, Any] = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    report = materialised.get("class_raster", {})
    stages = {r.data["stage"]: r.data["seconds"] for r in report["stages"].value.records} if report else {}
    return {
        "seconds": seconds,
        "cpu": cpu,
        "assets": {name: float(metadata["seconds"].value) for name, metadata in materialised.items()},
        "stages": stages,
        "precision": str(report["precision"].value) if report else "",
        "evaluation": str(report["evaluation"].value) if report else "",
    }


def limits(tile: str, classified: str, work: str, side: str) -> dict[str, Any]:
    """Measure the lower bounds of `benchmarks.limits`."""
    from benchmarks import limits as measured
    from lc_assets.inference.openvino_runtime import has_bfloat16

    precisions = ["float32", *(["bfloat16"] if has_bfloat16() else [])]
    found: dict[str, Any] = {
        "decode": measured.decode(Path(tile)),
        "cog": measured.write_cog(Path(classified), Path(work) / "again.tif"),
    }
    for precision in precisions:
        seconds, multiply_adds = measured.network(precision, int(side))
        rate = measured.matrix_rate(precision)
        found[precision] = {"network": seconds, "matrix": multiply_adds / rate, "gflops": 2 * rate / 1e9}
    return found


def season_map(folder: str, dates: str) -> dict[str, Any]:
    """Measure the fusion of several dates of a full tile (`benchmarks.season_map`)."""
    from benchmarks.season_map import measure

    return measure(Path(folder), int(dates))


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "reference": reference,
    "chain": chain,
    "limits": limits,
    "season_map": season_map,
}


def main() -> None:
    """Run a measurement, and print its result with the bytes that it read and wrote by system calls."""
    name, *arguments = sys.argv[1:]
    before = _bytes()
    found = TASKS[name](*arguments)
    after = _bytes()
    print(json.dumps({**found, "read": after["rchar"] - before["rchar"], "written": after["wchar"] - before["wchar"]}))


def _bytes() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return {key: int(value) for key, value in (line.split(": ") for line in lines)}


if __name__ == "__main__":
    main()
