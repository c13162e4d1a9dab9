"""Run one measurement in this process: `python -m benchmarks.measure NAME ARGUMENTS...` prints a JSON object."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


def fetch(folder: str, *items: str) -> dict[str, Any]:
    """Fetch the files of items, one after the other, and compute nothing. The files of each are deleted at once."""
    from lc_assets.sentinel2.bands.raw_bands import fetch_scene
    from lc_assets.sentinel2.item.scene import parse_scene, read_document

    for item in items:
        stage = Path(folder) / Path(item).stem
        stage.mkdir(parents=True)
        fetch_scene(parse_scene(read_document(Path(item))), stage, stage.with_name("incoming"))
        shutil.rmtree(folder)
    return {}


def limits(tile: str, store: str, work: str, side: str) -> dict[str, Any]:
    """Measure the lower bounds of `benchmarks.limits`."""
    from benchmarks import limits as measured
    from lc_assets.demo.item_json import DEMO_ITEM_ID
    from lc_assets.inference.openvino_runtime import has_bfloat16
    from lc_assets.store.layout import Store

    precisions = ["float32", *(["bfloat16"] if has_bfloat16() else [])]
    found: dict[str, Any] = {
        "checksum": measured.checksum(Path(tile)),
        "decode": measured.decode(Path(tile)),
        "cog": measured.write_cogs(Store.at(store).scene(DEMO_ITEM_ID), Path(work) / "again.tif"),
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
    "fetch": fetch,
    "limits": limits,
    "season_map": season_map,
}


def main() -> None:
    """Run a measurement and print its result."""
    name, *arguments = sys.argv[1:]
    print(json.dumps(TASKS[name](*arguments)))


if __name__ == "__main__":
    main()
